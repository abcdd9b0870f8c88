"""What a step needs of a batch, and its parts."""

from typing import NamedTuple, Protocol

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


class Draws(NamedTuple):
    """What chance gives the units of a network for each sample, as `ResNet` takes it."""

    keep_UN: Tensor | None = None
    """With stochastic depth: the factor of each branch."""
    keys_UN: Tensor | None = None
    """With dropout: what it chooses by."""

    def of(self, here: slice) -> "Draws":
        """Return those of some of the samples."""
        return Draws(*(None if each is None else each[:, here] for each in self))


def cut(batch: LabelledBatch, draws: Draws, here: slice) -> tuple[Tensor, Tensor, Tensor | None, Draws]:
    """Return images, both labels and what chance gives of some of the samples."""
    if here == slice(0, len(batch.labels)):
        return batch.images, batch.labels, batch.labels_other, draws
    return (
        batch.images[here],
        batch.labels[here],
        None if batch.labels_other is None else batch.labels_other[here],
        draws.of(here),
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
    key = randomness.key_for(seed, randomness.STOCHASTIC_DEPTH, step)
    places = (len(probabilities_U), slice(first, first + num_samples), probabilities_U.device)
    kept: Tensor = randomness.uniform(_keys(key, *places)) < probabilities_U[:, None]
    return kept / probabilities_U[:, None]


def dropout_keys(
    seed: int, step: int | Tensor, num_units: int, num_samples: int, device: torch.device, *, first: int = 0
) -> Tensor:
    """Return what each unit's dropout chooses by for each sample (`models.layers.dropped`).

    Args:
        seed: The run's seed.
        step: Updates made so far; an int, or an int64 scalar on the device.
        num_units: Units, each with a dropout.
        num_samples: Samples that it is for.
        device: Where.
        first: Position of the first of them in the batch.

    Returns:
        Int64 tensor (U, N) on the device.
    """
    key = randomness.key_for(seed, randomness.SHORTCUT_DROPOUT, step)
    return _keys(key, num_units, slice(first, first + num_samples), device)


def _keys(key: int | Tensor, num_units: int, samples: slice, device: torch.device) -> Tensor:
    """Return a key (U, N) for each unit and each position in the whole batch."""
    units = torch.arange(num_units, device=device)[:, None]
    positions = torch.arange(samples.start, samples.stop, device=device)[None, :]
    found: Tensor = randomness.fold(randomness.fold(key, units), positions)
    return found
