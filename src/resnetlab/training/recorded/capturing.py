"""Whether a run's steps are made on the device by themselves."""

import torch

from resnetlab.errors import UsageError
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.optimizers import OPTIMIZERS

_SMALL_STEP = 5e11
"""Floating-point operations of a step below which the device waits for the host: about a millisecond
of one H200, against some microseconds between two launches. An estimate; not yet measured."""


def step_operations(spec: ModelSpec, height: int, width: int, batch: int) -> float:
    """Return the floating-point operations of a step: forward, and backward to inputs and weights."""
    return 6.0 * spec.num_multiply_adds(height, width) * batch


def is_small_step(operations: float) -> bool:
    """Whether a step of so many floating-point operations leaves a large GPU waiting for the next one."""
    return operations < _SMALL_STEP


def decide_capture(
    recipe: Recipe, device: torch.device, *, reads_files: bool, operations: float
) -> tuple[bool, str]:
    """Say whether a run shall record its steps and repeat them on the device, and why.

    "auto" does so on CUDA for small steps, whose recording is tried before it is used (see `trial`);
    large ones do not gain by it, and a recording has memory of its own.

    Args:
        recipe: Its `capture` is "on", "off" or "auto".
        device: Where it runs.
        reads_files: Whether images are read from files as they are needed.
        operations: Floating-point operations of a step.

    Raises:
        UsageError: If it is asked for and the run has something that the host must decide.
    """
    wanted = recipe.execution.capture
    obstacle = obstacle_to_capture(recipe, device, reads_files=reads_files)
    if wanted == "off":
        return False, "as asked"
    if wanted == "on" and obstacle:
        raise UsageError(f"capture=on is not possible: {obstacle}", hint="Leave capture at auto.")
    if wanted == "on":
        return True, "as asked" if device.type == "cuda" else "as asked; without CUDA nothing is recorded"
    if device.type != "cuda":
        return False, "only CUDA gains by it"
    if obstacle:
        return False, obstacle
    if not is_small_step(operations):
        return False, "a step is long enough to hide the host's work"
    return True, "small steps; the first recorded one is held against the step itself"


def obstacle_to_capture(recipe: Recipe, device: torch.device, *, reads_files: bool) -> str:
    """Return what the host must decide at every step, or ""."""
    optimizer, execution = recipe.optimizer, recipe.execution
    if reads_files:
        return "images are read from files"
    if recipe.schedule.schedule == "plateau":
        return "schedule=plateau lowers the rate by what the host finds in evaluations"
    if recipe.augmentation.shrink < 1:
        return "shrink changes the size of the images on the way"
    if execution.precision == "fp16" and not execution.loss_scale:
        return "fp16 adapts its loss scale on the host; bf16, or a fixed loss_scale, does not"
    if execution.is_synchronised:
        return "shard_bn=sync has the processes speak to each other at every BN"
    kind = OPTIMIZERS.find(optimizer.optimizer)
    if kind.scales_gradients and optimizer.momentum_form == "keras":
        return "momentum_form=keras changes the weight decay with the rate, on the host"
    if not kind.can_be_recorded:
        return f"the optimizer {optimizer.optimizer} is not made for it"
    return "no 64-bit numbers on mps" if device.type == "mps" else ""
