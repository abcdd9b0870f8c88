"""Training and evaluation batches of images that are read from files as they are needed."""

import functools
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from resnetlab.base.share import UNDIVIDED, Share
from resnetlab.data.batches.augment import Augmenter
from resnetlab.data.batches.batches import Batch, mixed_batch
from resnetlab.data.batches.loader import (
    Bad,
    ForEvaluation,
    ForTraining,
    ForViews,
    Images,
    Loaded,
    Request,
    load,
)
from resnetlab.data.batches.mix import mix
from resnetlab.data.batches.normalise import to_NCHW
from resnetlab.data.batches.order import SampleStream
from resnetlab.data.batches.preparation import TrainingPreparation, side_at
from resnetlab.data.batches.preprocessing import Preprocessing
from resnetlab.data.batches.waiting import Patience
from resnetlab.data.images.geometry import Pixels, Size
from resnetlab.data.images.views import groups, unpack
from resnetlab.data.sources.encoded import EncodedSplit
from resnetlab.errors import DataError
from resnetlab.evaluation.averaging import View, ViewedBatch
from resnetlab.evaluation.views import Views
from resnetlab.parallel.world import World
from resnetlab.recipe import Recipe
from resnetlab.recipe.timeline import Timeline

SHOWN = 16
"""How many images of the first batch are kept to be shown."""

BROKEN_SHOWN = 10
"""How many broken images are told one by one; all stand in the files."""


def told_broken(problems: Sequence[str]) -> Iterator[str]:
    """Yield what to say of images that were left out: the first few, and how many more."""
    yield from (f"Left out, a broken image: {problem}" for problem in problems[:BROKEN_SHOWN])
    if (more := len(problems) - BROKEN_SHOWN) > 0:
        yield f"Left out are {more:,} more broken images: bad_samples in scores.json"


@dataclass
class BadSamples:
    """The broken images that a run came upon, held against the share that may be."""

    share: float
    found: dict[tuple[str, int], str] = field(default_factory=dict)
    """The problem, which names the place, by part ("train") and sample."""

    tell: Callable[[str, int, str], None] = lambda part, sample, problem: None
    """Told of each when it is first met."""

    origin: str = ""
    """Where the data lies, for errors."""

    def __post_init__(self) -> None:
        self._shared = {*self.found}  # what all processes know of

    def add(self, part: str, size: int, bad: list[Bad]) -> None:
        """Take note of broken images of a part of `size` images.

        Raises:
            DataError: If more of them are broken than may be.
        """
        for sample, problem in bad:
            if (part, sample) not in self.found:
                self.found[part, sample] = problem
                self.tell(part, sample, problem)
        if self.count(part) > self.share * size:
            where = f"{self.origin}: " if self.origin else ""
            which = "" if part == "all" else f"{part} "
            check = shlex.join(["resnetlab", "data", "check", *filter(None, [self.origin])])
            raise DataError(
                f"{where}{self.count(part)} of {size:,} {which}images are broken, more than "
                f"{100 * self.share:g} %; the last: {bad[-1].problem}",
                hint=f"`{check}` lists them all; --bad-samples allows a larger share.",
            )

    def share_found(self, world: World, part: str, size: int) -> None:
        """Take note of what all the processes have found in a part of `size` images.

        Raises:
            DataError: If together more are broken than may be; then in every process.
        """
        new = {key: problem for key, problem in self.found.items() if key not in self._shared}
        own = [[sample, problem] for (each, sample), problem in new.items() if each == part]
        every = sorted({Bad(*each) for one in world.gather(own) for each in one})
        self._shared |= {(part, bad.sample) for bad in every}
        if unknown := [bad for bad in every if (part, bad.sample) not in self.found]:
            self.add(part, size, unknown)

    def count(self, part: str) -> int:
        """Return how many images of a part were broken so far."""
        return sum(each == part for each, _ in self.found)


class WaitClock:
    """Seconds for which the device had nothing to do because the next batch was not there.

    On CUDA the device itself takes the times: the process may wait while there is still work queued.
    """

    def __init__(self, device: torch.device) -> None:
        self._is_cuda = device.type == "cuda"
        self._seconds, self._started = 0.0, 0.0
        self._gaps: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def start(self) -> None:
        """All earlier work is queued."""
        self._started = time.perf_counter()
        if self._is_cuda:
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            begin.record()
            self._gaps.append((begin, end))

    def stop(self) -> None:
        """The batch is there, its copy to the device queued."""
        if self._is_cuda:
            self._gaps[-1][1].record()
        else:
            self._seconds += time.perf_counter() - self._started

    @property
    def seconds(self) -> float:
        """The sum so far; waits for the device."""
        for begin, end in self._gaps:
            end.synchronize()
            self._seconds += begin.elapsed_time(end) / 1e3
        self._gaps.clear()
        return self._seconds


class LoadedBatches:
    """The training batches of a run, by step, loaded ahead by worker processes.

    Of each batch they have what lies in `share`: nothing else is read.
    """

    def __init__(
        self,
        split: EncodedSplit,
        *,
        timeline: Timeline,
        recipe: Recipe,
        preprocessing: Preprocessing,
        size: Size,
        device: torch.device,
        workers: int,
        bad: BadSamples,
        patience: Patience | None = None,
        share: Share = UNDIVIDED,
    ) -> None:
        self.share = share
        self.timeline, self.recipe, self.device, self.workers = timeline, recipe, device, workers
        self.clock, self._patience = WaitClock(device), patience
        self._size, self._split, self._bad, self._preprocessing = size, split, bad, preprocessing
        seed = recipe.run.seed
        preparation = TrainingPreparation(recipe.preparation, seed, preprocessing.channels)
        skips = recipe.preparation.bad_samples > 0
        self._images = Images(split, ForTraining(preparation, size), skips, replaces=True, share=bad.share)
        self._stream = SampleStream(seed, len(split), repeats=recipe.preparation.repeats)
        self._augmenters: dict[tuple[int, ...], Augmenter] = {}
        self._coming: Iterator[Loaded] | None = None
        self._next = 0
        self._first: Tensor | None = None

    def at(self, step: int) -> Batch:
        """Return the batch of the update after `step` updates.

        Steps in turn come from the workers, which begin with the first that is asked for; any other
        is read here, the same to the last bit.

        Raises:
            UsageError: If the step is outside the run.
            DataError: If an image cannot be read.
        """
        is_first = self._coming is None
        if self._coming is None:
            self._next = step
            self._coming = load(
                self._images,
                map(self._request, range(step, self.timeline.num_steps)),
                workers=self.workers,
                pins=self.device.type == "cuda",
                patience=self._patience,
            )
        if step != self._next:
            again = next(load(self._images, [self._request(step)], workers=0, pins=False))
            self._note(again.bad)
            return self._on_device(again, step)
        self.clock.start()
        loaded = next(self._coming)
        self._next = step + 1
        self._note(loaded.bad)
        batch = self._on_device(loaded, step, arrived=self.clock.stop)
        if is_first:
            self._first = batch.images[:SHOWN].clone()
        return batch

    def take_first(self) -> Tensor | None:
        """Return the first images of the first batch that was asked for, once: they are forgotten."""
        first, self._first = self._first, None
        return first

    def _note(self, bad: list[Bad]) -> None:
        if bad:
            self._bad.add("train", len(self._split), bad)

    def share_broken(self, world: World) -> None:
        """Make known to all processes what each has found broken.

        Raises:
            DataError: If together more are broken than may be; then in every process.
        """
        if self._bad.share:
            self._bad.share_found(world, "train", len(self._split))

    def seconds_waited(self) -> float:
        """Return how long training waited for batches so far."""
        return self.clock.seconds

    def close(self) -> None:
        """End the workers."""
        self._coming = None

    def _request(self, step: int) -> Request:
        positions = self.timeline.positions(step)
        samples, epochs = self._stream.samples_at(positions[self.share.cut(len(positions))])
        side = side_at(self.recipe.preparation, step / self.timeline.num_steps)
        return Request(samples.numpy(), epochs.numpy(), side)

    def _on_device(self, loaded: Loaded, step: int, arrived: Callable[[], None] = lambda: None) -> Batch:
        labels = torch.from_numpy(self._split.labels)[loaded.samples]
        pixels, samples, epochs, labels = (
            each.to(self.device, non_blocking=True)
            for each in (loaded.images, loaded.samples, loaded.epochs, labels)
        )
        arrived()
        recipe = self.recipe
        images = self._augmenter(pixels.shape[1:3])(pixels, samples, epochs)
        until = self.timeline.start_of_last(recipe.augmentation.mix_tail)
        count = len(self.timeline.positions(step))
        mixed = mix(
            images,
            labels,
            recipe.augmentation,
            seed=recipe.run.seed,
            step=step,
            until=until,
            share=self.share,
            num_samples=count,
        )
        return mixed_batch(mixed, labels, samples, count, channels_last=recipe.execution.channels_last)

    def _augmenter(self, size: torch.Size) -> Augmenter:
        if size not in self._augmenters:
            self._augmenters[size] = Augmenter(
                self.recipe.augmentation,
                self._preprocessing.normaliser,
                seed=self.recipe.run.seed,
                size=(size[0], size[1]),
                device=self.device,
            )
        return self._augmenters[size]


class WaitShare:
    """The share of the training time of a process in which it waited for its batches.

    Args:
        batches: These.
        seconds: Of training so far, which other processes may have spent.
    """

    def __init__(self, batches: LoadedBatches, seconds: float) -> None:
        self._batches, self._start, self._last = batches, (0.0, seconds), (0.0, seconds)

    def of_all(self, seconds: float) -> float:
        """Return the share until now, after so many seconds of training."""
        return self._since(self._start, seconds)

    def since_last(self, seconds: float) -> float:
        """Return the share since this was last asked."""
        last, self._last = self._last, (self._batches.seconds_waited(), seconds)
        return self._since(last, seconds)

    def _since(self, start: tuple[float, float], seconds: float) -> float:
        waited, spent = self._batches.seconds_waited() - start[0], seconds - start[1]
        return waited / spent if spent > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class EvaluationBatches:
    """Batches of a split for evaluation: number i has the samples from i * batch on, in order.

    Broken images, if some may be, are left out and noted; a batch without any other is None.
    """

    split: EncodedSplit
    preprocessing: Preprocessing
    part: str
    """What the split is called, for errors."""
    size: Size
    device: torch.device
    batch: int
    channels_last: bool
    workers: int
    bad: BadSamples
    patience: Patience | None = None

    def at(self, numbers: range) -> Iterator[Batch | None]:
        """Yield the batches of these numbers.

        Raises:
            DataError: If an image cannot be read, or more than may be are broken.
        """
        prepared = ForEvaluation(self.preprocessing, self.size)
        for loaded in self._loaded(numbers, Images(self.split, prepared, self._skips, share=self.bad.share)):
            yield None if loaded is None else Batch(self._input(loaded.images), *self._known(loaded))

    def viewed_at(
        self, numbers: range, views: Views, together: Callable[[int, int, int], int]
    ) -> Iterator[ViewedBatch | None]:
        """Yield the same with several views of every image; raises as `at`.

        Args:
            numbers: The batches.
            views: Which.
            together: Says how many views of a height, a width and channels may come together.
        """
        prepared = ForViews(self.preprocessing, views)
        images = Images(self.split, prepared, self._skips, share=self.bad.share, joined=np.concatenate)
        for loaded in self._loaded(numbers, images):
            if loaded is None:
                yield None
                continue
            views_of = functools.partial(self._views, unpack(loaded.images.numpy()), together)
            yield ViewedBatch(views_of, *self._known(loaded))

    def _views(
        self, pictures: Sequence[Sequence[Pixels]], together: Callable[[int, int, int], int]
    ) -> Iterator[View]:
        for pixels, rows in groups(pictures, together):
            yield View(self._input(torch.from_numpy(pixels)), torch.tensor(rows, device=self.device))

    @property
    def _skips(self) -> bool:
        return self.bad.share > 0

    def _input(self, pixels: Tensor) -> Tensor:
        """Return the network's input of uint8 (N, H, W, C)."""
        there = pixels.to(self.device, non_blocking=True)
        return to_NCHW(self.preprocessing.normaliser(there), channels_last=self.channels_last)

    def _known(self, loaded: Loaded) -> tuple[Tensor, Tensor]:
        """Return labels and samples."""
        labels = torch.from_numpy(self.split.labels)[loaded.samples]
        return labels.to(self.device), loaded.samples.to(self.device)

    def _loaded(self, numbers: range, images: Images) -> Iterator[Loaded | None]:
        """Yield what was read for each batch; None if that is no image."""
        size, side = len(self.split), self.preprocessing.geometry.side
        samples = (np.arange(n * self.batch, min((n + 1) * self.batch, size)) for n in numbers)
        requests = (Request(each, np.zeros_like(each), side) for each in samples)
        workers, pins = min(self.workers, len(numbers)), self.device.type == "cuda"
        for loaded in load(images, requests, workers=workers, pins=pins, patience=self.patience):
            if loaded.bad:
                self.bad.add(self.part, size, loaded.bad)
            yield loaded if len(loaded.samples) else None
