"""Numbers of each step that the host works out, where a step on the device finds them by itself."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

CAPACITY = 4096
"""Steps in a block: a refill every few seconds of the fastest runs, 20 ms of Python for each."""


class StepTable:
    """One row of numbers for each step of a run, on the device, a block of steps at a time.

    In blocks, because a run of a million steps must not begin by working out all of them. A row is
    found by a step counter that lies on the device too.
    """

    def __init__(
        self,
        row: Callable[[int], Sequence[float]],
        num_steps: int,
        device: torch.device | str,
        *,
        capacity: int = CAPACITY,
    ) -> None:
        self._row, self._num_steps = row, num_steps
        self._capacity = min(capacity, num_steps)
        self._held = range(0)
        shape = (self._capacity, len(row(0)))
        self._rows = torch.zeros(shape, dtype=torch.float64, device=device)

    def prepare(self, steps: range) -> None:
        """Have the rows of these steps on the device, at most `capacity` of them."""
        assert len(steps) <= self._capacity, f"{len(steps)} steps at a time, room for {self._capacity}"
        if steps.start >= self._held.start and steps.stop <= self._held.stop:
            return
        self._held = range(steps.start, min(steps.start + self._capacity, self._num_steps))
        rows = torch.tensor([self._row(step) for step in self._held], dtype=torch.float64)
        places = torch.tensor([step % self._capacity for step in self._held])
        self._rows.index_copy_(0, places.to(self._rows.device), rows.to(self._rows.device))

    @contextmanager
    def zeroed(self) -> Iterator[None]:
        """Have zeros in the prepared rows until the end of the block."""
        kept = self._rows.clone()
        self._rows.zero_()
        try:
            yield
        finally:
            self._rows.copy_(kept)

    def at(self, step: Tensor) -> Tensor:
        """Return the row of a prepared step (int64 scalar on the device): float64, shape (columns,)."""
        return self._rows.index_select(0, (step % self._capacity).view(1))[0]
