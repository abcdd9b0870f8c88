"""Ten crops and whole images at several sizes, restated with Pillow and NumPy, image by image."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

Floats = npt.NDArray[np.float64]


def ten_crops(picture: Image.Image, side: int, shorter: int) -> Iterator[Image.Image]:
    """Krizhevsky et al., 2012, section 4.1: the corners, the middle, and their reflections."""
    whole = at_size(picture, shorter)
    right, low = whole.width - side, whole.height - side
    for left, top in ((0, 0), (right, 0), (0, low), (right, low), (round(right / 2), round(low / 2))):
        crop = whole.crop((left, top, left + side, top + side))
        yield crop
        yield ImageOps.mirror(crop)


def whole_images(picture: Image.Image, sides: Sequence[int]) -> Iterator[Image.Image]:
    for side in sides:
        whole = at_size(picture, side)
        yield whole
        yield ImageOps.mirror(whole)


def at_size(picture: Image.Image, shorter: int) -> Image.Image:
    """The picture with its shorter side so long, the other cut to whole pixels."""
    width, height = picture.size
    longer = int(shorter * max(width, height) / min(width, height))
    size = (shorter, longer) if width <= height else (longer, shorter)
    return picture.resize(size, Image.Resampling.BILINEAR)


def mean_probabilities(
    paths: Sequence[Path],
    views: Callable[[Image.Image], Iterator[Image.Image]],
    logits: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
) -> Floats:
    """(N, K): for each file the mean over its views of the softmax of what `logits` makes of (1, H, W, C)."""
    rows = []
    for path in paths:
        with Image.open(path) as picture:
            shares = []
            for view in views(picture.convert("RGB")):
                powers = np.exp(logits(np.asarray(view, np.float32)[None])[0].astype(np.float64))
                shares.append(powers / powers.sum())
        rows.append(np.mean(shares, axis=0))
    return np.array(rows)
