"""Processes of one run as threads of this one, which add what they have made in the order of their ranks."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class Meeting:
    """Adds tensors of so many threads: lower plus upper, pair by pair."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._brought: list[Tensor] = [torch.empty(0)] * size
        self._barrier = threading.Barrier(size, timeout=60)

    def reduce(self, rank: int) -> Callable[[Tensor], Tensor]:
        """Return what adds for one of them."""

        def add(made: Tensor) -> Tensor:
            self._brought[rank] = made.clone()
            self._barrier.wait()
            sums = list(self._brought)
            while len(sums) > 1:
                sums = [sums[place] + sums[place + 1] for place in range(0, len(sums), 2)]
            self._barrier.wait()
            return sums[0]

        return add

    def each(self, work: Callable[[int], T]) -> list[T]:
        """Do the work of every rank at once, and return what they return; the first error is raised."""

        def done(rank: int) -> T:
            try:
                return work(rank)
            except BaseException:
                self._barrier.abort()
                raise

        with ThreadPoolExecutor(self.size) as threads:
            return list(threads.map(done, range(self.size)))
