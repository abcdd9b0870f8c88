"""A finished run on the digits, made once as a user makes it, and what is made of it."""

import shutil
from pathlib import Path

import pytest

from resnetlab.cli import main

TRAIN = ("--data", "digits", "--steps", "6", "--batch", "16", "--set", "width=0.125", "--set", "log_every=2")


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("digits") / "run"
    assert main(["train", "resnet8", *TRAIN, "--val", "64", "--no-report", "--out", str(out)]) == 0
    return out


@pytest.fixture
def run(digits_run: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return shutil.copytree(digits_run, tmp_path / "run")
