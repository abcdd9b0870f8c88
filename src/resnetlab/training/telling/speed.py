"""How many images a second a run trains on: lately, and since its first steps."""

from dataclasses import dataclass

import torch

from resnetlab.recipe.due import Due
from resnetlab.runs.record import Record

WARM_UP = 5
"""Steps after a start that are in no rate: they compile and load. Source: TensorFlow's official models,
official/utils/logs/hooks_helper.py, get_examples_per_second_hook."""


@dataclass
class Speedometer:
    """Notes the rate of a run's updates with each row of training; evaluations and saves are not in it."""

    record: Record
    due: Due
    device: torch.device
    step: int
    """Updates that the run had made when this process began."""

    def __post_init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._last = (0, 0.0)

    def progress(self, step: int, samples: int, seconds: float) -> None:
        """Take note that `step` updates are made, of so many images in so many seconds, over all starts."""
        is_row = self.due.row(step)
        if self._first is None:
            is_known = is_row or self.device.type == "cpu"  # a GPU was waited for at a row alone
            if is_known and step >= self.step + WARM_UP:
                self._first = self._last = (samples, seconds)
            return
        if is_row and seconds > self._last[1]:
            lately, average = _rate(self._last, samples, seconds), _rate(self._first, samples, seconds)
            self.record.add_speed(step, lately, average)
            self._last = (samples, seconds)


def _rate(since: tuple[int, float], samples: int, seconds: float) -> float:
    return (samples - since[0]) / (seconds - since[1])
