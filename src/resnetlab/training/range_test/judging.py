"""From the losses of a range test to a rate: smoothed, where they fall, where they rise for good."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_FIRST = 5
"""Batches whose mean loss is the level from which it falls, or to which it has risen."""

_EXPLODED = 2.0
"""Multiple of the first level at which the test ends: there is nothing to be seen behind it."""

_KERNEL = 0.03
"""Standard deviation of the smoothing, as a share of all points: both sides of a rate count, so that the
smoothed loss lags behind the rates at neither end, as a running average would by some decades."""

_LEAST_FALL = 0.05
"""Share of the first level by which the loss must fall at least, to have fallen."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the losses say; rates are None where they were not seen."""

    smoothed: tuple[float, ...]
    level: float
    """The loss at first, in nats."""
    halfway: float | None = None
    """The rate at which the smoothed loss has fallen half of the way to its lowest."""
    lowest: float | None = None
    """The rate at which it is lowest, before it diverges."""
    least: float | None = None
    """The smoothed loss there, in nats."""
    diverges: float | None = None
    """The rate at which all of that fall is lost again, or at which a number was not finite."""
    suggested: float | None = None
    """In the middle between `halfway` and `diverges`, or `lowest` without that, in decades; two digits."""
    falls_at_once: bool = False
    """Whether it falls from the first rates on, so that lower ones were to be tried."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return {**vars(self), "smoothed": [*self.smoothed]}


def has_diverged(losses: Sequence[float]) -> bool:
    """Return whether the last losses are so much above the first ones that the test has seen all."""
    if len(losses) < 2 * _FIRST:
        return False
    return _mean(losses[-_FIRST:]) > _EXPLODED * _mean(losses[:_FIRST])


def _mean(losses: Sequence[float]) -> float:
    return math.fsum(losses) / len(losses)


def smoothed(losses: Floats, width: float) -> Floats:
    """Return each loss as the mean of its neighbours, weighted by a normal curve of that width, in points."""
    index = np.arange(len(losses))
    weights = np.exp(-0.5 * ((index[:, None] - index[None, :]) / width) ** 2)
    found: Floats = weights @ losses / weights.sum(axis=1)
    return found


def _first_rise(seen: Floats, level: float) -> int | None:
    """Return where all that the loss has fallen is lost for the first time; None if that is not seen.

    What comes behind does not count: a network may pass such a rise and learn again at higher rates, but a
    run would stay where the test has passed.
    """
    has_fallen = np.minimum.accumulate(seen) < (1 - _LEAST_FALL) * level
    risen = np.flatnonzero(has_fallen & (seen > level))
    return int(risen[0]) if len(risen) else None


def judge(
    rates: Sequence[float], losses: Sequence[float], *, points: int, not_finite_at: float | None = None
) -> Judgement:
    """Return what the losses of rising rates say.

    The rate that is suggested was chosen among the usual rules by what runs came to at their rates
    (docs/learning-rate.md): where the loss falls most steeply, or a tenth of where it is lowest, depends on
    single batches of the few that the test has at each rate, and was off by up to a decade.

    Args:
        rates: Of the steps, rising.
        losses: Of their batches, all finite.
        points: How many steps there were to be.
        not_finite_at: The rate at which the test ended with a number that was not finite, if it did.
    """
    level = _mean(losses[:_FIRST]) if losses else 0.0
    seen = smoothed(np.minimum(losses, _EXPLODED * level), _KERNEL * points)
    told = Judgement(smoothed=(*map(float, seen),), level=level, diverges=not_finite_at)
    if len(losses) < 2 * _FIRST:
        return told
    risen = _first_rise(seen, level)
    lowest = int(seen[:risen].argmin())
    fall = level - float(seen[lowest])
    if fall < _LEAST_FALL * level:
        return told
    halfway = int(np.argmax(seen < level - fall / 2))
    diverges = not_finite_at if risen is None else rates[risen]
    suggested = math.sqrt(rates[halfway] * (diverges or rates[lowest]))
    return Judgement(
        smoothed=told.smoothed,
        level=level,
        halfway=rates[halfway],
        lowest=rates[lowest],
        least=float(seen[lowest]),
        diverges=diverges,
        suggested=float(f"{suggested:.2g}"),
        falls_at_once=halfway < _FIRST,
    )
