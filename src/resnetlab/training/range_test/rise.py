"""From which rate to which the test goes, in how many steps; and the run whose warm-up that is."""

import math
from dataclasses import dataclass, replace
from numbers import Real
from typing import Literal

from resnetlab.base.units import Duration
from resnetlab.errors import UsageError, one_of
from resnetlab.recipe.schedule import LearningRate
from resnetlab.recipe.settings import override
from resnetlab.training.planning import RunPlan

Form = Literal["exponential", "linear"]
FORMS: tuple[Form, ...] = ("exponential", "linear")

POINTS = 100
"""Steps of a test: twenty in each of the five decades that are tried if nobody says which."""

FEWEST = 20
"""Points below which one batch decides what is seen."""

_BELOW, _ABOVE = 1e-3, 1e2
"""Shares of the recipe's own rate, in its decade, between which rates are tried if nobody says which."""


@dataclass(frozen=True, kw_only=True)
class Rise:
    """The rates that are asked for; what is left open follows the recipe."""

    low: float | None = None
    """The first rate, for the whole batch."""
    high: float | None = None
    """The last one, if the loss does not diverge before."""
    points: int = POINTS
    """Steps, each at a higher rate."""
    form: Form = "exponential"
    """By equal factors; or linear, by equal differences, as in Smith, 2015."""

    def __post_init__(self) -> None:
        one_of("rise", self.form, FORMS)
        for name in ("low", "high"):
            rate = getattr(self, name)
            is_number = rate is None or isinstance(rate, Real)
            if not is_number:
                raise UsageError(f"{name} is a number, got {rate!r:.200}")
            if rate is not None and not 0 < rate < math.inf:
                raise UsageError(f"{name}={rate:g}: a learning rate is above 0 and finite")
        if self.points < FEWEST:
            raise UsageError(
                f"points={self.points}: of so few steps the noise of their batches is all that is seen",
                hint=f"At least {FEWEST} are made, {POINTS} if nobody says how many.",
            )

    def between(self, plan: RunPlan) -> tuple[float, float]:
        """Return the first rate and the last one for a planned run.

        Raises:
            UsageError: If the first is not below the last.
        """
        decade = 10.0 ** round(math.log10(LearningRate(plan.recipe.schedule, plan.timeline).peak))
        low = decade * _BELOW if self.low is None else self.low
        high = decade * _ABOVE if self.high is None else self.high
        if low < high:
            return low, high
        is_open = self.low is None or self.high is None
        of_recipe = f"the other end follows the recipe's rate, which is about {decade:g}"
        raise UsageError(
            f"the rate is to rise from {low:g} to {high:g}, which is not above it",
            hint=f"Give both ends, low and high: {of_recipe}." if is_open else "Exchange the two.",
        )

    def of(self, plan: RunPlan) -> RunPlan:
        """Return the planned run with the rise as its warm-up; all else is its own.

        Its length stays too, if there is room in it, as it decides how far lookahead, growing images and the
        like are at each step.
        """
        low, high = self.between(plan)
        rising = {
            "schedule": "constant",
            "lr": high,
            "lr_batch": 0,
            "warmup": Duration(self.points - 1, "st"),
            "warmup_form": self.form,
            "warmup_from": low / high,
        }
        if plan.timeline.num_steps < self.points:
            rising["length"] = Duration(self.points, "st")
        return replace(plan, recipe=override(plan.recipe, rising))
