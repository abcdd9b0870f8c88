"""Splits of a source put together, and images in memory read as files are."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from resnetlab.data.images.image import EncodedImage
from resnetlab.data.sources.encoded import AnySplit, EncodedSplit, Reader
from resnetlab.data.sources.source import Split


def join_splits(splits: Sequence[AnySplit]) -> AnySplit:
    """Return one split of all the images, in the order given; all are in memory or none is."""
    labels = np.concatenate([split.labels for split in splits])
    in_memory = [split for split in splits if isinstance(split, Split)]
    if in_memory:
        return Split(np.concatenate([split.images for split in in_memory]), labels)
    encoded = [split for split in splits if isinstance(split, EncodedSplit)]
    starts = np.cumsum([0, *(len(split.reader) for split in encoded)])
    indices = [split.indices + start for split, start in zip(encoded, starts, strict=False)]
    return EncodedSplit(_Joined(tuple(split.reader for split in encoded)), np.concatenate(indices), labels)


def as_files(split: Split) -> EncodedSplit:
    """Return images in memory as if each were a file, so that each can be resized as a file is."""
    return EncodedSplit(_InMemory(split.images), np.arange(len(split), dtype=np.int64), split.labels)


@dataclass(frozen=True, eq=False)
class _Joined:
    """The images of several readers, one reader after another."""

    readers: tuple[Reader, ...]

    def __len__(self) -> int:
        return sum(map(len, self.readers))

    def read(self, index: int) -> EncodedImage:
        """Return an image's content."""
        reader, inner = self._find(index)
        return reader.read(inner)

    def place(self, index: int) -> str:
        """Return where an image lies."""
        reader, inner = self._find(index)
        return reader.place(inner)

    def size(self, index: int) -> int:
        """Return an image's length in bytes."""
        reader, inner = self._find(index)
        return reader.size(inner)

    def _find(self, index: int) -> tuple[Reader, int]:
        for reader in self.readers:
            if index < len(reader):
                return reader, index
            index -= len(reader)
        raise IndexError(index)


@dataclass(frozen=True, eq=False)
class _InMemory:
    """Pixels (N, H, W, C) as PNG files, which hold them to the last bit."""

    images: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> EncodedImage:
        """Return the image as a PNG."""
        pixels, stream = self.images[index], io.BytesIO()
        grey_or_colour = np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        Image.fromarray(grey_or_colour).save(stream, "PNG", compress_level=0)
        return EncodedImage(stream.getvalue(), self.place(index))

    def place(self, index: int) -> str:
        """Return e.g. "image 17"."""
        return f"image {index}"

    def size(self, index: int) -> int:
        """Return the length of the PNG."""
        return len(self.read(index).data)
