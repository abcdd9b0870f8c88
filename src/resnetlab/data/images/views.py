"""The views of a picture as pixels: crops of it, or all of it at several sizes; see `evaluation.views`."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from resnetlab.data.images.decode import OpenedImage
from resnetlab.data.images.geometry import Pixels, Size, centre_window, resample, resizing, shorter_side_to
from resnetlab.data.images.image import EncodedImage
from resnetlab.errors import DataError
from resnetlab.evaluation.views import Views

MOST_PIXELS = 2**23
"""Of a picture that is brought to a size whole: 640 x 13,107. The maps of a network for it take gigabytes."""


def views_in(
    image: EncodedImage,
    views: Views,
    channels: Literal[1, 3],
    *,
    interpolation: str = "bilinear",
    uses_draft: bool = False,
) -> list[Pixels]:
    """Return the views of a picture, uint8 (H, W, channels), without their mirror images.

    Those of ten crops are the four corners, line by line, and the middle; whole pictures come by their size.

    Args:
        image: The file.
        views: Which.
        channels: 3 for RGB, 1 for grey.
        interpolation: As `geometry.resample` takes it.
        uses_draft: Whether a large JPEG is decoded at a fraction of its size.

    Raises:
        DataError: If the file is damaged or no image, or too long to be brought to a size whole.
    """
    opened = OpenedImage(image)
    old = opened.size()
    sizes = [_size(old, side, views.crop, interpolation) for side in views.sides]
    if (most := max(height * width for height, width in sizes)) > MOST_PIXELS:
        raise DataError(
            f"{image.place}: {old[1]}x{old[0]} pixels: brought to {max(views.sides)} at the shorter side it"
            f" would have {most:,}, more than {MOST_PIXELS:,}",
            hint="Without --views the middle alone is taken; --bad-samples leaves such images out.",
        )
    picture = opened.picture(channels=channels, at_least=max(sizes) if uses_draft else None)
    with resizing(image):
        whole = [resample(picture, size, interpolation) for size in sizes]
    if not views.crop:
        return whole
    return [part for each in whole for part in _crops(each, views.crop, interpolation)]


def _size(old: Size, side: int, least: int, interpolation: str) -> Size:
    height, width = shorter_side_to(old, side, interpolation)
    return max(height, least), max(width, least)  # TensorFlow's can be a pixel short


def _crops(pixels: Pixels, side: int, interpolation: str) -> Iterator[Pixels]:
    height, width = pixels.shape[:2]
    for top in (0, height - side):
        for left in (0, width - side):
            yield pixels[top : top + side, left : left + side]
    top, left, _, _ = centre_window((height, width), side, interpolation)
    yield pixels[top : top + side, left : left + side]


class Group(NamedTuple):
    """One view of some images of a batch."""

    pixels: Pixels
    """Uint8 (M, H, W, C)."""

    rows: list[int]
    """The images' places in the batch, M of them, all different."""


def groups(pictures: Sequence[Sequence[Pixels]], most: Callable[[int, int, int], int]) -> Iterator[Group]:
    """Yield the views of a batch's images, view by view, those of one size together, and each mirrored.

    Args:
        pictures: The views of each image, of all equally many.
        most: Says how many images of a height, a width and channels may come together.
    """
    for number in range(len(pictures[0])):
        by_size: dict[tuple[int, ...], list[int]] = {}
        for row, views in enumerate(pictures):
            by_size.setdefault(views[number].shape, []).append(row)
        for (height, width, channels), rows in by_size.items():
            together = most(height, width, channels)
            for start in range(0, len(rows), together):
                part = rows[start : start + together]
                pixels = np.stack([pictures[row][number] for row in part])
                yield Group(pixels, part)
                yield Group(np.ascontiguousarray(pixels[:, :, ::-1]), part)


def pack(views: Sequence[Pixels]) -> Pixels:
    """Return the views of an image as one array, uint8 (B,): their number and sizes, then their pixels."""
    header = np.array([len(views), *(side for each in views for side in each.shape)], np.int32)
    return np.concatenate([header.view(np.uint8), *(each.ravel() for each in views)])


def unpack(packed: npt.NDArray[np.uint8]) -> list[list[Pixels]]:
    """Return the views of each image, of which the packed ones stand one after the other."""
    found, place = [], 0

    def taken(count: int) -> npt.NDArray[np.uint8]:
        nonlocal place
        place += count
        return packed[place - count : place]

    while place < len(packed):
        number = int(np.frombuffer(taken(4).tobytes(), np.int32)[0])
        shapes = np.frombuffer(taken(12 * number).tobytes(), np.int32).reshape(number, 3).tolist()
        found.append(
            [taken(height * width * depth).reshape(height, width, depth) for height, width, depth in shapes]
        )
    return found
