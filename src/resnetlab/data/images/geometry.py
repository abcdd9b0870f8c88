"""Which part of a picture becomes which pixels: windows, sizes and resampling, as the originals have them.

Sizes are (height, width). Nothing here is random but through the draws it is given.
"""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from resnetlab.base.randomness import Draws
from resnetlab.data.images.image import EncodedImage
from resnetlab.errors import DataError

Pixels = npt.NDArray[np.uint8]
Size = tuple[int, int]
Box = tuple[float, float, float, float]

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class Window(NamedTuple):
    """A part of a picture, in whole pixels."""

    top: int
    left: int
    height: int
    width: int


def random_resized_window(
    size: Size, draws: Draws, *, area: Sequence[float], aspect: Sequence[float]
) -> Window:
    """Draw a window of a random share of the area and a random aspect, uniform in its logarithm.

    After ten draws that do not fit: the largest window in the middle whose aspect is allowed.

    Source: torchvision's RandomResizedCrop (Szegedy et al., 2014, arXiv:1409.4842).
    """
    height, width = size
    for _ in range(10):
        target = height * width * draws.between(area[0], area[1])
        ratio = math.exp(draws.between(math.log(aspect[0]), math.log(aspect[1])))
        high, wide = round(math.sqrt(target / ratio)), round(math.sqrt(target * ratio))
        if 0 < wide <= width and 0 < high <= height:
            return Window(draws.integer(height - high + 1), draws.integer(width - wide + 1), high, wide)
    high, wide = height, width
    if width / height < aspect[0]:
        high = max(1, round(width / aspect[0]))
    elif width / height > aspect[1]:
        wide = max(1, round(height * aspect[1]))
    return Window((height - high) // 2, (width - wide) // 2, high, wide)


def distorted_window(
    size: Size,
    boxes: Sequence[Box],
    draws: Draws,
    *,
    area: Sequence[float],
    aspect: Sequence[float],
    covered: float = 0.1,
    attempts: int = 100,
) -> Window:
    """Draw a window that covers a share of at least one box; the whole picture if none is found.

    Without a box the picture itself is the box.

    Args:
        size: The picture's.
        boxes: (ymin, xmin, ymax, xmax) as fractions.
        draws: Where the numbers come from.
        area: Smallest and largest share of the picture's area.
        aspect: Smallest and largest width by height, uniform between them.
        covered: The share of a box that must lie in the window.
        attempts: Windows that are tried.

    Source: TensorFlow's sample_distorted_bounding_box, with use_image_if_no_bounding_boxes.
    """
    height, width = size
    objects = [
        Window(
            int(ymin * height), int(xmin * width),
            int(ymax * height) - int(ymin * height), int(xmax * width) - int(xmin * width),
        )
        for ymin, xmin, ymax, xmax in boxes
    ] or [Window(0, 0, height, width)]  # fmt: skip
    for _ in range(attempts):
        window = _window_of_aspect(size, draws.between(aspect[0], aspect[1]), draws, area)
        if window is not None and any(_is_covered(each, window, covered) for each in objects):
            return window
    return Window(0, 0, height, width)


def _window_of_aspect(size: Size, ratio: float, draws: Draws, area: Sequence[float]) -> Window | None:
    """Draw a window: its height uniform among those that the areas and the picture allow."""
    height, width = size
    least, most = area[0] * height * width, area[1] * height * width
    low, high = round(math.sqrt(least / ratio)), round(math.sqrt(most / ratio))
    if round(high * ratio) > width:
        high = int((width + 0.5 - 1e-7) / ratio)
        high -= round(high * ratio) > width
    high = min(high, height)
    tall = min(low, high)
    tall += draws.integer(high - tall + 1)
    tall += tall * round(tall * ratio) < least  # by rounding: another row mends it
    tall -= tall * round(tall * ratio) > most
    wide = round(tall * ratio)
    if not (least <= tall * wide <= most and 0 < wide <= width and 0 < tall <= height):
        return None
    top = draws.integer(height - tall) if tall < height else 0
    left = draws.integer(width - wide) if wide < width else 0
    return Window(top, left, tall, wide)


def _is_covered(box: Window, window: Window, share: float) -> bool:
    rows = min(box.top + box.height, window.top + window.height) - max(box.top, window.top)
    columns = min(box.left + box.width, window.left + window.width) - max(box.left, window.left)
    pixels = box.height * box.width
    return pixels >= 1 and max(rows, 0) * max(columns, 0) >= share * pixels


def shorter_side_to(size: Size, side: int, interpolation: str) -> Size:
    """Return the size with its shorter side brought to `side`, the longer in proportion, cut to pixels.

    tf-bilinear: in float32 as official/r1/resnet/imagenet_preprocessing.py, so that the shorter
    side can come out a pixel short too; else as torchvision's Resize.
    """
    height, width = size
    if interpolation == "tf-bilinear":
        ratio = np.float32(side) / np.float32(min(size))
        return int(np.float32(height) * ratio), int(np.float32(width) * ratio)
    longer = int(side * max(size) / min(size))
    return (side, longer) if height <= width else (longer, side)


def centre_window(size: Size, side: int, interpolation: str) -> Window:
    """Return the square in the middle: TensorFlow cuts half a pixel off, torchvision rounds to even."""
    tops = [(length - side) / 2 for length in size]
    top, left = (math.floor(x) if interpolation == "tf-bilinear" else round(x) for x in tops)
    return Window(top, left, side, side)


def resample(picture: Image.Image, size: Size, interpolation: str, *, box: Box | None = None) -> Pixels:
    """Return a picture at another size, as pixels (H, W, C).

    Args:
        picture: RGB or grey.
        size: The wanted (height, width).
        interpolation: "bilinear" or "bicubic" as Pillow has them, which average over all pixels
            when they make smaller; "tf-bilinear" as TensorFlow 1.
        box: The part of it to take, (top, left, bottom, right) in pixels; None is the whole. A part
            of whole pixels is cut out first, so that nothing around it enters.
    """
    if box is not None and (interpolation == "tf-bilinear" or all(float(x).is_integer() for x in box)):
        top, left, bottom, right = map(round, box)
        cut = (left, top, max(right, left + 1), max(bottom, top + 1))  # of less than half a pixel: one
        picture, box = picture.crop(cut), None
    if interpolation == "tf-bilinear":
        return np.rint(tf_bilinear(from_picture(picture), size)).astype(np.uint8)
    if box is None and (picture.height, picture.width) == size:
        return from_picture(picture)
    within = None if box is None else (box[1], box[0], box[3], box[2])
    return from_picture(picture.resize((size[1], size[0]), _FILTERS[interpolation], box=within))


def tf_bilinear(pixels: Pixels, size: Size) -> npt.NDArray[np.float32]:
    """Resize as TensorFlow 1's tf.image.resize_bilinear: pixel i is taken from i * old / new.

    align_corners is False, there are no half-pixel centres, and nothing is averaged when it makes
    smaller. All arithmetic is in float32, in TensorFlow's order.

    Source: tensorflow/core/kernels/resize_bilinear_op.cc.
    """
    (rows_low, rows_high, rows_share), (columns_low, columns_high, columns_share) = (
        _tf_taps(old, new) for old, new in zip(pixels.shape[:2], size, strict=True)
    )
    share = columns_share[:, None]
    used, places = np.unique(np.concatenate([rows_low, rows_high]), return_inverse=True)
    lines = pixels[used].astype(np.float32)
    left, right = lines[:, columns_low], lines[:, columns_high]
    across = left + (right - left) * share
    top, bottom = across[places[: len(rows_low)]], across[places[len(rows_low) :]]
    return np.asarray(top + (bottom - top) * rows_share[:, None, None])


def _tf_taps(
    old: int, new: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    place = np.arange(new, dtype=np.float32) * (np.float32(old) / np.float32(new))
    low = np.minimum(place.astype(np.int64), old - 1)
    return low, np.minimum(low + 1, old - 1), (place - low.astype(np.float32)).astype(np.float32)


@contextlib.contextmanager
def resizing(image: EncodedImage) -> Iterator[None]:
    """Turn what bringing a picture to another size may raise into a DataError that names its place."""
    try:
        yield
    except (MemoryError, ValueError, OSError) as error:
        why = str(error) or "there is not enough memory"
        raise DataError(f"{image.place}: cannot be brought to another size: {why}") from error


def to_picture(pixels: Pixels) -> Image.Image:
    """Return pixels (H, W, 1 or 3) as Pillow's picture."""
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))


def from_picture(picture: Image.Image) -> Pixels:
    """Return a picture's pixels, shape (H, W, C)."""
    pixels = np.array(picture)
    return pixels[..., None] if pixels.ndim == 2 else pixels
