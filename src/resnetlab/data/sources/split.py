"""The validation split: held out by class, by the hash of (seed, sample)."""

import numpy as np
import numpy.typing as npt

from resnetlab.base.randomness import SPLIT, key_for
from resnetlab.data.sources.labelling import Labelled
from resnetlab.errors import UsageError

Indices = npt.NDArray[np.int64]


def hold_out(split: Labelled, count: int, seed: int) -> tuple[Indices, Indices]:
    """Choose `count` samples for validation so that every class gives its share.

    Shares are rounded by the largest remainder (Hamilton's method), so a class' count differs from
    its exact share by less than one. Within a class the samples with the smallest hash of
    (seed, sample) are chosen.

    Returns:
        The indices that stay for training and those held out: int64, ascending, disjoint,
        together all of them.

    Raises:
        UsageError: If `count` is negative, leaves no training sample, or takes all of a class.
    """
    size = len(split)
    if not 0 <= count < size:
        raise UsageError(f"cannot hold out {count:,} of {size:,} training samples")
    shares = _shares(np.bincount(split.labels), count)
    by_class = np.lexsort((key_for(seed, SPLIT, np.arange(size)), split.labels))
    starts = np.searchsorted(split.labels[by_class], np.arange(len(shares)))
    rank = np.arange(size) - starts[split.labels[by_class]]  # place within its class
    is_held_out = np.zeros(size, bool)
    is_held_out[by_class] = rank < shares[split.labels[by_class]]
    train, validation = np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
    lost = np.setdiff1d(split.labels[validation], split.labels[train])
    if len(lost):
        raise UsageError(
            f"holding out {count:,} of {size:,} samples takes all of class {lost[0]}",
            hint="Hold out fewer samples.",
        )
    return train, validation


def _shares(counts: Indices, total: int) -> Indices:
    """Divide `total` in proportion to `counts` by the largest remainder; ties to the lower class."""
    shares, remainders = np.divmod(counts * total, counts.sum())
    largest = np.argsort(-remainders, kind="stable")[: total - shares.sum()]
    shares[largest] += 1
    return shares
