"""Seconds that may be spent, and work in pieces that fit into them."""

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

_GROWTH = 4
"""A piece is at most so many times as large as the one before: the first is slower than it need be."""


class Budget:
    """Seconds from now on.

    Args:
        seconds: How many.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._start = time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._start

    @property
    def left(self) -> float:
        """Seconds that are left, 0 at least."""
        return max(0.0, self.seconds - self.spent)

    def part(self, share: float) -> "Budget":
        """Return a budget of this share of what is left."""
        return Budget(share * self.left)


def paced(items: Sequence[T], budget: Budget, most: int) -> Iterator[Sequence[T]]:
    """Yield the items in pieces as long as there is time, each to take half of what is left at most.

    How long a piece takes is told by the one before; the first is of one item. So what is spent is more
    than the budget by one item at most, where each takes the same time.

    Args:
        items: In the order of their worth.
        budget: What may be spent.
        most: Items of a piece.
    """
    done, size = 0, 1
    while done < len(items) and budget.left > 0:
        before = budget.spent
        yield items[done : done + size]
        done, each = done + size, (budget.spent - before) / size
        fitting = 0.5 * budget.left / each if each > 0 else most
        size = max(1, int(min(most, fitting, _GROWTH * size)))
