"""How many images a second a run says it trains on: by its own counts of images and seconds of updates."""

from pathlib import Path

import pytest
import torch

from resnetlab.base.units import Duration
from resnetlab.recipe.due import Due
from resnetlab.recipe.running import Run
from resnetlab.recipe.timeline import Timeline
from resnetlab.runs.record import Record
from resnetlab.training.telling.speed import WARM_UP, Speedometer

SECONDS = [0.0, 9.0, 9.5, 10.0, 10.5, 11.0, 11.25, 12.0, 13.0, 15.0, 15.5, 16.0, 16.25, 17.0]
"""After each step; the first one compiles."""


class Kept(Record):
    def __init__(self) -> None:
        super().__init__(Path())
        self.rates: list[tuple[int, float, float]] = []

    def add_speed(self, step: int, lately: float, average: float) -> None:
        self.rates.append((step, lately, average))


def told(device: str, first: int = 0, steps_at_once: int = 1) -> list[tuple[int, float, float]]:
    """What is said of 12 steps of 8 images, with a row after every third."""
    run = Run(length=Duration(12, "st"), batch=8, log_every=3)
    due = Due(run, Timeline(num_samples=96, batch=8, length=run.length))
    record = Kept()
    speed = Speedometer(record, due, torch.device(device), first)
    for step in range(first + steps_at_once, 13, steps_at_once):
        speed.progress(step, 8 * step, SECONDS[step])
    return record.rates


def test_the_rate_is_that_since_the_last_row_and_since_the_first_steps() -> None:
    assert WARM_UP == 5
    assert told("cpu") == [
        (6, 8 * 1 / (11.25 - 11.0), 8 * 1 / (11.25 - 11.0)),
        (9, 8 * 3 / (15.0 - 11.25), 8 * 4 / (15.0 - 11.0)),
        (12, 8 * 3 / (16.25 - 15.0), 8 * 7 / (16.25 - 11.0)),
    ]


def test_a_gpu_is_asked_only_where_it_was_waited_for() -> None:
    assert told("cuda") == [
        (9, 8 * 3 / (15.0 - 11.25), 8 * 3 / (15.0 - 11.25)),
        (12, 8 * 3 / (16.25 - 15.0), 8 * 6 / (16.25 - 11.25)),
    ]


def test_a_start_again_has_first_steps_of_its_own() -> None:
    assert [step for step, _, _ in told("cpu", first=3)] == [9, 12]
    assert told("cpu", first=3)[0][1:] == pytest.approx((8 * 1 / (15.0 - 13.0),) * 2)
