"""The time and memory that a planned run will take: a few small steps, the rest by arithmetic."""

import statistics

import torch

from resnetlab.base.machine.rates import free_memory
from resnetlab.base.units import Duration, format_bytes, format_seconds
from resnetlab.errors import DivergedError
from resnetlab.forecast.memory import training_memory
from resnetlab.forecast.reduction import reduced_bytes
from resnetlab.native.measured.rating import machine_peak
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import override
from resnetlab.training.planning import RunPlan
from resnetlab.training.speed import Size, timed, training, trial_batch
from resnetlab.training.step.device import leaving_as_found

_TRIAL_STEPS = 3
_TELLING_SECONDS = 0.5  # for a step so long, what the first one does besides does not matter


@leaving_as_found()
def estimate(plan: RunPlan, devices: int = 1) -> dict[str, str]:
    """Return the time and memory that a planned run will take, made by so many devices.

    The time comes from a few small steps of one device, by the run's own kernels but for those of
    torch.compile, which would take longer to make; steps on smaller images count by their floating-point
    operations. The memory comes from arithmetic.
    """
    height, width = largest = max(plan.training_sizes)
    spec = plan.spec.with_(input_size=max(largest))
    products = plan.spec.num_multiply_adds(height, width)
    batch = min(plan.recipe.run.batch, trial_batch(spec, plan.device, products))
    is_compiled = plan.recipe.execution.compile == "on"
    trial = {"compile": "off"} if is_compiled else {}
    recipe = override(plan.recipe, {**trial, "batch": batch, "shards": 1, "accumulate": 1})
    samples = plan.timeline.samples_seen(plan.timeline.num_steps)
    faster = " (compiled steps are faster)" if is_compiled else ""
    smaller = plan.step_operations / (6.0 * products * plan.recipe.run.batch)
    try:
        rate = batch / _trial_seconds(spec, recipe, plan.device, largest)
        of_largest = f", {_rounded_rate(rate)} at {height}x{width}" if len(plan.training_sizes) > 1 else ""
        time_needed = (
            f"{format_seconds(smaller * samples / rate)} at {_rounded_rate(rate / smaller)} images/s"
            f"{of_largest}{faster}"
        )
        computed = _share_in_words(6.0 * products * rate, recipe, plan.device)
    except DivergedError as error:  # on random images and with new weights, which says nothing of the run
        time_needed, computed = f"not known: of its trial steps, {error.args[0]}", "not known"
    needed = training_memory(plan.spec, plan.recipe, height, width, processes=devices).total
    free = free_memory(plan.device)
    memory = f"about {format_bytes(needed)}; {format_bytes(free) if free else 'unknown'} free"
    if plan.said():  # by minutes: the run's own steps were timed, which says more
        return {"memory": memory}
    if devices == 1:
        return {"estimate": time_needed, "computing": computed, "memory": memory}
    where = ", which they share" if plan.device.type == "cpu" else " on the first"
    return {
        "estimate": f"on one device {time_needed}; `plan` tells of more",
        "computing": computed,
        "memory": f"for each device {memory}{where}",
        "reduced": f"{format_bytes(reduced_bytes(plan.spec))} a step: gradients and BN statistics",
    }


def _share_in_words(computed: float, recipe: Recipe, device: torch.device) -> str:
    """Return so many operations a second beside the best that the machine was seen to do.

    Two steps of a trial are too few to say that the machine does better than that.
    """
    peak = machine_peak(device, recipe.execution.precision, looks=False)
    computed = min(computed, peak.rate)
    return (
        f"{computed / 1e9:,.0f} GFLOP/s then, {100 * computed / peak.rate:.0f} % of the best seen here in "
        f"{recipe.execution.precision}: {peak.rate / 1e9:,.0f}, {peak.by}"
    )


def _trial_seconds(spec: ModelSpec, recipe: Recipe, device: torch.device, size: Size) -> float:
    """Return how long a training step takes: after a first one, unless that took long enough to tell."""
    recipe = override(recipe, {"length": Duration(_TRIAL_STEPS, "st"), "val": 0})
    step = training(spec, recipe, device, size=size).step
    took = timed(step, 0, device)
    if device.type == "cpu" and took > _TELLING_SECONDS:
        return took
    return statistics.median(timed(step, index, device) for index in range(1, _TRIAL_STEPS))


def _rounded_rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
