"""Honest runs of a few steps, made once: tests copy them."""

import shutil
from pathlib import Path

import pytest

from resnetlab.base.units import Duration
from resnetlab.runs.records import read_records
from resnetlab.training.observer import Observer
from resnetlab.training.planning import plan_of
from resnetlab.training.run import resume_plan, train_plan
from tests.kit.interrupted_runs import run_until
from tests.kit.small_runs import CPU, small_source, two_stage_plan

SHORT = {"length": "16st", "checkpoint_every": 5, "batch": 8}


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 16 steps, stopped by a signal after the seventh, and gone on with; evaluated at 8, 15, 16."""
    run = run_until(tmp_path_factory.mktemp("honest") / "run", 7, **SHORT)
    resume_plan(plan_of(read_records(run), small_source(), CPU), run, Observer())
    return run.path


@pytest.fixture(scope="session")
def with_val(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 16 steps that follows 12 images which are held out."""
    out = tmp_path_factory.mktemp("with-val") / "run"
    train_plan(two_stage_plan(**SHORT, val=12, ema_decay=0.0, eval_every=Duration(4, "st")), out, Observer())
    return out


@pytest.fixture
def copy(honest: Path, tmp_path: Path) -> Path:
    """A copy of the honest run, to be doctored."""
    return shutil.copytree(honest, tmp_path / "run")


@pytest.fixture
def copy_with_val(with_val: Path, tmp_path: Path) -> Path:
    """A copy of the run with validation images."""
    return shutil.copytree(with_val, tmp_path / "run")
