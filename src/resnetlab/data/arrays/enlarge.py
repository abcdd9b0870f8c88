"""Bilinear enlargement in whole numbers, so that the pixels are the same on every machine."""

import numpy as np
import numpy.typing as npt

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
