"""How many training images an epoch has, by what a run tells of its steps and epochs."""

from dataclasses import replace

from resnetlab.base.units import Duration
from resnetlab.recipe.running import Run
from resnetlab.recipe.timeline import Timeline

_LARGEST_BATCH = 2**17
"""As many sizes are tried at most."""


def epoch_sizes(run: Run, step: int, epochs: float) -> list[int]:
    """Return with how many images an epoch `step` updates are exactly so many epochs; none if with none.

    Several fit where a short batch closes each cycle of whole epochs: the run does not tell how short.
    """
    if step < 1 or not epochs > 0 or run.batch > _LARGEST_BATCH:
        return []
    most = round(step * run.batch / epochs)
    least = max(1, most - run.batch) if run.cycle_epochs else max(1, most)
    return [size for size in range(least, most + 1) if _epochs(run, size, step) == epochs]


def _epochs(run: Run, size: int, step: int) -> float:
    """Return how many epochs so many updates are: of the run's length, if that has so many."""
    timeline = Timeline(num_samples=size, batch=run.batch, length=run.length, cycle_epochs=run.cycle_epochs)
    if step > timeline.num_steps:
        timeline = replace(timeline, length=Duration(step, "st"))
    return timeline.samples_seen(step) / size
