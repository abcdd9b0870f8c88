"""Splits of a source put together, and images in memory read as files are."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resnetlab.data.images.geometry import to_picture
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.sources.encoded import AnySplit, EncodedSplit, join_encoded
from resnetlab.data.sources.source import Split


def join_splits(splits: Sequence[AnySplit]) -> AnySplit:
    """Return one split of all the images, in the order given; all are in memory or none is."""
    in_memory = [split for split in splits if isinstance(split, Split)]
    if in_memory:
        labels = np.concatenate([split.labels for split in in_memory])
        places = [split.places for split in in_memory if split.places is not None]
        return Split(
            np.concatenate([split.images for split in in_memory]),
            labels,
            np.concatenate(places) if len(places) == len(in_memory) else None,
        )
    return join_encoded([split for split in splits if isinstance(split, EncodedSplit)])


def as_files(split: Split) -> EncodedSplit:
    """Return images in memory as if each were a file, so that each can be resized as a file is."""
    return EncodedSplit.of(_InMemory(split.images), split.labels)


@dataclass(frozen=True, eq=False)
class _InMemory:
    """Pixels (N, H, W, C) as PNG files, which hold them to the last bit."""

    images: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> EncodedImage:
        """Return the image as a PNG."""
        stream = io.BytesIO()
        to_picture(self.images[index]).save(stream, "PNG", compress_level=0)
        return EncodedImage(stream.getvalue(), self.place(index))

    def place(self, index: int) -> str:
        """Return e.g. "image 17"."""
        return f"image {index}"

    def size(self, index: int) -> int:
        """Return the length of the PNG."""
        return len(self.read(index).data)
