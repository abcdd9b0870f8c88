"""How fast a run is, and how long it will still take."""

from collections.abc import Mapping
from typing import Any


class Pace:
    """What the steps told so far say of a run's speed; see `Observer` for who tells them."""

    def __init__(self) -> None:
        self.step = 0
        self.num_steps = 0
        self._first: tuple[int, float] | None = None  # step and seconds
        self._mark: tuple[int, float] | None = None  # samples and seconds at the last row
        self._now = (0, 0.0)

    def begin(self, *, step: int, num_steps: int) -> None:
        """Training starts, or goes on after `step` updates."""
        self.step, self.num_steps = step, num_steps
        self._first = self._mark = None if step else (0, 0.0)

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        """Update `step` was made; the run has seen `samples` images in `seconds` of updates."""
        self.step, self._now = step, (samples, seconds)
        self._first, self._mark = self._first or (step, seconds), self._mark or self._now

    def measured(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row of evaluation with `images_per_second` since the row before, and seconds `left`.

        Each is None where nothing tells it yet. Whatever is told later is measured from this row.
        """
        self.step, self._now = row["step"], (row["samples"], row["seconds"])
        found = dict(row) | {"images_per_second": self.images_per_second, "left": self.left}
        self._first, self._mark = self._first or (self.step, row["seconds"]), self._now
        return found

    @property
    def images_per_second(self) -> float | None:
        """Training images by the second of updates since the last row."""
        if self._mark is None or self._now[1] <= self._mark[1]:
            return None
        return (self._now[0] - self._mark[0]) / (self._now[1] - self._mark[1])

    @property
    def left(self) -> float | None:
        """Seconds of updates to the end, at the mean speed of those that were watched."""
        if self.step >= self.num_steps:
            return 0.0
        if self._first is None or self.step <= self._first[0]:
            return None
        return (self._now[1] - self._first[1]) / (self.step - self._first[0]) * (self.num_steps - self.step)
