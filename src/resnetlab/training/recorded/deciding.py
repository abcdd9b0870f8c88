"""What a machine decides of a run by rule: kernels, number format, recording; `choosing` measures besides."""

from collections.abc import Collection
from dataclasses import dataclass

import torch

from resnetlab.base.machine.processor import abilities
from resnetlab.errors import UsageError
from resnetlab.native.building import NO_COMPILER
from resnetlab.native.logits import obstacle_to_native
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import leaves, override
from resnetlab.training.recorded.capturing import decide_capture, obstacle_to_capture
from resnetlab.training.step.device import obstacle_to_compile

KERNELS = {"off": "eager", "on": "torch.compile", "native": "native kernels"}
"""What makes a run's steps, in words, by `Execution.compile`."""

AS_ASKED = "as asked"

_PAYS_AFTER_OPERATIONS = 1.5e14
"""Floating-point operations after which a compiled run on a CPU has paid for its compilation:
about half an hour of 2 cores. It gains about 5 % there (docs/results.md, training speed)."""

_LEAST_CAPABILITY = (8, 0)
"""Of an NVIDIA GPU that multiplies bf16. Source: CUDA C++ Programming Guide, compute capabilities."""


@dataclass(frozen=True)
class Decided:
    """A recipe that leaves nothing to machines, and why it is so."""

    recipe: Recipe
    compile_reason: str
    capture_reason: str
    precision_reason: str
    """Empty if the precision was given."""
    left_open: frozenset[str]
    """Which of compile and precision nobody gave."""


def decide(
    spec: ModelSpec,
    recipe: Recipe,
    device: torch.device,
    *,
    reads_files: bool,
    operations: float,
    step_operations: float,
    sizes: Collection[tuple[int, int]] = (),
) -> Decided:
    """Decide what the recipe leaves to the machine.

    Args:
        spec: The network.
        recipe: The recipe.
        device: Where it is trained.
        reads_files: Whether images are read from files as they are needed.
        operations: Floating-point operations of the whole run.
        step_operations: Those of a step.
        sizes: Heights and widths of the training images; none: the network's own.

    Raises:
        UsageError: If something is asked for that cannot be.
    """
    asked = recipe.execution
    left_open = frozenset(name for name in ("compile", "precision") if getattr(asked, name) == "auto")
    precision, why_precision = decide_precision(asked.precision, device)
    recipe = override(recipe, {"precision": precision})
    compiled, why_compiled = decide_compile(
        asked.compile,
        operations=operations,
        device=device,
        obstacle=obstacle_to_one_graph(recipe),
        to_native=obstacle_to_native(spec, recipe, device, sizes),
    )
    is_captured, why_captured = decide_capture(
        recipe, device, reads_files=reads_files, operations=step_operations
    )
    recipe = override(recipe, {"compile": compiled, "capture": "on" if is_captured else "off"})
    return Decided(recipe, why_compiled, why_captured, why_precision, left_open)


def obstacle_to_one_graph(recipe: Recipe) -> str:
    """Return why a recipe's step cannot be compiled, whatever the device, or ""."""
    if recipe.execution.is_synchronised:
        return "shard_bn=sync computes each BN for all shards at once"
    return ""


def decide_precision(wanted: str, device: torch.device) -> tuple[str, str]:
    """Say in which number format the convolutions of a run are made, and why, if nobody gave it.

    On a CPU bf16 must show itself first (`choosing`): without, it is fp32.
    """
    if wanted != "auto":
        return wanted, why_slow(wanted, device)
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        if torch.version.hip or capability >= _LEAST_CAPABILITY:
            return "bf16", "the GPU multiplies it faster"
        return "fp32", f"bf16 takes a GPU of capability 8.0, this one has {capability[0]}.{capability[1]}"
    if device.type != "cpu":
        return "fp32", f"bf16 is not tried on {device.type}"
    if not multiplies_bf16():
        return "fp32", "this processor does not multiply bf16"
    return "fp32", "the run is too short to try bf16"


def why_slow(precision: str, device: torch.device) -> str:
    """Return why a number format costs time here instead of saving it, or ""."""
    if precision != "bf16" or device.type != "cpu" or (abilities() or {"bf16": True})["bf16"]:
        return ""
    return "this processor does not multiply bf16, and makes it many times slower than fp32"


def multiplies_bf16() -> bool:
    """Whether the processor is known to multiply bf16 numbers; `native.building` says it of our kernels."""
    return (abilities() or {}).get("bf16", False)


def decide_compile(
    wanted: str, *, operations: float, device: torch.device, obstacle: str = "", to_native: str = ""
) -> tuple[str, str]:
    """Say whether a run shall use torch.compile ("on", "off") or kernels of our own ("native"), and why.

    Decided once, from the run's total.

    Args:
        wanted: "on", "off", "auto" or "native".
        operations: Floating-point operations of the whole run.
        device: Where it runs.
        obstacle: Why the run cannot be compiled, whatever the device.
        to_native: Why it cannot use kernels of our own.

    Raises:
        UsageError: If it is asked for and cannot be.
    """
    obstacle = obstacle or ("" if wanted == "native" else obstacle_to_compile(device))
    why = {"on": obstacle, "native": to_native}.get(wanted)
    if why:
        mend = "Install g++ or clang++, or leave" if why == NO_COMPILER else "Leave"
        raise UsageError(f"compile={wanted} is not possible: {why}", hint=f"{mend} compile at auto.")
    if wanted != "auto":
        return wanted, AS_ASKED
    if obstacle:
        return "off", obstacle
    if device.type == "mps":
        return "off", "not on mps"
    pays = operations > _PAYS_AFTER_OPERATIONS * (1 if device.type == "cpu" else 300)
    if pays:
        return "on", "the run is long enough to pay for it"
    return "off", "the run is too short to pay for other kernels"


def obstacles_here(
    spec: ModelSpec,
    recipe: Recipe,
    device: torch.device,
    *,
    reads_files: bool,
    sizes: Collection[tuple[int, int]] = (),
) -> dict[str, str]:
    """Return which of the switches that a run began with cannot be on here, and why; `sizes` as `decide`."""
    execution, found = recipe.execution, dict[str, str]()
    if execution.compile == "on" and (why := obstacle_to_compile(device)):
        found["compile"] = why
    if execution.compile == "native" and (why := obstacle_to_native(spec, recipe, device, sizes)):
        found["compile"] = why
    if execution.capture == "on" and (why := obstacle_to_capture(recipe, device, reads_files=reads_files)):
        found["capture"] = why
    return found


def as_recorded(recipe: Recipe) -> Recipe:
    """Return a run's recipe as it is trained on: what its record does not say of the precision is fp32."""
    return override(recipe, {"precision": "fp32"}) if leaves(recipe)["precision"].value == "auto" else recipe
