"""Batches: what one step trains on, as a pure function of the step, on the training device."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from resnetlab.base.share import UNDIVIDED, Share
from resnetlab.data.batches.augment import Augmenter, Shrinking
from resnetlab.data.batches.mix import Mixed, mix
from resnetlab.data.batches.normalise import Normaliser, to_NCHW
from resnetlab.data.batches.order import SampleStream
from resnetlab.data.sources.source import Split
from resnetlab.errors import UsageError
from resnetlab.parallel.world import World
from resnetlab.recipe import Augmentation
from resnetlab.recipe.timeline import Timeline


@dataclass(frozen=True, eq=False)
class Batch:
    """Images and labels of N samples."""

    images: Tensor
    """Float32, shape (N, C, H, W)."""

    labels: Tensor
    """Int64, shape (N,)."""

    samples: Tensor
    """Int64, shape (N,): their numbers in the split."""

    labels_other: Tensor | None = None
    """Int64, shape (N,): the second labels of mixed images."""

    weight: float | Tensor = 1.0
    """Share of `labels` in the loss; that of `labels_other` is 1 - weight."""

    elsewhere: int = 0
    """Further samples of the same batch, which other processes have."""

    @property
    def num_samples(self) -> int:
        """Samples of the whole batch."""
        return len(self.labels) + self.elsewhere


class Batches:
    """The training batches of images in memory, on the device as uint8; `LoadedBatches` are those of files.

    Of each batch they have what lies in `share`.

    Raises:
        UsageError: If the timeline counts other than the split's samples.
    """

    def __init__(
        self,
        split: Split,
        *,
        timeline: Timeline,
        seed: int,
        augmentation: Augmentation,
        normaliser: Normaliser,
        device: torch.device | str = "cpu",
        channels_last: bool = True,
        repeats: int = 1,
        share: Share = UNDIVIDED,
    ) -> None:
        if timeline.num_samples != len(split):
            raise UsageError(f"the timeline has {timeline.num_samples} samples, the split {len(split)}")
        self.timeline, self.seed, self.channels_last = timeline, seed, channels_last
        self.augmentation, self.share, self._shrink = augmentation, share, Shrinking(augmentation, timeline)
        self.mixed_until = timeline.start_of_last(augmentation.mix_tail)
        resident = ResidentSplit(split, device)
        self.images, self.labels = resident.images, resident.labels
        self.stream = SampleStream(seed, len(split), device, repeats=repeats)
        height, width = split.images.shape[1:3]
        self._augment = Augmenter(augmentation, normaliser, seed=seed, size=(height, width), device=device)

    def at(self, step: int) -> Batch:
        """Return the batch of the update after `step` updates, whatever was asked before.

        Raises:
            UsageError: If the step is outside the run.
        """
        positions = self.timeline.positions(step)
        samples, epochs = self.stream.samples_at(positions[self.share.cut(len(positions))])
        images, labels = self.augmented(samples, epochs)
        mixed = mix(
            self._shrink(images, step),
            labels,
            self.augmentation,
            seed=self.seed,
            step=step,
            until=self.mixed_until,
            share=self.share,
            num_samples=len(positions),
        )
        return mixed_batch(mixed, labels, samples, len(positions), channels_last=self.channels_last)

    def augmented(self, samples: Tensor, epochs: Tensor) -> tuple[Tensor, Tensor]:
        """Return images, augmented and normalised (N, H, W, C), and labels (N,) of samples in epochs."""
        images = self._augment(self.images.index_select(0, samples), samples, epochs)
        return images, self.labels.index_select(0, samples)

    def share_broken(self, world: World) -> None:
        """Do nothing: what is in memory was read whole."""

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


def mixed_batch(
    mixed: Mixed, labels: Tensor, samples: Tensor, num_samples: int, *, channels_last: bool
) -> Batch:
    """Return the batch of mixed images (N, H, W, C) with their labels; all processes have `num_samples`."""
    return Batch(
        images=to_NCHW(mixed.images, channels_last=channels_last),
        labels=labels,
        samples=samples,
        labels_other=mixed.labels_other,
        weight=mixed.weight,
        elsewhere=num_samples - len(labels),
    )


class ResidentSplit:
    """A split on a device: brought there when it is first read, and only once, however often it is scored."""

    def __init__(self, split: Split, device: torch.device | str = "cpu") -> None:
        self._split, self._device = split, device

    def __len__(self) -> int:
        return len(self._split)

    @cached_property
    def images(self) -> Tensor:
        """Uint8 (N, H, W, C)."""
        return torch.from_numpy(self._split.images).to(self._device)

    @cached_property
    def labels(self) -> Tensor:
        """Int64 (N,)."""
        return torch.from_numpy(self._split.labels).to(self._device)


def evaluation_batches(
    split: ResidentSplit,
    normaliser: Normaliser,
    numbers: range | None = None,
    *,
    batch: int = 500,
    channels_last: bool = True,
) -> Iterator[Batch]:
    """Yield every sample exactly once, in order, the last batch however small; or the batches numbered so.

    500 divides the test sets of both CIFARs; the result does not depend on it beyond rounding.
    """
    images, labels = split.images, split.labels
    for number in range(-(-len(split) // batch)) if numbers is None else numbers:
        start = number * batch
        stop = min(start + batch, len(split))
        yield Batch(
            images=to_NCHW(normaliser(images[start:stop]), channels_last=channels_last),
            labels=labels[start:stop],
            samples=torch.arange(start, stop, device=images.device),
        )
