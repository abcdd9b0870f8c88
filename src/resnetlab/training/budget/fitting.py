"""A planned run made to take so many minutes: measured, and resolved into plain data."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from resnetlab.base.units import format_seconds
from resnetlab.errors import UsageError
from resnetlab.recipe.proportion import in_proportion
from resnetlab.recipe.settings import LENGTHS, Resolution, override
from resnetlab.training.budget.costs import measure_costs
from resnetlab.training.budget.expected import expectation
from resnetlab.training.budget.lengths import (
    Costs,
    refuse_less_than_an_epoch,
    sparing,
    steps_within,
    total_seconds,
)
from resnetlab.training.planning import RunPlan, refuse_impossible

_MEASURING = 0.01
"""Share of the minutes for which steps are timed."""

_LEAST_SECONDS, _MOST_SECONDS = 0.3, 5.0


@dataclass(frozen=True)
class Budget:
    """How minutes became a length."""

    minutes: float
    images_per_second: float
    steps: int
    seconds: float
    """What the run is reckoned to take, from its start on."""
    expected: str
    scaled: str
    """What became of the recipe, if it is known by a length of its own."""

    @property
    def origin(self) -> str:
        """Where the length comes from, in a line."""
        return f"--minutes {self.minutes:g}: measured {self.images_per_second:,.0f} images/s"

    def said(self) -> dict[str, str]:
        """Return what is said of it when the run begins, by title."""
        end = time.strftime("%H:%M", time.localtime(time.time() + self.seconds))
        return {
            "minutes": f"{self.minutes:g}: {self.steps:,} steps, for {self.images_per_second:,.0f} images/s "
            f"were measured; about {format_seconds(self.seconds)} from here, to {end}. The length is fixed "
            f"now: if the machine slows down, the run takes longer{self.scaled}",
            "expect": self.expected,
        }


def refuse_two_lengths(minutes: float, given: Mapping[str, Any]) -> None:
    """Refuse minutes that are none, or that stand beside another length.

    Args:
        minutes: As asked for.
        given: The values of the recipe that the user gave.

    Raises:
        UsageError: If they cannot be.
    """
    if not 0 < minutes < float("inf"):
        raise UsageError(f"minutes={minutes:g}: a length is above 0 and finite", hint="E.g. --minutes 10.")
    if twice := [name for name in ("length", *LENGTHS) if name in given]:
        raise UsageError(
            f"the length is given twice: minutes={minutes:g} and {twice[0]}={given[twice[0]]}",
            hint="Leave out one of them.",
        )


def fit_to_minutes(
    plan: RunPlan, resolution: Resolution, minutes: float, given: Mapping[str, Any], began: float
) -> RunPlan:
    """Return the plan with the length that these minutes allow here, and all that follows the length.

    What comes of it is plain data as if it had been given: the run does not know of any minutes.

    Args:
        plan: Of its recipe's own length; everything else is decided.
        resolution: Of its recipe; what changes is noted there.
        minutes: From `began` to the run's end.
        given: The values of the recipe that the user gave, which stay.
        began: By `time.monotonic`.

    Raises:
        UsageError: If they are less than one epoch.
    """
    whole, run = 60 * minutes, plan.recipe.run
    samples = plan.timeline.num_samples
    costs = measure_costs(plan, min(max(_MEASURING * whole, _LEAST_SECONDS), _MOST_SECONDS))
    left = whole - (time.monotonic() - began)
    may_choose = "eval_every" not in given and not run.patience and not run.stop_at
    every = sparing(run, left, costs, samples) if may_choose else run.eval_every
    run = replace(run, eval_every=every)
    steps = steps_within(left, costs, run, samples)
    refuse_less_than_an_epoch(minutes, steps, costs, run, samples)
    changes = in_proportion(plan.recipe, samples, steps, kept=given)
    changes |= {"eval_every": every} if every != plan.recipe.run.eval_every else {}
    budget = _budget(plan, minutes, costs, steps, total_seconds(steps, costs, run, samples))
    resolution.set_values(changes, budget.origin)
    fitted = replace(plan, recipe=override(plan.recipe, changes), said=budget.said)
    refuse_impossible(fitted)
    return fitted


def _budget(plan: RunPlan, minutes: float, costs: Costs, steps: int, seconds: float) -> Budget:
    recipe, own = plan.recipe, plan.timeline
    share = steps / own.num_steps
    scaled = f"; {recipe.name} is of {recipe.run.length}, and all of it is {share:.3g} times that here"
    return Budget(
        minutes=minutes,
        images_per_second=recipe.run.batch / costs.step,
        steps=steps,
        seconds=seconds,
        expected=expectation(plan, steps * recipe.run.batch),
        scaled=scaled if recipe.name not in ADAPTS else "",
    )


ADAPTS = ("quick", "quick-muon", "timed")
"""Recipes that are made for any length, so that no published result is tied to one."""
