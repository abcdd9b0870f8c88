"""Whether a run's steps are made on the device by themselves."""

import torch

from resnetlab.errors import UsageError
from resnetlab.recipe import Recipe


def decide_capture(recipe: Recipe, device: torch.device, *, reads_files: bool) -> tuple[bool, str]:
    """Say whether a run shall record its steps and repeat them on the device, and why.

    "auto" does not, until `benchmarks/gpu.py` has found recorded steps exact on a GPU (docs/gpu.md).

    Args:
        recipe: Its `capture` is "on", "off" or "auto".
        device: Where it runs.
        reads_files: Whether images are read from files as they are needed.

    Raises:
        UsageError: If it is asked for and the run has something that the host must decide.
    """
    wanted, obstacle = recipe.execution.capture, _obstacle(recipe, device, reads_files)
    if wanted == "off":
        return False, "as asked"
    if wanted == "on" and obstacle:
        raise UsageError(f"capture=on is not possible: {obstacle}", hint="Leave capture at auto.")
    if wanted == "on":
        return True, "as asked" if device.type == "cuda" else "as asked; without CUDA nothing is recorded"
    if device.type != "cuda":
        return False, "only CUDA gains by it"
    return False, obstacle or "not chosen by itself before a GPU has shown it exact; capture=on records"


def _obstacle(recipe: Recipe, device: torch.device, reads_files: bool) -> str:
    """Return what the host must decide at every step, or ""."""
    optimizer, execution = recipe.optimizer, recipe.execution
    if reads_files:
        return "images are read from files"
    if execution.precision == "fp16" and not execution.loss_scale:
        return "fp16 adapts its loss scale on the host; bf16, or a fixed loss_scale, does not"
    if optimizer.optimizer == "sgd" and optimizer.momentum_form == "keras":
        return "momentum_form=keras changes the weight decay with the rate, on the host"
    return "no 64-bit numbers on mps" if device.type == "mps" else ""
