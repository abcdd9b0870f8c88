"""A recipe made longer or shorter as it is: what follows its length keeps its share of it."""

from collections.abc import Collection
from typing import Any

from resnetlab.base.units import Duration
from resnetlab.recipe import Recipe


def in_proportion(
    recipe: Recipe, samples: int, steps: int, kept: Collection[str] = (), length: Duration | None = None
) -> dict[str, Any]:
    """Return what a recipe's length becomes, and what follows it: warm-up, milestones, the unmixed end.

    Each keeps its share of the run. Rates and their factors stay, and so do the milestones in a run of so few
    steps that they would fall on one: it ends before them.

    Args:
        recipe: Of any length.
        samples: Training images of an epoch.
        steps: Of the new length.
        kept: Names of values that stay as they are.
        length: The new one as it is written; none: in steps. Of one in epochs, what comes to whole epochs is
            so too.

    Returns:
        Values by leaf name, in steps or whole epochs.
    """
    own = recipe.run.length

    def steps_of(duration: Duration) -> float:
        return duration.count * (1 if duration.unit == "st" else samples / recipe.run.batch)

    def scaled(duration: Duration) -> Duration:
        if length and {duration.unit, own.unit, length.unit} == {"ep"}:
            epochs, rest = divmod(duration.count * length.count, own.count)
            if not rest:
                return Duration(min(epochs, length.count), "ep")
        return Duration(min(round(steps_of(duration) / steps_of(own) * steps), steps), "st")

    schedule, tail = recipe.schedule, recipe.augmentation.mix_tail
    values: dict[str, Any] = {"length": length or Duration(steps, "st")}
    if schedule.warmup.count:
        values["warmup"] = scaled(schedule.warmup)
    milestones = tuple(scaled(milestone) for milestone in schedule.milestones)
    if milestones and milestones[0].count > 0 and len({*milestones}) == len(milestones):
        values["milestones"] = milestones
    if tail.count:
        values["mix_tail"] = scaled(tail)
    return {name: value for name, value in values.items() if name not in kept}
