"""What a step needs of a batch, and its parts."""

from typing import Protocol

import torch
from torch import Tensor

from resnetlab.base import randomness


class LabelledBatch(Protocol):
    """What a step needs of a batch: float images (N, C, H, W) and int64 labels (N,), of this process."""

    @property
    def images(self) -> Tensor:
        """Float32 (N, C, H, W)."""

    @property
    def labels(self) -> Tensor:
        """Int64 (N,)."""

    @property
    def labels_other(self) -> Tensor | None:
        """Int64 (N,): second labels of mixed images."""

    @property
    def weight(self) -> float | Tensor:
        """Share of the first labels in the loss."""

    @property
    def num_samples(self) -> int:
        """Samples of the whole batch, over all processes."""


def cuts(count: int, parts: int) -> list[slice]:
    """Return slices of `count` samples for so many microbatches, or for as many as there are samples."""
    parts = min(parts, count)
    return [slice(count * part // parts, count * (part + 1) // parts) for part in range(parts)]


def cut(
    batch: LabelledBatch, keep_UN: Tensor | None, here: slice
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Return images, both labels and the mask of stochastic depth of some of the samples."""
    if here == slice(0, len(batch.labels)):
        return batch.images, batch.labels, batch.labels_other, keep_UN
    return (
        batch.images[here],
        batch.labels[here],
        None if batch.labels_other is None else batch.labels_other[here],
        None if keep_UN is None else keep_UN[:, here],
    )


def keep_mask(
    seed: int, step: int | Tensor, probabilities_U: Tensor, num_samples: int, *, first: int = 0
) -> Tensor:
    """Return the factor of each unit's branch for each sample: 0, or 1 / its keep probability.

    Args:
        seed: The run's seed.
        step: Updates made so far; an int, or an int64 scalar on the device.
        probabilities_U: Probability of keeping each unit, float (U,).
        num_samples: Samples that it is for.
        first: Position of the first of them in the batch.

    Returns:
        Float tensor (U, N) on the device of `probabilities_U`.

    Source: Huang et al., 2016, "Deep networks with stochastic depth" (arXiv:1603.09382), scaled
    in training as in inverted dropout.
    """
    device = probabilities_U.device
    key = randomness.key_for(seed, randomness.STOCHASTIC_DEPTH, step)
    units = torch.arange(len(probabilities_U), device=device)[:, None]
    positions = torch.arange(first, first + num_samples, device=device)[None, :]
    chance = randomness.uniform(randomness.fold(randomness.fold(key, units), positions))
    kept: Tensor = chance < probabilities_U[:, None]
    return kept / probabilities_U[:, None]
