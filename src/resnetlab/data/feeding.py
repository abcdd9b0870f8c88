"""Batches of either kind of source: pixels in memory, or image files read as they are needed."""

import collections
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch

from resnetlab.base.share import Share
from resnetlab.data.batches.augment import shrunk_sides
from resnetlab.data.batches.batches import Batch, Batches, ResidentSplit, evaluation_batches
from resnetlab.data.batches.loaded import BadSamples, EvaluationBatches, LoadedBatches
from resnetlab.data.batches.loader import count_workers
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.batches.preparation import side_at
from resnetlab.data.batches.preprocessing import Preprocessing, fit_preprocessing
from resnetlab.data.batches.waiting import Patience
from resnetlab.data.sources.encoded import AnySplit, EncodedSplit
from resnetlab.data.sources.source import Split
from resnetlab.evaluation.scoring import EvaluationSet, ScoredBatch
from resnetlab.evaluation.views import Views
from resnetlab.recipe import Recipe
from resnetlab.recipe.timeline import Timeline

EVALUATION_BATCH = 500
"""Images per batch of an evaluation; the result does not depend on it beyond rounding."""

_LARGEST_BATCH_BYTES = 2**27
"""Evaluation batches of large images are smaller, so that their floats take 128 MiB at most."""

_POINTS = 1000
"""Places in a run at which the size of images that grow is looked up."""

Size = tuple[int, int]
"""Height and width, in pixels."""


def training_sizes(recipe: Recipe, own: Size, *, reads_files: bool) -> dict[Size, float]:
    """Return the sizes of a run's training images in their order, each with its share of the steps.

    Args:
        recipe: Of the run.
        own: The size of its images in evaluation.
        reads_files: Whether they are read from files, which are brought to the recipe's sizes.
    """
    if reads_files:
        sides = [side_at(recipe.preparation, (point + 0.5) / _POINTS) for point in range(_POINTS)]
        return {
            ((side, side) if side else own): count / _POINTS
            for side, count in collections.Counter(sides).items()
        }
    small = shrunk_sides(own, recipe.augmentation.shrink)
    until = recipe.augmentation.shrink_until if small != own else 0.0
    return {size: share for size, share in ((small, until), (own, 1 - until)) if share > 0}


@dataclass(frozen=True)
class Reading:
    """How the images of a run become batches, of its training and of its evaluations."""

    preprocessing: Preprocessing
    recipe: Recipe
    device: torch.device
    size: tuple[int, int]
    """Height and width of the network's input."""
    workers: int = 0
    origin: str = ""
    """Where the images lie, for errors."""
    known: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """The broken images that are known already, see `BadSamples.found`."""
    patience: Patience = field(default_factory=Patience)
    """With the workers."""
    share: Share | None = None
    """The shards of every training batch that this process makes; None: all of them."""

    @functools.cached_property
    def bad(self) -> BadSamples:
        """The broken images that are come upon, held against the share that the recipe allows."""
        return BadSamples(self.recipe.preparation.bad_samples, dict(self.known), origin=self.origin)

    def training_batches(self, split: AnySplit, timeline: Timeline) -> Batches | LoadedBatches:
        """Return the training batches, by step."""
        recipe = self.recipe
        share = self.share or Share.whole(recipe.execution.shards)
        if isinstance(split, EncodedSplit):
            return LoadedBatches(
                split,
                timeline=timeline,
                recipe=recipe,
                preprocessing=self.preprocessing,
                size=self.size,
                device=self.device,
                workers=count_workers(self.workers, self.device),
                bad=self.bad,
                patience=self.patience,
                share=share,
            )
        return Batches(
            split,
            timeline=timeline,
            seed=recipe.run.seed,
            augmentation=recipe.augmentation,
            normaliser=self.preprocessing.normaliser,
            device=self.device,
            channels_last=recipe.execution.channels_last,
            repeats=recipe.preparation.repeats,
            share=share,
        )

    def evaluation_set(self, part: str, split: AnySplit) -> EvaluationSet:
        """Return a split as a set that the network can be scored on."""
        if isinstance(split, Split):
            resident = ResidentSplit(split, self.device)
            return EvaluationSet(
                part, len(split), EVALUATION_BATCH, lambda numbers: self._of(resident, numbers)
            )
        batches = self._read(part, split, evaluation_batch(*self.size, self.preprocessing.channels))
        return self._set_of(batches, batches.at)

    def viewed_set(self, part: str, split: EncodedSplit, views: Views) -> EvaluationSet:
        """Return it as a set of which every image has several views; its batches hold `ViewedBatch`."""
        batches = self._read(part, split, viewed_batch(*self.size, self.preprocessing.channels, views))
        return self._set_of(batches, lambda numbers: batches.viewed_at(numbers, views, evaluation_batch))

    def _set_of(
        self, batches: EvaluationBatches, at: Callable[[range], Iterator[ScoredBatch | None]]
    ) -> EvaluationSet:
        part, size = batches.part, len(batches.split)
        return EvaluationSet(
            part,
            size,
            batches.batch,
            at,
            left_out=lambda: self.bad.count(part),
            share_broken=lambda world: self.bad.share_found(world, part, size),
        )

    def _of(self, split: ResidentSplit, numbers: range) -> Iterator[Batch]:
        return evaluation_batches(
            split,
            self.preprocessing.normaliser,
            numbers,
            batch=EVALUATION_BATCH,
            channels_last=self.recipe.execution.channels_last,
        )

    def _read(self, part: str, split: EncodedSplit, batch: int) -> EvaluationBatches:
        return EvaluationBatches(
            split=split,
            preprocessing=self.preprocessing,
            part=part,
            size=self.size,
            device=self.device,
            batch=batch,
            channels_last=self.recipe.execution.channels_last,
            workers=count_workers(self.workers, self.device),
            bad=self.bad,
            patience=self.patience,
        )


def evaluation_batch(height: int, width: int, channels: int) -> int:
    """Return how many image files are scored at once."""
    image_bytes = 4 * height * width * channels
    return max(1, min(EVALUATION_BATCH, _LARGEST_BATCH_BYTES // image_bytes))


def viewed_batch(height: int, width: int, channels: int, views: Views) -> int:
    """Return of how many images the views are read at once: as many pixels as a batch of single ones has."""
    return max(1, evaluation_batch(height, width, channels) * height * width // views.num_pixels)


def fit(split: AnySplit, recipe: Recipe, channels: int) -> Preprocessing:
    """Return the preprocessing of a run that is about to begin, measured on its training images."""
    read_as: Literal[1, 3] = 1 if channels == 1 else 3
    if isinstance(split, EncodedSplit):
        return fit_preprocessing(recipe.preparation, recipe.normalisation, split, read_as)
    return Preprocessing(Normaliser.fit(recipe.normalisation, split.images), channels=read_as)
