"""What whoever watches a run is told, against what is in metrics.jsonl."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from resnetlab.runs.directory import RunDirectory, lock_run
from resnetlab.runs.journal import read_rows
from resnetlab.training.observer import Observer
from resnetlab.training.run import resume_plan, train_plan
from tests.kit.small_runs import two_stage_plan


class Listener(Observer):
    """Keeps everything."""

    def __init__(self) -> None:
        self.begun: list[Sequence[Mapping[str, Any]]] = []
        self.trained: list[Mapping[str, Any]] = []
        self.evaluated: list[Mapping[str, Any]] = []
        self.recent: list[tuple[float, float]] = []

    def past(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.begun.append(rows)

    def train_row(self, row: Mapping[str, Any]) -> None:
        self.trained.append(row)

    def row(self, row: Mapping[str, Any]) -> None:
        self.evaluated.append(row)

    def lately(self, *, loss: float, accuracy: float) -> None:
        self.recent.append((loss, accuracy))


def rows_of(run: Path, *kinds: str) -> list[dict[str, Any]]:
    return [row for row in read_rows(RunDirectory(run).metrics) if row["kind"] in kinds]


def test_an_observer_is_told_every_row_and_after_each_step_how_good_the_last_ones_were(
    tmp_path: Path,
) -> None:
    heard = Listener()
    train_plan(two_stage_plan(length="12st", log_every=4), tmp_path / "run", heard)

    rows, evaluated = rows_of(tmp_path / "run", "train"), rows_of(tmp_path / "run", "test")
    assert heard.begun == []
    assert heard.trained == rows
    assert all(row.items() <= told.items() for row, told in zip(evaluated, heard.evaluated, strict=True))
    assert [row["samples"] for row in heard.evaluated] == [64, 96]
    assert len(heard.recent) == 12
    for row in rows:  # when a row is written, it is what is known
        assert heard.recent[row["step"] - 1] == pytest.approx((row["train_loss"], row["train_accuracy"]))
    assert heard.recent[4] != heard.recent[3], "and a step later that step too"


class Stops(Listener):
    """Ends the run at its sixth step."""

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        if step == 6:
            raise KeyboardInterrupt


def test_who_watches_a_resumed_run_is_told_what_was_before(tmp_path: Path) -> None:
    plan = two_stage_plan(length="8st", log_every=2, checkpoint_every=4)
    with pytest.raises(KeyboardInterrupt):
        train_plan(plan, tmp_path, Stops())
    heard = Listener()
    with lock_run(tmp_path) as lock:
        resume_plan(plan, RunDirectory(tmp_path, lock), heard)

    assert [[row["step"] for row in rows] for rows in heard.begun] == [[2, 4]]
    assert [row["step"] for row in heard.trained] == [6, 8]
