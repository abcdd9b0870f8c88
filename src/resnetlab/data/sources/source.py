"""A source: a labelled image collection, checked in full before anything uses it.

Axes: N images, H height, W width, C channels.
"""

import functools
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt

from resnetlab.base.lettering import in_a_line
from resnetlab.base.pages import cell
from resnetlab.base.paths import as_word
from resnetlab.data.sources import shown
from resnetlab.data.sources.labelling import (
    Labels,
    class_name_problems,
    label_problems,
    missing_classes,
    refuse,
    samples_per_class,
)
from resnetlab.errors import DataError


class Samples(ABC):
    """Images and their labels, in order, however the images are kept: what a source is made of."""

    reads_files: ClassVar[bool]
    """Whether images are read as they are needed; else their pixels are in memory."""

    labels: Labels
    """Shape (N,), indices into the source's class names."""

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        sizes = "x".join(map(str, self.image_shape[:2]))
        return f"<{len(self):,} images{f' of {sizes}' if sizes else ' of any size'}>"

    def samples_per_class(self, num_classes: int) -> list[int]:
        """Return how many images each class has."""
        return samples_per_class(self.labels, num_classes)

    @abstractmethod
    def take(self, indices: npt.NDArray[np.int64]) -> Self:
        """Return the chosen images, in the order of `indices`."""

    @abstractmethod
    def place(self, index: int) -> str:
        """Return where the image at `index` lies, relative to the source; empty if it is in no file."""

    @abstractmethod
    def pixels(self, index: int) -> npt.NDArray[np.uint8]:
        """Return the image at `index` as it is, uint8 (H, W, C).

        Raises:
            DataError: If it cannot be read, naming its place.
        """

    @property
    @abstractmethod
    def image_shape(self) -> tuple[int, ...]:
        """The (H, W, C) of all the images; empty if they may be of any size."""

    @abstractmethod
    def input_shape(self, size: tuple[int, int] | None, channels: int = 3) -> tuple[int, int, int]:
        """Return the (H, W, C) of what a network gets of the images if it asks for this size.

        Args:
            size: Height and width; None for those of the images.
            channels: How many the network asks for.

        Raises:
            DataError: If a file must be read for its size and cannot be.
        """

    @abstractmethod
    def form_problems(self, part: str, num_classes: int) -> Iterator[str]:
        """Yield what is wrong with types, shapes, lengths and the labels' range."""

    @classmethod
    @abstractmethod
    def fingerprint(cls, class_names: Sequence[str], splits: Sequence[Self]) -> str:
        """Return the SHA-256 of class names and splits, in their order."""

    @classmethod
    def earlier_fingerprint(cls, class_names: Sequence[str], splits: Sequence[Self]) -> str:
        """Return the fingerprint that resnetlab 0.1.0 made of the same, if it differs, else an empty text."""
        return ""


@dataclass(frozen=True, eq=False, repr=False)
class Split(Samples):
    """Images in memory and their labels, in order."""

    images: npt.NDArray[np.uint8]
    """Shape (N, H, W, C), values 0 to 255."""

    labels: Labels

    places: npt.NDArray[np.object_] | None = None
    """Shape (N,): the files that the images were read from, relative to the source; None if from none."""

    reads_files = False

    def take(self, indices: npt.NDArray[np.int64]) -> "Split":
        """Return a copy of the chosen images, in the order of `indices`."""
        places = None if self.places is None else self.places[indices]
        return Split(self.images[indices], self.labels[indices], places)

    def place(self, index: int) -> str:
        """Return the image's file, empty if it was read from none."""
        return "" if self.places is None else str(self.places[index])

    def pixels(self, index: int) -> npt.NDArray[np.uint8]:
        """Return the image at `index`."""
        pixels: npt.NDArray[np.uint8] = self.images[index]
        return pixels

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The images' (H, W, C)."""
        return self.images.shape[1:]

    def input_shape(self, size: tuple[int, int] | None, channels: int = 3) -> tuple[int, int, int]:
        """Return the images' (H, W, C), whatever is asked for."""
        height, width, own_channels = self.images.shape[1:]
        return height, width, own_channels

    def form_problems(self, part: str, num_classes: int) -> Iterator[str]:
        """Yield what is wrong with types, shapes, lengths and the labels' range."""
        images = self.images
        if images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape[1:]:
            yield f"{part} images are {images.dtype} {images.shape}, expected uint8 (N, H, W, C)"
        yield from label_problems(part, len(images), self.labels, num_classes)

    @classmethod
    def fingerprint(cls, class_names: Sequence[str], splits: Sequence["Split"]) -> str:
        """Return the SHA-256 of the class names, shapes, labels and pixels of all splits, in their order."""
        shapes = [split.images.shape for split in splits]
        digest = hashlib.sha256(json.dumps([class_names, shapes]).encode())
        for split in splits:
            digest.update(np.ascontiguousarray(split.labels.astype("<i8")).data)
            digest.update(np.ascontiguousarray(split.images).data)
        return digest.hexdigest()


SplitT_co = TypeVar("SplitT_co", bound=Samples, covariant=True)


@dataclass(frozen=True, eq=False, repr=False)
class Source(Generic[SplitT_co]):
    """A training split and a test split of the same classes and kind. A notebook shows some of its images.

    Raises:
        DataError: If anything is wrong with a split; all problems are named at once.
    """

    name: str
    class_names: tuple[str, ...]
    train: SplitT_co
    test: SplitT_co

    val: SplitT_co | None = None
    """A validation split of its own, beside the test split."""

    origin: str = ""
    """Where it was read from, for people."""

    is_partial: bool = False
    """Part of a larger collection: a class without training images is noted, not refused."""

    notes: tuple[str, ...] = ()
    """What is unusual but usable."""

    found: Mapping[str, SplitT_co] | None = None
    """Of a source that was opened for scoring: the splits that there are, any of train, val and test, as
    they were found and none of them divided. `train` and `test` are then the first of them."""

    folders: tuple[str, ...] = ()
    """Folders of which everything is read that comes to lie in them; absolute paths."""

    broken: str = ""
    """A broken image that was met in opening, and what is wrong with it."""

    choices: Mapping[str, str] = field(default_factory=dict)
    """What was chosen where the format leaves it open, as `Choices.to_json` has it."""

    def __post_init__(self) -> None:
        problems = [*self._form_problems()]
        if not problems:
            labels = {part: split.labels for part, split in self.parts.items()}
            is_partial = self.is_partial or self.found is not None
            problems, notes = missing_classes(self.class_names, labels, is_partial=is_partial)
            object.__setattr__(self, "notes", (*dict.fromkeys((*self.notes, *notes)),))
        refuse(self.origin or self.name, problems)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(split):,} {part}" for part, split in self.parts.items())
        return f"<{in_a_line(self.name)}: {sizes} images of {len(self.class_names):,} classes>"

    def _repr_html_(self) -> str:
        by_split = {
            part: split.samples_per_class(len(self.class_names)) for part, split in self.parts.items()
        }
        sizes = "x".join(map(str, self.train.image_shape[:2]))
        images = f"images of {sizes} pixels" if sizes else "image files, read as they are needed"
        return cell.cell(
            self.name,
            shown.pictures(self.train.labels, self.class_names, self.train.pixels),
            shown.counts(by_split, self.class_names),
            *(cell.paragraph(f"note: {note}", is_faint=True) for note in self.notes),
            about=f"{images}; {self.origin}" if self.origin else images,
        )

    @property
    def parts(self) -> Mapping[str, SplitT_co]:
        """The splits by name: train, test, and val if there is one; or those that were found."""
        if self.found is not None:
            return self.found
        parts = {"train": self.train, "test": self.test}
        return parts if self.val is None else {**parts, "val": self.val}

    @property
    def reads_files(self) -> bool:
        """Whether images are read from files as they are needed."""
        return self.train.reads_files

    def _form_problems(self) -> Iterator[str]:
        yield from class_name_problems(self.class_names, least=2 if self.found is None else 1)
        expected = self.train.image_shape
        for part, split in self.parts.items():
            yield from split.form_problems(part, len(self.class_names))
            if split.image_shape != expected:
                sizes = f"{expected} and {split.image_shape}"
                yield f"train and {part} images differ in height, width or channels: {sizes}"

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the class names and all splits, as their `fingerprint` says.

        The name, the origin and where the files lie do not enter it. Raises DataError if a file is gone.
        """
        return self.train.fingerprint(self.class_names, [*self.parts.values()])

    def has_fingerprint(self, recorded: str) -> bool:
        """Return whether a run, perhaps of an earlier version, recorded this data as its own."""
        if self.fingerprint == recorded:
            return True
        return self.train.earlier_fingerprint(self.class_names, [*self.parts.values()]) == recorded

    def describe(self) -> dict[str, Any]:
        """Return what identifies the source, as plain data that JSON holds."""
        number = len(self.class_names)
        return {
            "name": self.name,
            "origin": self.origin,
            "class_names": list(self.class_names),
            **dict(zip(("height", "width", "channels"), self.train.image_shape, strict=False)),
            "samples": {part: len(split) for part, split in self.parts.items()},
            "samples_per_class": {
                part: split.samples_per_class(number) for part, split in self.parts.items()
            },
            "fingerprint": self.fingerprint,
            "notes": list(self.notes),
            "choices": dict(self.choices),
        }


def broken_image(source: Source[Any], problem: str) -> DataError:
    """Return the error for a broken image of a source, which says how to find them all and to go on."""
    place = as_word(source.origin or source.name)
    return DataError(
        f"{source.origin or source.name}: a broken image: {problem}",
        hint=f"`resnetlab data check {place}` lists all of them; --bad-samples 1% leaves out up to so many.",
    )
