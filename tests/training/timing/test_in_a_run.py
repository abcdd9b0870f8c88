"""A run that is profiled on its way is the run that it would have been."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resnetlab.cli import main
from resnetlab.runs.directory import RunDirectory
from resnetlab.training.observer import Observer
from resnetlab.training.run import train_plan
from resnetlab.training.timing.in_a_run import NUMBERS, TEXT, TRACE
from resnetlab.training.timing.profile import Profiler
from tests.kit.small_runs import final_bytes, small_plan


def trained(out: Path, steps: int, length: int = 12) -> RunDirectory:
    plan = replace(small_plan(length=f"{length}st"), profile_steps=steps)
    train_plan(plan, out, Observer())
    return RunDirectory(out)


def test_a_profile_changes_no_byte_of_a_run_and_nothing_of_its_identity(tmp_path: Path) -> None:
    plain, profiled = trained(tmp_path / "plain", 0), trained(tmp_path / "profiled", 3)

    assert final_bytes(profiled, 12) == final_bytes(plain, 12)
    assert profiled.identity() == plain.identity()
    assert not (plain.path / TEXT).exists()
    numbers = json.loads((profiled.path / NUMBERS).read_text())
    assert numbers["steps"] == 3
    assert sum(kind["share"] for kind in numbers["kinds"].values()) == pytest.approx(1)
    assert (profiled.path / TEXT).read_text().startswith("profile of 3 steps of ")
    names = [event.get("name") for event in json.loads((profiled.path / TRACE).read_text())["traceEvents"]]
    assert names.count("resnetlab step") == 3


def test_a_run_that_is_shorter_is_profiled_as_far_as_it_goes(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", 50, length=4)

    numbers = json.loads((run.path / NUMBERS).read_text())
    assert numbers["steps"] == 4
    whole = 4 * numbers["step_milliseconds"] / 1e3
    assert run.read("RESULT")["train_seconds"] < 2 * whole + 0.3  # what the profile took is not in there


def test_a_profile_that_cannot_be_written_ends_no_run(tmp_path: Path) -> None:
    class Blocking(Observer):
        def __init__(self) -> None:
            self.notes: list[str] = []

        def begin(self, facts: Any, *, step: int, num_steps: int) -> None:
            (tmp_path / "run" / TEXT).mkdir()

        def note(self, text: str) -> None:
            self.notes.append(text)

    observer = Blocking()
    train_plan(replace(small_plan(length="8st"), profile_steps=2), tmp_path / "run", observer)

    assert (tmp_path / "run/RESULT.json").exists()
    assert "The profile could not be written: " in "\n".join(observer.notes)


@pytest.mark.parametrize("part", ["begin", "end", "write_trace"])
def test_nor_does_one_that_torch_cannot_make(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*given: Any) -> None:
        raise RuntimeError("another profiler is at work")

    class Listening(Observer):
        def note(self, text: str) -> None:
            notes.append(text)

    notes: list[str] = []
    monkeypatch.setattr(Profiler, part, failing)

    train_plan(replace(small_plan(length="8st"), profile_steps=2), tmp_path / "run", Listening())

    assert (tmp_path / "run/RESULT.json").exists()
    assert notes == ["The profile could not be written: RuntimeError: another profiler is at work"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--profile", "0"], "at least one step is profiled"),
        (["--profile", "2", "--seeds", "2"], "is of one run"),
    ],
)
def test_a_wrong_number_of_steps_or_runs_is_refused(
    arguments: list[str], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = ["train", "resnet8", "--data", "digits", "--steps", "1", "--out", str(tmp_path / "run")]
    assert main([*train, *arguments]) == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
