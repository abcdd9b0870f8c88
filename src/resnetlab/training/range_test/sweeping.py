"""The test itself: the run's own first steps at a rising rate, until their loss diverges."""

import math
import time
from dataclasses import dataclass

from resnetlab.base.machine.memory import telling_of_memory
from resnetlab.errors import DivergedError
from resnetlab.parallel.world import ALONE, World
from resnetlab.recipe.schedule import LearningRate
from resnetlab.training.observer import Observer, as_seen_by
from resnetlab.training.planning import RunPlan, refuse_differing, share_workers_here
from resnetlab.training.range_test.judging import has_diverged
from resnetlab.training.range_test.rise import Rise
from resnetlab.training.recorded.programs import StepProgram, step_program
from resnetlab.training.session import LESS_MEMORY, Parts, unrecorded
from resnetlab.training.step.device import leaving_as_found


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What was seen."""

    rates: tuple[float, ...]
    """Of each step whose loss was finite."""
    losses: tuple[float, ...]
    """Mean loss of the step's batch, before its update, in nats."""
    not_finite_at: float | None
    """The rate of the step that ended the test with a loss or a gradient that was not finite."""


@leaving_as_found()
def sweep(
    plan: RunPlan,
    rise: Rise,
    observer: Observer,
    world: World = ALONE,
) -> Swept:
    """Make a planned run's first steps at a rising rate; nothing of it is kept or written.

    Args:
        plan: The run; how its steps are made is decided.
        rise: The rates.
        observer: Is told how far it is.
        world: The processes that make it together, all of which see the same.

    Raises:
        UsageError: If the rates do not rise, or the processes differ in what they are to train.
        DataError: If images cannot be read.
        OutOfMemory: If there is too little.
    """
    tried = rise.of(share_workers_here(plan, world))
    refuse_differing(tried, world)
    observer = as_seen_by(observer, world)
    observer.begin({}, step=0, num_steps=rise.points)
    with telling_of_memory(LESS_MEMORY):
        parts = unrecorded(tried, world)
        try:
            return _swept(tried, rise, parts, observer, world)
        finally:
            parts.batches.close()


def _swept(plan: RunPlan, rise: Rise, parts: Parts, observer: Observer, world: World) -> Swept:
    state, rate = parts.state, LearningRate(plan.recipe.schedule, plan.timeline)
    program = step_program(plan.spec, parts.batches, rate, state, parts.step_function, observer.note, world)
    rates, losses, began = list[float](), list[float](), time.monotonic()
    for step in range(rise.points):
        loss = _loss_of_next(program, parts)
        if not math.isfinite(loss):
            return Swept(rates=(*rates,), losses=(*losses,), not_finite_at=rate.at(step))
        rates.append(rate.at(step))
        losses.append(loss)
        observer.lately(loss=loss, accuracy=state.interval.row()["train_accuracy"])
        samples = plan.timeline.samples_seen(step + 1)
        observer.progress(step + 1, samples=samples, seconds=time.monotonic() - began)
        if has_diverged(losses):
            break
    parts.batches.share_broken(world)
    return Swept(rates=(*rates,), losses=(*losses,), not_finite_at=None)


def _loss_of_next(program: StepProgram, parts: Parts) -> float:
    """Make the next step; return its batch's loss, NaN if that or the gradient is not finite."""
    parts.state.interval.clear()
    try:
        program.run(1)
    except DivergedError:
        return math.nan
    if int(parts.step_function.bad_step) >= 0:  # where the optimizer leaves such a step out by itself
        return math.nan
    return parts.state.interval.row()["train_loss"]
