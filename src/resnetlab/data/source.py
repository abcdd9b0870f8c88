"""A source: a labelled image collection, checked in full before anything uses it.

Axes: N images, H height, W width, C channels.
"""

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resnetlab.data.labelling import (
    class_name_problems,
    label_problems,
    missing_classes,
    refuse,
    samples_per_class,
)


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
        return samples_per_class(self.labels, num_classes)


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

    val: Split | None = None
    """A validation split of its own, beside the test split."""

    origin: str = ""
    """Where it was read from, for people."""

    is_partial: bool = False
    """Part of a larger collection: a class without training images is noted, not refused."""

    notes: tuple[str, ...] = ()
    """What is unusual but usable."""

    def __post_init__(self) -> None:
        problems = [*self._form_problems()]
        if not problems:
            labels = {part: split.labels for part, split in self.parts.items()}
            problems, notes = missing_classes(self.class_names, labels, is_partial=self.is_partial)
            object.__setattr__(self, "notes", (*self.notes, *notes))
        refuse(self.origin or self.name, problems)

    @property
    def parts(self) -> Mapping[str, Split]:
        """The splits by name: train, test, and val if there is one."""
        parts = {"train": self.train, "test": self.test}
        return parts if self.val is None else {**parts, "val": self.val}

    def _form_problems(self) -> Iterator[str]:
        yield from class_name_problems(self.class_names)
        expected = self.train.images.shape[1:]
        for part, split in self.parts.items():
            yield from split_problems(part, split, len(self.class_names))
            if split.images.shape[1:] != expected:
                sizes = f"{expected} and {split.images.shape[1:]}"
                yield f"train and {part} images differ in height, width or channels: {sizes}"

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the class names, shapes, labels and pixels of all splits, in their order.

        The name, the origin and the file layout do not enter it.
        """
        splits = tuple(self.parts.values())
        shapes = [split.images.shape for split in splits]
        digest = hashlib.sha256(json.dumps([self.class_names, shapes]).encode())
        for split in splits:
            digest.update(np.ascontiguousarray(split.labels.astype("<i8")).data)
            digest.update(np.ascontiguousarray(split.images).data)
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return what identifies the source, as plain data that JSON holds."""
        height, width, channels = self.train.images.shape[1:]
        return {
            "name": self.name,
            "origin": self.origin,
            "class_names": list(self.class_names),
            "height": height,
            "width": width,
            "channels": channels,
            "samples": {part: len(split) for part, split in self.parts.items()},
            "samples_per_class": {
                part: split.samples_per_class(len(self.class_names)) for part, split in self.parts.items()
            },
            "fingerprint": self.fingerprint,
            "notes": list(self.notes),
        }


def split_problems(part: str, split: Split, num_classes: int) -> Iterator[str]:
    """Yield what is wrong with the form of a split: types, shapes, lengths, label range."""
    images, labels = split.images, split.labels
    if images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape[1:]:
        yield f"{part} images are {images.dtype} {images.shape}, expected uint8 (N, H, W, C)"
    yield from label_problems(part, len(images), labels, num_classes)
