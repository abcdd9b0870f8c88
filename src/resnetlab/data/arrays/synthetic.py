"""Synthetic images, made by the integer hash: the same on every machine, nothing to download.

`learnable`: every class has a smooth random pattern; an image is its class' pattern, a weaker one
of another class, and noise on every pixel. `random`: pixels and labels that say nothing about each
other, for measuring speed and memorisation.
"""

import numpy as np
import numpy.typing as npt

from resnetlab.base.randomness import SYNTHETIC, integers, key_for
from resnetlab.data.arrays.enlarge import enlarge
from resnetlab.data.sources.source import Source, Split
from resnetlab.errors import UsageError

SEED = 0
PATTERN, STRONG, WEAK, OTHER, NOISE, PIXEL, LABEL = range(7)  # what a number is for
CELLS = 4  # a pattern is an enlarged grid of CELLS x CELLS random colours
NOISE_RANGE = 128  # grey levels; a small network passes 90 % after some sixty batches of 64

Integers = npt.NDArray[np.int64]


def open_synthetic(*, classes: int, image_size: int, channels: int, learnable: bool) -> Source[Split]:
    """Return a synthetic source: 2,048 training and 512 test images, 256 and 64 from 128 px on.

    Raises:
        UsageError: If such images cannot be: fewer than 2 classes, a side below 4, no channel.
    """
    least = {"classes": (classes, 2), "image size": (image_size, CELLS), "channels": (channels, 1)}
    problems = [f"{key} {value} is below {low}" for key, (value, low) in least.items() if value < low]
    if problems:
        raise UsageError(f"synthetic images: {'; '.join(problems)}")
    num_train = 2048 if image_size < 128 else 256
    numbers = np.arange(num_train + num_train // 4)
    labels = numbers % classes if learnable else integers(_keys(LABEL, numbers), classes)
    images = np.empty((len(numbers), image_size, image_size, channels), np.uint8)
    grids = _grids(classes, channels)
    for chunk in np.array_split(numbers, max(1, images.nbytes >> 22)):  # 4 MiB of pixels at a time
        if learnable:
            images[chunk] = _learnable_images(grids, chunk, labels[chunk], image_size)
        else:
            images[chunk] = integers(_pixel_keys(PIXEL, chunk, images.shape[1:]), 256)
    return Source(
        name="synthetic" if learnable else "synthetic-random",
        class_names=tuple(f"class {label}" for label in range(classes)),
        train=Split(images[:num_train], labels[:num_train]),
        test=Split(images[num_train:], labels[num_train:]),
        origin="made by resnetlab",
        is_partial=True,
    )


def _keys(use: int, *values: int | Integers) -> Integers:
    return np.asarray(key_for(SEED, SYNTHETIC, use, *values))


def _pixel_keys(use: int, numbers: Integers, shape: tuple[int, ...]) -> Integers:
    """Return one key per pixel and channel, shape (N, H, W, C)."""
    return _keys(use, numbers[:, None, None, None], np.arange(np.prod(shape)).reshape(shape))


def _grids(classes: int, channels: int) -> Integers:
    """Return every class' pattern before it is enlarged: -128 to 127, shape (K, C, CELLS, CELLS)."""
    cells = _keys(PATTERN, np.arange(classes * channels * CELLS**2))
    return np.asarray(integers(cells, 256).reshape(classes, channels, CELLS, CELLS) - 128)


def _learnable_images(grids: Integers, numbers: Integers, labels: Integers, side: int) -> Integers:
    """Return images in 0 to 255, int64, shape (N, side, side, C)."""
    others = (labels + 1 + integers(_keys(OTHER, numbers), len(grids) - 1)) % len(grids)
    strong = 32 + integers(_keys(STRONG, numbers), 65)  # 32/128 to 96/128 of the class' pattern
    weak = integers(_keys(WEAK, numbers), 25)  # at most 24/128 of another's
    mixed = grids[labels] * strong[:, None, None, None] + grids[others] * weak[:, None, None, None]
    smooth = (enlarge(mixed, side) // (128 * (2 * side) ** 2)).transpose(0, 2, 3, 1)
    noise = integers(_pixel_keys(NOISE, numbers, smooth.shape[1:]), NOISE_RANGE) - NOISE_RANGE // 2
    images: Integers = (128 + smooth + noise).clip(0, 255)
    return images
