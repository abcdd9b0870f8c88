"""schedule=plateau: the rate falls as with Keras' ReduceLROnPlateau, and a resumed run knows how far."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from resnetlab.base.units import Duration
from resnetlab.errors import UsageError
from resnetlab.evaluation.metrics import Scores
from resnetlab.recipe import Schedule
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.schedule import LearningRate
from resnetlab.recipe.timeline import Timeline
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.journal import read_rows
from resnetlab.training.session import build_state
from tests.kit.commands import run as command
from tests.kit.interrupted_runs import StopAt, interrupt, run_until
from tests.kit.remains import what_remains
from tests.kit.small_runs import CPU, final_bytes, finish, go_on, small_source, train_whole, two_stage_plan
from tests.kit.worlds import world

FALLING: dict[str, Any] = {
    "val": 12, "schedule": "plateau", "plateau_delta": 9.0, "plateau_patience": 2, "lr_end": 0.05,
    "eval_every": Duration(1, "ep"), "lr": 0.1, "warmup": Duration(2, "st"),
}  # fmt: skip
"""No loss is 9 nats lower than another, so that the rate falls after every second evaluation."""


@dataclass
class Restated:
    """ReduceLROnPlateau of Keras, its `on_epoch_end` line by line."""

    lr: float
    factor: float
    patience: int
    min_delta: float
    min_lr: float
    best: float = np.inf
    wait: int = 0

    def on_epoch_end(self, current: float) -> None:
        if np.less(current, self.best - self.min_delta):
            self.best = current
            self.wait = 0
        else:
            self.wait += 1
            if self.wait >= self.patience:
                old_lr = self.lr
                if old_lr > self.min_lr:
                    self.lr = max(old_lr * self.factor, self.min_lr)
                    self.wait = 0


@pytest.mark.parametrize(("patience", "delta"), [(5, 1e-4), (1, 0.0), (2, 0.05), (3, 0.2)])
def test_the_rate_is_that_of_keras_after_every_evaluation(patience: int, delta: float) -> None:
    rng = np.random.default_rng(patience)
    schedule = Schedule(
        lr=1e-3, schedule="plateau", lr_end=5e-4, plateau_patience=patience, plateau_delta=delta
    )
    rate = LearningRate(schedule, Timeline(num_samples=10, batch=5, length=Duration(999, "ep")))
    state, _ = build_state(two_stage_plan().spec, two_stage_plan().recipe, CPU)
    assert schedule.plateau_factor == pytest.approx(np.sqrt(0.1), rel=1e-9)
    keras = Restated(1e-3, schedule.plateau_factor, patience, delta, 0.5e-6)

    rates = set()
    for epoch, drop in enumerate(rng.exponential(0.1, 300)):
        loss = float(2.0 / (1 + epoch / 9) + drop)
        state.take_validation(Scores(loss, 3, 5, 9, torch.zeros(1)), schedule)
        keras.on_epoch_end(loss)
        rates.add(found := rate.at(2 * epoch, state.reductions))
        assert found == pytest.approx(keras.lr, rel=1e-12), f"epoch {epoch}"
    assert min(rates) == pytest.approx(5e-7)
    assert len(rates) == 8


def test_interruptions_change_no_byte_and_the_rate_falls(tmp_path: Path) -> None:
    whole = train_whole(tmp_path / "whole", two_stage_plan(**FALLING))

    run = run_until(tmp_path / "run", 13, **FALLING)
    for step in (19, 25):
        interrupt(go_on(run, small_source()), StopAt(step))
    finish(run)

    assert final_bytes(run) == final_bytes(whole)
    told = [row["learning_rate"] for row in read_rows(whole.metrics) if row["kind"] == "val"]
    root = 0.1**0.5
    assert [rate for rate, _ in itertools.groupby(told)] == pytest.approx([0.1, 0.1 * root, 0.01])


def test_processes_lower_it_together(tmp_path: Path) -> None:
    arguments = (
        "train", "resnet8", "--data", "digits", "--recipe", "digits", "--steps", "10", "--batch", "16",
        "--device", "cpu", "--set", "width=0.25", "--set", "compile=off", "--no-report", "--val", "40",
        "--set", "shards=2", "--set", "warmup=0st", "--set", "schedule=plateau",
        "--set", "plateau_patience=1",
        "--set", "plateau_delta=9", "--set", "eval_every=2st", "--set", "log_every=2",
    )  # fmt: skip
    command(*arguments, "--threads", "1", "--out", str(tmp_path / "one"))
    with world(2, *arguments, "--out", str(tmp_path / "two"), module="resnetlab") as members:
        for member in members:
            member.finish(0)

    assert what_remains(tmp_path / "two") == what_remains(tmp_path / "one")
    rates = [row["learning_rate"] for row in read_rows(RunDirectory(tmp_path / "one").metrics)]
    assert rates[-1] < rates[0] / 9


@pytest.mark.parametrize(("changes", "told", "hint"), [
    ({"val": 0}, "follows the loss on validation images, and small has none of its own", "--val 10%"),
    ({"eval_every": Duration(0, "ep")}, "has one alone, at the end", "eval_every=1ep"),
    ({"capture": "on"}, "capture=on is not possible: schedule=plateau lowers the rate", "capture at auto"),
    ({"plateau_patience": 0}, "plateau_patience is at least 1, got 0", ""),
    ({"plateau_factor": 1.0}, r"plateau_factor lies in \(0, 1\): 1.0", ""),
    ({"schedule": "constant"}, "would change nothing of schedule=constant", "schedule=plateau"),
])  # fmt: skip
def test_what_cannot_be_followed_is_refused(changes: dict[str, Any], told: str, hint: str) -> None:
    with pytest.raises(UsageError, match=told) as error:
        two_stage_plan(**(FALLING | changes))

    assert hint in error.value.hint


def test_it_is_said_in_words() -> None:
    timeline = Timeline(num_samples=45_000, batch=32, length=Duration(200, "ep"))

    assert LearningRate(named_recipe("keras-plateau").schedule, timeline).describe() == (
        "0.001, times 0.316 whenever the validation loss has not fallen by 0.0001 in 5 evaluations, "
        "to 5e-07 at least"
    )
