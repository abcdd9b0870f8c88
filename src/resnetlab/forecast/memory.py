"""The memory of a training step, by arithmetic."""

from dataclasses import dataclass

from resnetlab.network.layers import Norm, kept_numbers
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
    """What the forward pass keeps for the gradient of the samples that are made at once: a microbatch of a
    shard, or with shard_bn=sync one of each shard."""

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
    execution = recipe.execution
    own = -(-execution.shards // processes)
    is_together = execution.shards > 1 and execution.shard_bn == "sync"
    number_bytes = 2 if execution.precision in ("bf16", "fp16") else 4
    kept = [
        size * (4 if is_together and isinstance(row.layer, Norm) else number_bytes)
        for row in spec.shapes(height, width)
        if (size := kept_numbers(row.layer, row.output))
    ]
    kept_bytes = float(sum(kept))
    if execution.checkpoint_activations:
        kept_bytes = kept_bytes / len(kept) * (sum(spec.blocks) + 6) * 2
    at_once = -(-recipe.run.batch // execution.shards // execution.accumulate)
    weights = 4.0 * spec.num_parameters
    return Memory(
        process=_PROCESS_BYTES,
        state=weights * numbers_per_weight(recipe.optimizer),
        reduction=weights * (_sums(own, processes, is_together) if execution.shards > 1 else 0),
        activations=kept_bytes * at_once * (own if is_together else 1),
    )


def numbers_per_weight(optimizer: Optimizer) -> int:
    """Return how many numbers a training holds for each weight: itself, gradient, the optimizer's state."""
    kind = OPTIMIZERS.find(optimizer.optimizer)
    held = 2 + len(kind.state) + kind.working_copies
    held += (optimizer.ema_decay > 0) + 2 * (optimizer.sam > 0)
    return held + 4 * (optimizer.lookahead > 0)


def _sums(shards: int, processes: int, is_together: bool) -> int:
    """Return how many sums of gradients a process of so many shards holds at most, beside the gradient.

    A shard's gradient is packed into one tensor; a sum waits on each level of the tree over the shards; one
    comes from another process. Where all shards are made together, each has a gradient of its own till then.
    """
    waiting = shards - 1 if is_together else (shards - 1).bit_length()
    return 1 + waiting + (processes > 1)
