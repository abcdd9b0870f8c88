"""Images that need no file: the embedded digits, and synthetic ones made by the integer hash.

The digits are scikit-learn's 1,797, the test part of the "Optical Recognition of Handwritten Digits"
data of the UCI repository (Alpaydin and Kaynak, 1998): 8x8 pixels of 0 to 16, real handwriting of
13 people. Synthetic images are the same on every machine, with nothing to download.
"""

import functools
import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resnetlab.base.randomness import SYNTHETIC, integers, key_for
from resnetlab.data.sources.source import Source, Split
from resnetlab.data.sources.split import hold_out
from resnetlab.errors import UsageError

Integers = npt.NDArray[np.int64]


def enlarge(images: npt.NDArray[np.integer], side: int) -> Integers:
    """Return square images enlarged bilinearly (half-pixel centres, edges repeated).

    Args:
        images: Integers, shape (..., k, k).
        side: Side of the result in pixels, at least k.

    Returns:
        Int64, shape (..., side, side): the enlarged images times (2 * side)**2.
    """
    weights = _weights(images.shape[-1], side).astype(np.float64)  # exact below 2**53, and fast
    return np.asarray((weights @ images @ weights.T).astype(np.int64))


def _weights(small: int, large: int) -> Integers:
    """Return the share of each of `small` pixels in each of `large`, times 2 * large."""
    centre = (2 * np.arange(large) + 1) * small - large  # of the source, times 2 * large
    left, upper_share = np.divmod(centre, 2 * large)
    weights = np.zeros((large, small), np.int64)
    np.add.at(weights, (np.arange(large), left.clip(0, small - 1)), 2 * large - upper_share)
    np.add.at(weights, (np.arange(large), (left + 1).clip(0, small - 1)), upper_share)
    return weights


DIGITS_SIDE = 32
DIGITS_TEST_SHARE = 5  # the test split is one fifth
DIGITS_SPLIT_SEED = 0  # fixed, so that accuracies compare between runs of any seed


def open_digits() -> Source[Split]:
    """Return the digits with a fixed, stratified split: 1,438 training and 359 test images."""
    small_NHW, labels_N = _read_digits()
    brightness = enlarge(small_NHW, DIGITS_SIDE)  # 0 to 16 * (2 * DIGITS_SIDE)**2
    whitest = 16 * (2 * DIGITS_SIDE) ** 2
    pixels = ((brightness * 255 + whitest // 2) // whitest).astype(np.uint8)
    everything = Split(np.repeat(pixels[..., None], 3, axis=-1), labels_N)

    train, test = hold_out(everything, len(everything) // DIGITS_TEST_SHARE, DIGITS_SPLIT_SEED)
    return Source(
        name="digits",
        class_names=tuple(str(digit) for digit in range(10)),
        train=everything.take(train),
        test=everything.take(test),
        origin="embedded in scikit-learn",
    )


@functools.cache  # 0.9 MB, of which callers make their own: a study opens its data for each run
def _read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's images, int64 (N, 8, 8) of 0 to 16, and their labels, int64 (N,).

    From its file, where it has always lain: importing scikit-learn imports SciPy, a second that nobody need
    wait. Elsewhere scikit-learn itself finds it.
    """
    found = find_spec("sklearn")
    file = Path(found.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if found else None
    if file is None or not file.is_file():
        from sklearn.datasets import load_digits

        digits = load_digits()
        return digits.images.astype(np.int64), digits.target.astype(np.int64)
    rows = gzip.decompress(file.read_bytes()).split()
    table = np.array([row.split(b",") for row in rows]).astype(float).astype(np.int64)
    return table[:, :-1].reshape(-1, 8, 8), table[:, -1]


SYNTHETIC_SEED = 0
PATTERN, STRONG, WEAK, OTHER, NOISE, PIXEL, LABEL = range(7)  # what a number is for
CELLS = 4  # a pattern is an enlarged grid of CELLS x CELLS random colours
NOISE_RANGE = 128  # grey levels; a small network passes 90 % after some sixty batches of 64


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
    return np.asarray(key_for(SYNTHETIC_SEED, SYNTHETIC, use, *values))


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
