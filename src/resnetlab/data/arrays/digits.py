"""The embedded digits: scikit-learn's 1,797 handwritten digits as 32x32 RGB images.

They are the test part of the "Optical Recognition of Handwritten Digits" data of the UCI
repository (Alpaydin and Kaynak, 1998): 8x8 pixels of 0 to 16, real handwriting of 13 people.
"""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from resnetlab.data.arrays.enlarge import enlarge
from resnetlab.data.sources.source import Source, Split
from resnetlab.data.sources.split import hold_out

SIDE = 32
TEST_SHARE = 5  # the test split is one fifth
SPLIT_SEED = 0  # fixed, so that accuracies compare between runs of any seed


def open_digits() -> Source[Split]:
    """Return the digits with a fixed, stratified split: 1,438 training and 359 test images."""
    small_NHW, labels_N = _read_digits()
    brightness = enlarge(small_NHW, SIDE)  # 0 to 16 * (2 * SIDE)**2
    whitest = 16 * (2 * SIDE) ** 2
    pixels = ((brightness * 255 + whitest // 2) // whitest).astype(np.uint8)
    everything = Split(np.repeat(pixels[..., None], 3, axis=-1), labels_N)

    train, test = hold_out(everything, len(everything) // TEST_SHARE, SPLIT_SEED)
    return Source(
        name="digits",
        class_names=tuple(str(digit) for digit in range(10)),
        train=everything.take(train),
        test=everything.take(test),
        origin="embedded in scikit-learn",
    )


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
