"""Axes of charts: which numbers stand on them, and where a value lies. Linear or logarithmic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

SEEN_FROM = 0.55
"""Share of a curve after which all of it is seen: in the papers the rate falls after half of the steps."""

FEW = 30
"""Evaluations up to which each is looked at, and seen."""

_SPAN = 15
"""The greatest value by the least, from which a logarithmic axis shows more."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """From `low` to `high`, which lie at 0 and 1."""

    low: float
    high: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies, in [0, 1] if it is on the axis."""
        if self.is_log:
            value = max(value, self.low)
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self, most: int = 6) -> list[float]:
        """Return the round numbers on it."""
        return _decades(self.low, self.high) if self.is_log else _round(self.low, self.high, most)


def step_axis(last: float) -> Axis:
    """Return the axis of steps."""
    return Axis(low=0.0, high=max(last, 1.0))


def value_axis(
    tail: Sequence[float], every: Sequence[float], *, most: float | None = None, is_short: bool = False
) -> Axis:
    """Return the axis of values from 0 on, or a logarithmic one where they span more than that shows.

    Args:
        tail: Values that must be seen.
        every: All values; they are seen too if that costs no more than twice the height.
        most: The greatest value that can be.
        is_short: Whether all of them must be seen, as there are few.
    """
    whole = max(every, default=1.0)
    high = max(tail, default=whole)
    high = whole if is_short or whole <= 2.5 * high else high
    positive = [value for value in every if value > 0]
    if positive and high > _SPAN * (least := _low_end(positive)):
        return Axis(low=_down(least), high=_up(whole, most), is_log=True)
    padded = 1.08 * high if most is None or high > most else min(1.08 * high, most)
    return Axis(low=0.0, high=_up(padded, most))


def _low_end(positive: Sequence[float]) -> float:
    """Return the least value, but for a few that are far below all others."""
    ordered = sorted(positive)
    return ordered[len(ordered) // 50]


def _up(value: float, most: float | None) -> float:
    """Return the next round number."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    found = next(unit * step for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if unit * step >= value * 0.999)
    return min(found, most) if most and value <= most else found


def _down(value: float) -> float:
    """Return the next 1, 2 or 5 below."""
    unit = 10.0 ** math.floor(math.log10(value) + 1e-9)
    return next(unit * step for step in (5, 2, 1) if unit * step <= value * 1.001)


def _round(low: float, high: float, most: int) -> list[float]:
    span = high - low
    unit = 10.0 ** math.floor(math.log10(span / most))
    step = next(unit * each for each in (1, 2, 2.5, 5, 10, 20) if span / (unit * each) <= most)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    every = max(1, (last - first) // 6)
    found = [digit * 10.0**power for power in range(first, last + 1, every) for digit in steps]
    return [value for value in found if low * 0.999 <= value <= high * 1.001]


def number(value: float) -> str:
    """Return a number on an axis: 64,000 or 0.05."""
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.2g}"
    return f"{value:,.10g}"
