"""A source of encoded images: where each file's content lies, and its label. Nothing is decoded here."""

import hashlib
import json
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import numpy as np
import numpy.typing as npt

from resnetlab.base.reading.plain import read_plain
from resnetlab.data.images.decode import decode, image_size
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.sources.labelling import Labels, label_problems
from resnetlab.data.sources.source import Samples, Source, Split
from resnetlab.errors import DataError

Indices = npt.NDArray[np.int64]
MOST_BYTES_HASHED = 2**30


class Reader(Protocol):
    """Random access to encoded images.

    It pickles small, keeps no file open, and may be used by several threads at once.
    """

    def __len__(self) -> int: ...

    def read(self, index: int) -> EncodedImage:
        """Return an image; raise DataError, naming its place, if it cannot be read."""

    def place(self, index: int) -> str:
        """Return where an image lies, relative to the source and with "/" between folders."""

    def size(self, index: int) -> int:
        """Return an image's length in bytes; raise DataError if it is gone."""


@dataclass(frozen=True, eq=False, repr=False)
class EncodedSplit(Samples):
    """Some of a reader's images and their labels, in order."""

    reader: Reader

    indices: Indices
    """Shape (N,): which of the reader's images."""

    labels: Labels

    reads_files = True
    image_shape = ()

    @classmethod
    def of(cls, reader: Reader, labels: Labels) -> "EncodedSplit":
        """Return all of a reader's images, with the label of each."""
        return cls(reader, np.arange(len(reader), dtype=np.int64), labels)

    def take(self, indices: Indices) -> "EncodedSplit":
        """Return the split of the chosen images, in the order of `indices`; the reader is shared."""
        return EncodedSplit(self.reader, self.indices[indices], self.labels[indices])

    def read(self, index: int) -> EncodedImage:
        """Return the content of the image at `index` of this split.

        Raises:
            DataError: If it cannot be read, naming its place.
        """
        return self.reader.read(int(self.indices[index]))

    def place(self, index: int) -> str:
        """Return where the image at `index` of this split lies."""
        return self.reader.place(int(self.indices[index]))

    def pixels(self, index: int) -> npt.NDArray[np.uint8]:
        """Return the image at `index` in colour, read and decoded; raises as `read`."""
        return decode(self.read(index), channels=3)

    def input_shape(self, size: tuple[int, int] | None, channels: int = 3) -> tuple[int, int, int]:
        """Return the size asked for, else the first image's, which is read; in colour or grey as asked.

        Raises:
            DataError: If that image cannot be read.
        """
        height, width = size or image_size(self.read(0))
        return height, width, 1 if channels == 1 else 3

    def form_problems(self, part: str, num_classes: int) -> Iterator[str]:
        """Yield what is wrong with types, shapes, lengths and the indices' and labels' range."""
        indices, most = self.indices, len(self.reader)
        if indices.dtype != np.int64 or indices.ndim != 1:
            yield f"{part} indices are {indices.dtype} {indices.shape}, expected int64 (N,)"
        elif len(indices) and not (indices.min() >= 0 and indices.max() < most):
            yield f"{part} has an index outside of the reader's {most} images"
        yield from label_problems(part, len(indices), self.labels, num_classes)

    @classmethod
    def fingerprint(cls, class_names: Sequence[str], splits: Sequence["EncodedSplit"]) -> str:
        """Return the SHA-256 of the class names and, split by split, labels, relative places and lengths.

        When all of it is below 1 GiB the images' content enters too; of a larger source only the
        lengths in bytes do, so that opening ImageNet does not read it (a Hugging Face dataset is read
        for its lengths). Raises DataError if a file is gone.
        """
        places = [[split.place(index) for index in range(len(split))] for split in splits]
        return cls._digest(class_names, splits, places)

    @classmethod
    def earlier_fingerprint(cls, class_names: Sequence[str], splits: Sequence["EncodedSplit"]) -> str:
        """Return the fingerprint of 0.1.0, into which the paths of a table went as they were written."""
        readers = [split.reader for split in splits]
        prefixes = [reader.prefix if isinstance(reader, FileReader) else "" for reader in readers]
        if not any(prefixes):
            return ""
        places = [
            [prefix + split.place(index) for index in range(len(split))]
            for prefix, split in zip(prefixes, splits, strict=True)
        ]
        return cls._digest(class_names, splits, places)

    @classmethod
    def _digest(
        cls, class_names: Sequence[str], splits: Sequence["EncodedSplit"], places: Sequence[Sequence[str]]
    ) -> str:
        sizes = [[split.reader.size(int(index)) for index in split.indices] for split in splits]
        digest = hashlib.sha256(json.dumps([class_names, places, sizes]).encode())
        for split in splits:
            digest.update(split.labels.astype("<i8").tobytes())
        if sum(map(sum, sizes)) < MOST_BYTES_HASHED:
            for split in splits:
                for index in range(len(split)):
                    digest.update(split.read(index).data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class _JoinedReader:
    """The images of several readers, one after the other."""

    readers: tuple[Reader, ...]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        return self.ends[-1]

    def _locate(self, index: int) -> tuple[Reader, int]:
        number = bisect_right(self.ends, index)
        return self.readers[number], index - (self.ends[number - 1] if number else 0)

    def read(self, index: int) -> EncodedImage:
        reader, own = self._locate(index)
        return reader.read(own)

    def place(self, index: int) -> str:
        reader, own = self._locate(index)
        return reader.place(own)

    def size(self, index: int) -> int:
        reader, own = self._locate(index)
        return reader.size(own)


def join_encoded(splits: Sequence[EncodedSplit]) -> EncodedSplit:
    """Return one split of all the images, in the order given."""
    if len(splits) == 1:
        return splits[0]
    readers = tuple(split.reader for split in splits)
    ends = tuple(accumulate(map(len, readers)))
    indices = [split.indices + start for split, start in zip(splits, (0, *ends), strict=False)]
    labels = np.concatenate([split.labels for split in splits])
    return EncodedSplit(_JoinedReader(readers, ends), np.concatenate(indices), labels)


class EncodedSource(Source[EncodedSplit]):
    """A source whose images are encoded."""


@dataclass(frozen=True, eq=False, slots=True)
class Names:
    """Many strings in one piece of memory, so that a million paths pickle in milliseconds."""

    joined: bytes
    ends: Indices
    """Shape (N,): where in `joined` each string ends."""

    @classmethod
    def of(cls, names: Iterable[str]) -> "Names":
        """Pack the strings; those that came from a file system's undecodable bytes included."""
        encoded = [name.encode(errors="surrogateescape") for name in names]
        ends = np.fromiter(accumulate(map(len, encoded)), np.int64, len(encoded))
        return cls(b"".join(encoded), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> str:
        start = int(self.ends[index - 1]) if index else 0
        return self.joined[start : int(self.ends[index])].decode(errors="surrogateescape")


@dataclass(frozen=True, eq=False, slots=True)
class FileReader:
    """Images that are files of their own, in a folder or below it."""

    root: str

    names: Names
    """Paths relative to the root, with "/"."""

    prefix: str = ""
    """What a table wrote before each of these."""

    def __len__(self) -> int:
        return len(self.names)

    def place(self, index: int) -> str:
        """Return the path relative to the root."""
        return self.names[index]

    def read(self, index: int) -> EncodedImage:
        """Return the file's content."""
        place = self.names[index]
        try:
            return EncodedImage(read_plain(os.path.join(self.root, place)), place)
        except OSError as error:
            raise DataError(f"{place}: cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            raise DataError(f"{place}: cannot be read: {error}") from error

    def size(self, index: int) -> int:
        """Return the file's length in bytes."""
        place = self.names[index]
        try:
            return os.stat(os.path.join(self.root, place)).st_size
        except OSError as error:
            raise DataError(f"{place}: cannot be read: {error.strerror or error}") from error


AnySplit = Split | EncodedSplit
"""Images in memory, or in files that are read as they are needed."""

AnySource = Source[AnySplit]
