"""What can be refused is refused before anything is measured, and what was begun is not measured again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import resnetlab
from resnetlab.cli import main
from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.runs.directory import RunDirectory, claim_new
from resnetlab.training.asking import Asked, plan_training
from resnetlab.training.budget import fitting
from resnetlab.training.choosing import choosing
from resnetlab.training.observer import Observer, Silence
from resnetlab.training.planning import RunPlan
from resnetlab.training.run import is_begun_at
from resnetlab.training.session import start

LONG = 1_000_000
"""Epochs of the digits that take longer than a minute on any machine."""


@pytest.fixture(autouse=True)
def _nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*given: Any, **named: Any) -> None:
        pytest.fail("something was measured")

    monkeypatch.setattr(choosing, "try_ways", measured)
    monkeypatch.setattr(fitting, "measure_costs", measured)


@pytest.fixture
def taken(tmp_path: Path) -> str:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/letter.txt").write_text("mine")
    return str(tmp_path / "taken")


def train(*flags: str) -> int:
    return main(["train", "resnet8", "--data", "digits", "--device", "cpu", *flags])


LENGTHS = (("--epochs", str(LONG)), ("--minutes", "5"))


@pytest.mark.parametrize("length", LENGTHS, ids=["long", "minutes"])
@pytest.mark.parametrize("kind", [(), ("--seeds", "2")], ids=["run", "study"])
def test_a_place_that_is_taken_is_refused_first(
    taken: str, kind: Sequence[str], length: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(*length, *kind, "--out", taken) == 2
    assert "is not empty" in capsys.readouterr().err
    assert train(*length, *kind, "--out", f"{taken}/letter.txt/run") == 74
    assert "letter.txt is a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--profile", "0"), "at least one step is profiled"),
        (("--track", "nobody"), "no tracker is called 'nobody'"),
        (("--seeds", "2", "--track", "nobody"), "no tracker is called 'nobody'"),
        (("--seeds", "2", "--at-once", "-1"), "at least one run is made at once"),
        (("--dry-run", "--profile", "0"), "at least one step is profiled"),
    ],
)
@pytest.mark.parametrize("length", LENGTHS, ids=["long", "minutes"])
def test_what_a_command_cannot_be_asked_is_refused_first(
    tmp_path: Path,
    length: Sequence[str],
    flags: Sequence[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train(*length, *flags, "--out", str(tmp_path / "new")) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_runs_by_minutes_are_refused_beside_each_other_before_their_steps_are_timed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train("--minutes", "5", "--seeds", "2", "--at-once", "2") == 2
    assert "one after another" in capsys.readouterr().err


def test_in_python_too(taken: str) -> None:
    given: dict[str, Any] = {"data": "digits", "device": "cpu", "epochs": LONG, "out": taken}
    with pytest.raises(UsageError, match="is not empty"):
        resnetlab.train("resnet8", **given, observer=Silence())
    with pytest.raises(UsageError, match="is not empty"):
        resnetlab.study(["resnet8"], **given, observer=Silence())
    with pytest.raises(UsageError, match="no tracker is called"):
        resnetlab.study(["resnet8"], **given | {"out": None}, track="nobody", observer=Silence())


def test_before_a_fine_tuning_and_a_study_of_shortcuts_too(
    taken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    given: dict[str, Any] = {"report": False, "compile": "off", "precision": "fp32", "observer": Silence()}
    resnetlab.train("resnet8", data="digits", device="cpu", steps=1, out=run, **given)
    long = ["--data", "digits", "--device", "cpu", "--epochs", str(LONG)]

    assert main(["finetune", "--weights", str(run), *long, "--out", taken]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert main(["explain", "residual", "--depths", "8", "14", *long, "--runs", taken]) == 2
    assert "Choose another directory with --runs" in capsys.readouterr().err


def test_a_run_that_was_begun_is_not_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, out = model_spec("resnet8"), tmp_path / "run"
    asked = Asked(data="digits", device="cpu", values={"length": f"{LONG}ep", "checkpoint_every": 0})
    plan, _ = plan_training(spec, asked, look=lambda plans: True)
    with claim_new(out):
        start(plan, RunDirectory(out), Observer()).close()

    def look(plans: Sequence[RunPlan]) -> bool:
        return is_begun_at(out, plans[0], resume_if_begun=True)

    assert plan_training(spec, asked, look=look)[0].recipe == plan.recipe
    flags = ["--epochs", str(LONG), "--set", "checkpoint_every=0", "--out", str(out), "--resume-if-begun"]
    assert train(*flags, "--dry-run") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"{out} (begun)" in told and "(as the run began)" in told
    assert train(*flags, "--batch", "64") == 2
    assert "holds another run than is asked for" in capsys.readouterr().err
