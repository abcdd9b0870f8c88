"""A few training images of some classes, small, in one picture: what a report shows of the data."""

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from resnetlab.data.images.decode import decode
from resnetlab.data.images.geometry import Pixels, to_picture
from resnetlab.data.sources.encoded import AnySource, AnySplit, EncodedSplit
from resnetlab.errors import DataError

_MOST_CLASSES, _ROW, _MOST_EACH, _ALL = 12, 3, 9, 24
_COLUMNS = 12
_SIDE, _BLOCK = 96, 16  # pixels; whole blocks of JPEG, so that no image runs into its neighbour
_FEW_PIXELS = 40  # to which a side is kept to the pixel
_SECONDS = 0.6


@dataclass(frozen=True)
class Thumbnails:
    """Training images in rows of a picture, each a square."""

    kind: str
    """png or jpeg."""
    content: bytes
    side: int
    """Of a square, in pixels."""
    columns: int
    labels: tuple[int, ...]
    """The class of each, row by row."""
    places: tuple[str, ...]
    """Where each lies; empty if it is in no file."""


def thumbnails_of(source: AnySource, seconds: float = _SECONDS) -> Thumbnails | None:
    """Return at least three images of each of up to twelve classes; None if none can be read.

    Of many classes those are taken that lie evenly among them, and so with the images of a class. Images
    that are broken, and those for which the time does not suffice, are left out.

    Args:
        source: The data.
        seconds: After which no further image is read.
    """
    end = time.monotonic() + seconds
    found: list[tuple[int, int, Image.Image]] = []
    for label, index in _chosen(source):
        if found and time.monotonic() > end:
            break
        try:
            found.append((label, index, _square(_pixels(source.train, index))))
        except DataError:
            continue
    if not found:
        return None
    found.sort(key=lambda each: each[0])
    side, columns = max(picture.width for _, _, picture in found), min(_COLUMNS, len(found))
    page = Image.new("RGB", (columns * side, -(-len(found) // columns) * side))
    for number, (_, _, picture) in enumerate(found):
        page.paste(picture.resize((side, side)), (number % columns * side, number // columns * side))
    kind = "png" if side <= _FEW_PIXELS else "jpeg"
    stream = io.BytesIO()
    page.save(stream, kind.upper(), **({"quality": 80} if kind == "jpeg" else {}))
    return Thumbnails(
        kind=kind,
        content=stream.getvalue(),
        side=side,
        columns=columns,
        labels=tuple(label for label, _, _ in found),
        places=tuple(source.train.place(index) for _, index, _ in found),
    )


def _chosen(source: AnySource) -> Iterator[tuple[int, int]]:
    """Yield class and sample of each, the first of all classes before the second of any."""
    labels = np.asarray(source.train.labels)
    classes = np.unique(labels)
    picked = classes[_evenly(len(classes), _MOST_CLASSES)]
    each = min(_MOST_EACH, max(_ROW, _ALL // max(1, len(picked)) // _ROW * _ROW))
    members = [np.flatnonzero(labels == label) for label in picked]
    chosen = [those[_evenly(len(those), each)] for those in members]
    for turn in range(each):
        for label, those in zip(picked, chosen, strict=True):
            if turn < len(those):
                yield int(label), int(those[turn])


def _evenly(count: int, most: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _pixels(split: AnySplit, index: int) -> Pixels:
    if isinstance(split, EncodedSplit):
        return decode(split.read(index), channels=3, at_least=(_SIDE, _SIDE))
    pixels: Pixels = split.images[index]
    return pixels


def _square(pixels: Pixels) -> Image.Image:
    """Return the middle of an image as a square, no larger than it is."""
    picture = to_picture(pixels).convert("RGB")
    side = min(_SIDE, *picture.size)
    side = side if side <= _FEW_PIXELS else side // _BLOCK * _BLOCK
    return picture if picture.size == (side, side) else ImageOps.fit(picture, (side, side))
