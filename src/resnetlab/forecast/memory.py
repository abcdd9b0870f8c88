"""The memory of a training step, by arithmetic."""

from dataclasses import dataclass

from resnetlab.network.layers import kept_numbers
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Optimizer, Recipe
from resnetlab.recipe.optimizers import OPTIMIZERS

_PROCESS_BYTES = 350e6  # Python, torch and their buffers, measured on the CPU


@dataclass(frozen=True)
class Memory:
    """About the bytes that one process holds during a training step, by what they are for."""

    process: float
    """Python, torch and their buffers."""
    state: float
    """Weights, gradients, optimizer, averaged weights."""
    reduction: float
    """Sums of gradients: of shards on their way to one, of other processes."""
    activations: float
    """What the forward pass keeps for the gradient of the samples that are made at once."""

    @property
    def total(self) -> float:
        """All of it."""
        return self.process + self.state + self.reduction + self.activations


def training_memory(
    spec: ModelSpec, recipe: Recipe, height: int, width: int, *, processes: int = 1
) -> Memory:
    """Return about what a training step holds in one process, but for images that lie in memory.

    Kept activations are what `layers.kept_numbers` says; with checkpointing the units' inputs and the
    activations of one unit, and as much again for the gaps that these leave between them in the
    heap (measured: 6.0 GiB for ResNet-1202 at batch 128, 3.0 of them alive).

    Args:
        spec: The network.
        recipe: Batch, its shards, of which a process makes one at a time, microbatches, precision, optimizer.
        height: Of the training images.
        width: Of the training images.
        processes: Among which the shards are divided.
    """
    kept = [size for row in spec.shapes(height, width) if (size := kept_numbers(row.layer, row.output))]
    numbers = float(sum(kept))
    if recipe.execution.checkpoint_activations:
        numbers = numbers / len(kept) * (sum(spec.blocks) + 6) * 2
    per_number = 4 if recipe.execution.precision == "fp32" else 2
    at_once = -(-recipe.run.batch // recipe.execution.shards // recipe.execution.accumulate)
    weights = 4.0 * spec.num_parameters
    return Memory(
        process=_PROCESS_BYTES,
        state=weights * numbers_per_weight(recipe.optimizer),
        reduction=weights * _partial_sums(recipe.execution.shards, processes),
        activations=numbers * per_number * at_once,
    )


def numbers_per_weight(optimizer: Optimizer) -> int:
    """Return how many numbers a training holds for each weight: itself, gradient, the optimizer's state."""
    kind = OPTIMIZERS.find(optimizer.optimizer)
    held = 2 + len(kind.state) + kind.working_copies
    held += (optimizer.ema_decay > 0) + 2 * (optimizer.sam > 0)
    return held + 4 * (optimizer.lookahead > 0)


def _partial_sums(shards: int, processes: int) -> int:
    """Return how many sums of gradients a process holds at most, beside the gradient itself.

    Shards are added up in a binary tree: a sum waits on each level of it, and one comes from another process.
    """
    own = -(-shards // processes)
    return (own - 1).bit_length() + (processes > 1) if shards > 1 else 0
