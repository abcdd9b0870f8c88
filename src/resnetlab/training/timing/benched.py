"""The speed of steps, and where their time goes."""

import contextlib
from pathlib import Path

import torch

from resnetlab.base.machine.yardstick import Peak
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.training.speed import Making, Speed, Training, measure_speed
from resnetlab.training.timing.profile import Profile, profile_steps, refuse_unprofitable
from resnetlab.training.timing.scopes import named_kernels, parts_told

_MOST_STEPS = 10


def measure_profiled(
    what: str,
    spec: ModelSpec,
    recipe: Recipe,
    device: torch.device,
    *,
    steps: int = 30,
    warmup: int = 5,
    remeasure: bool = False,
    trace: Path | None = None,
) -> tuple[Speed, Profile]:
    """Measure as `measure_speed`, then profile ten further steps, or `steps` if these are fewer.

    Args:
        what: As the others, see `measure_speed`.
        spec: The network.
        recipe: How.
        device: A CPU.
        steps: That are timed.
        warmup: Steps before those.
        remeasure: Whether to measure anew what the machine can do.
        trace: Where to write the profiled steps for Perfetto or chrome://tracing.

    Raises:
        UsageError: If the steps cannot be profiled.
    """
    refuse_unprofitable(device, is_captured=recipe.execution.capture == "on")
    found = list[Profile]()

    def look(making: Making, speed: Speed, peak: Peak) -> None:
        count = min(steps, _MOST_STEPS)
        told = (
            parts_told(making.batches, making.step_function, making.state)
            if isinstance(making, Training)
            else contextlib.nullcontext()
        )
        with told:
            profiler = profile_steps(making.step, range(warmup + steps, warmup + steps + count))
        found.append(profiler.profile(recipe.execution, peak, speed.step_milliseconds / 1e3))
        if trace:
            profiler.write_trace(trace)

    with named_kernels(recipe.execution.compile == "on"):
        speed = measure_speed(
            what, spec, recipe, device, steps=steps, warmup=warmup, remeasure=remeasure, look=look
        )
    return speed, found[0]
