"""A source: a labelled image collection, checked in full before anything uses it.

Axes: N images, H height, W width, C channels.
"""

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resnetlab.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels, in order."""

    images: npt.NDArray[np.uint8]
    """Shape (N, H, W, C), values 0 to 255."""

    labels: npt.NDArray[np.int64]
    """Shape (N,), indices into the source's class names."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: npt.NDArray[np.int64]) -> "Split":
        """Return a copy of the chosen images, in the order of `indices`."""
        return Split(self.images[indices], self.labels[indices])

    def samples_per_class(self, num_classes: int) -> list[int]:
        """Return how many images each class has."""
        return [int(count) for count in np.bincount(self.labels, minlength=num_classes)]


@dataclass(frozen=True, eq=False)
class Source:
    """A training split and a test split of the same classes and image size.

    Raises:
        DataError: If anything is wrong with either split; all problems are named at once.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    test: Split

    origin: str = ""
    """Where it was read from, for people."""

    is_partial: bool = False
    """Part of a larger collection: a class without training images is noted, not refused."""

    notes: tuple[str, ...] = ()
    """What is unusual but usable."""

    def __post_init__(self) -> None:
        problems = [*self._form_problems()]
        if not problems:
            without = self._classes_without("train")
            if without and not self.is_partial:
                problems.append(without)
            missing = (without, self._classes_without("test"))
            object.__setattr__(self, "notes", (*self.notes, *filter(None, missing)))
        if problems:
            raise DataError("\n".join(f"{self.origin or self.name}: {text}" for text in problems))

    def _form_problems(self) -> Iterator[str]:
        names, train, test = self.class_names, self.train, self.test
        if len(names) < 2:
            yield f"needs at least two classes, has {len(names)}"
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            yield f"class names occur twice: {', '.join(twice)}"
        yield from split_problems("train", train, len(names))
        yield from split_problems("test", test, len(names))
        if train.images.shape[1:] != test.images.shape[1:]:
            sizes = f"{train.images.shape[1:]} and {test.images.shape[1:]}"
            yield f"train and test images differ in height, width or channels: {sizes}"

    def _classes_without(self, part: str) -> str:
        counts = getattr(self, part).samples_per_class(len(self.class_names))
        missing = [name for name, count in zip(self.class_names, counts, strict=True) if not count]
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        return f"{part} has no image of {', '.join(missing[:5])}{more}" if missing else ""

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the class names, shapes, labels and pixels of both splits, in their order.

        The name, the origin and the file layout do not enter it.
        """
        splits = (self.train, self.test)
        shapes = [split.images.shape for split in splits]
        digest = hashlib.sha256(json.dumps([self.class_names, shapes]).encode())
        for split in splits:
            digest.update(np.ascontiguousarray(split.labels.astype("<i8")).data)
            digest.update(np.ascontiguousarray(split.images).data)
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return what identifies the source, as plain data that JSON holds."""
        height, width, channels = self.train.images.shape[1:]
        parts = (("train", self.train), ("test", self.test))
        return {
            "name": self.name,
            "origin": self.origin,
            "class_names": list(self.class_names),
            "height": height,
            "width": width,
            "channels": channels,
            "samples": {part: len(split) for part, split in parts},
            "samples_per_class": {
                part: split.samples_per_class(len(self.class_names)) for part, split in parts
            },
            "fingerprint": self.fingerprint,
            "notes": list(self.notes),
        }


def split_problems(part: str, split: Split, num_classes: int) -> Iterator[str]:
    """Yield what is wrong with the form of a split: types, shapes, lengths, label range."""
    images, labels = split.images, split.labels
    if images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape[1:]:
        yield f"{part} images are {images.dtype} {images.shape}, expected uint8 (N, H, W, C)"
    if labels.dtype != np.int64 or labels.ndim != 1:
        yield f"{part} labels are {labels.dtype} {labels.shape}, expected int64 (N,)"
        return
    if len(images) != len(labels):
        yield f"{part} has {len(images)} images but {len(labels)} labels"
    if not len(labels):
        yield f"{part} is empty"
    bad = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(bad):
        where = f"record {bad[0]} has label {labels[bad[0]]}"
        yield f"{part}: {where}, labels are 0 to {num_classes - 1} ({len(bad)} such records)"
