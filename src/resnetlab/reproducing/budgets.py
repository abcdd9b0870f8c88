"""Budgets: a reproduction at its own length, or made shorter as a whole. Arithmetic alone, no torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from resnetlab.base.units import Duration
from resnetlab.errors import UsageError, nearest
from resnetlab.recipe import Recipe
from resnetlab.recipe.proportion import in_proportion
from resnetlab.recipe.timeline import Timeline


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long the rows of a reproduction are trained."""

    name: str
    words: str
    """What it is, as every table and figure says it."""
    divisor: int = 1
    """The published length by that of the rows."""
    data: str = ""
    """A dataset in place of the rows' own; "" for their own."""
    epochs: int = 0
    """The length in epochs whatever the recipe's; 0 keeps to the divisor."""
    knobs: Mapping[str, Any] = field(default_factory=dict)
    """Of all networks."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Of all recipes."""

    @property
    def is_full(self) -> bool:
        """Whether its numbers are of the length that was published."""
        return self.divisor == 1 and not self.epochs

    def changes(self, recipe: Recipe, samples: int) -> dict[str, Any]:
        """Return what becomes of a recipe: its length, and all that follows the length in proportion.

        Warm-up, milestones and the unmixed end keep their share of the run, evaluations their number, as far
        as there are as many epochs. Rates stay.

        Args:
            recipe: The row's, of its own length.
            samples: Training images of an epoch.

        Raises:
            UsageError: If less than one epoch is left.
        """
        if self.is_full:
            return {}
        run = recipe.run
        timeline = Timeline(
            num_samples=samples, batch=run.batch, length=run.length, cycle_epochs=run.cycle_epochs
        )
        epoch = -(-samples // run.batch)
        steps = -(-self.epochs * samples // run.batch) or round(timeline.num_steps / self.divisor)
        if steps < epoch:
            raise UsageError(
                f"budget {self.name}: {steps:,} steps of {run.batch} images are less than one epoch of"
                f" {samples:,}; the whole run has {timeline.num_steps:,} steps",
                hint=f"A longer one: --budget {', '.join(name for name in BUDGETS if name != self.name)}.",
            )
        found = in_proportion(recipe, samples, steps)
        every, share = run.eval_every, steps / timeline.num_steps
        if every.count:
            shorter = max(1, math.floor(every.count * share))
            found["eval_every"] = Duration(shorter, every.unit)
        return found | dict(self.values)


BUDGETS = {
    each.name: each
    for each in (
        Budget(name="full", words="the published length"),
        Budget(name="half", words="half of the published length", divisor=2),
        Budget(name="tenth", words="a tenth of the published length", divisor=10),
        Budget(
            name="smoke",
            words="two epochs of other, small images (digits): a trial of the machinery, which shows nothing"
            " of the source",
            epochs=2,
            data="digits",
            knobs={"stem_stride": 2},
            values={"report": False},
        ),
    )
}


def budget_of(name: str) -> Budget:
    """Return the budget of that name.

    Raises:
        UsageError: If there is none.
    """
    if name not in BUDGETS:
        raise UsageError(
            f"no budget is called {name!r}",
            hint=f"{nearest(name, BUDGETS)} There are {', '.join(BUDGETS)}.".strip(),
        )
    return BUDGETS[name]
