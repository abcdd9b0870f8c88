"""How many steps so many minutes allow: arithmetic alone."""

import math
from dataclasses import dataclass

from resnetlab.base.units import Duration, format_seconds
from resnetlab.errors import UsageError
from resnetlab.recipe.running import Run

RESERVE = 0.03
"""Share of the time that is left over: no machine is equally fast throughout."""

_EVALUATING = 0.02
"""Share of the time that evaluations may take on the way, where nobody said how often they are to be."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What the parts of a run take, in seconds."""

    step: float
    """An update, on average over the run."""

    evaluation: float
    """An evaluation on the way."""

    checkpoint: float
    """A checkpoint."""

    beginning: float
    """All before the first update, and what the first ones take longer than others."""

    ending: float
    """All after the last update."""


def total_seconds(steps: int, costs: Costs, run: Run, samples: int) -> float:
    """Return what a run of so many steps takes, with `samples` training images an epoch."""
    every, evaluations = run.eval_every, 0
    if every.count:
        interval = every.count if every.unit == "st" else every.count * samples / run.batch
        evaluations = math.ceil(steps / interval) - 1  # the last one is at the end
    checkpoints = steps // run.checkpoint_every if run.checkpoint_every else 0
    along = steps * costs.step + evaluations * costs.evaluation + checkpoints * costs.checkpoint
    return costs.beginning + along + costs.ending


def steps_within(seconds: float, costs: Costs, run: Run, samples: int) -> int:
    """Return the most steps that a run can have which takes no more than these seconds; 0 for none."""
    allowed = seconds * (1 - RESERVE)
    fitting, too_many = 0, max(1, math.ceil(allowed / costs.step) + 1)
    while too_many - fitting > 1:
        middle = (fitting + too_many) // 2
        if total_seconds(middle, costs, run, samples) <= allowed:
            fitting = middle
        else:
            too_many = middle
    return fitting


def sparing(run: Run, seconds: float, costs: Costs, samples: int) -> Duration:
    """Return how often to evaluate so that this takes little of the time; as the run says, if that is so."""
    every, epoch = run.eval_every, costs.step * samples / run.batch
    interval = every.count * (costs.step if every.unit == "st" else epoch)
    if not every.count or costs.evaluation <= _EVALUATING * interval:
        return every
    epochs = math.ceil(costs.evaluation / (_EVALUATING * epoch))
    return Duration(epochs if 2 * epochs * epoch < seconds else 0, "ep")


def refuse_less_than_an_epoch(minutes: float, steps: int, costs: Costs, run: Run, samples: int) -> None:
    """Refuse a run that would not see every image once.

    Raises:
        UsageError: With the minutes that one epoch takes.
    """
    epoch = -(-samples // run.batch)
    if steps >= epoch:
        return
    needed = total_seconds(epoch, costs, run, samples) / (1 - RESERVE)
    least = math.ceil(needed / 6) / 10
    raise UsageError(
        f"{minutes:g} minutes are less than one epoch here: a step of {run.batch} images takes "
        f"{1e3 * costs.step:,.0f} ms, one epoch of {samples:,} images with beginning and end "
        f"{format_seconds(needed)}",
        hint=f"Give at least {least:g} minutes, a smaller network, or a length: --steps N.",
    )
