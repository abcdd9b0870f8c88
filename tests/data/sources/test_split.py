import numpy as np
import pytest

from resnetlab.base.randomness import SPLIT, key_for
from resnetlab.data.sources.source import Split
from resnetlab.data.sources.split import hold_out
from resnetlab.errors import UsageError


def make_split(counts, seed=0):
    labels = np.repeat(np.arange(len(counts)), counts)
    labels = np.random.default_rng(seed).permutation(labels)
    return Split(np.zeros((len(labels), 1, 1, 1), np.uint8), labels)


@pytest.mark.parametrize("counts", [[500] * 10, [7, 100, 33, 61], [1, 999]])
@pytest.mark.parametrize("count", [0, 1, 10, 37, 100])
def test_every_class_gives_its_share_and_nothing_is_lost(counts, count):
    split = make_split(counts)

    train, validation = hold_out(split, count, seed=3)

    assert len(validation) == count
    assert train.dtype == validation.dtype == np.int64
    assert sorted([*train, *validation]) == list(range(len(split)))
    assert (np.diff(train) > 0).all()
    assert (np.diff(validation) > 0).all()
    shares = np.bincount(split.labels[validation], minlength=len(counts))
    assert np.abs(shares - np.array(counts) * count / sum(counts)).max() < 1


def test_within_a_class_the_smallest_hashes_are_held_out():
    """The same choice, sample by sample in Python numbers."""
    split = make_split([30, 50, 20])

    expected = []
    for label, share in enumerate((3, 5, 2)):
        members = [i for i in range(100) if split.labels[i] == label]
        expected += sorted(members, key=lambda i: key_for(11, SPLIT, i))[:share]

    assert sorted(expected) == hold_out(split, 10, seed=11)[1].tolist()


def test_remainders_go_to_the_largest_and_ties_to_the_lower_class():
    shares = np.bincount(make_split([4, 4, 4, 8]).labels[hold_out(make_split([4, 4, 4, 8]), 7, 0)[1]])

    assert shares.tolist() == [2, 1, 1, 3]  # exact shares 1.4, 1.4, 1.4, 2.8


def test_another_seed_holds_out_other_samples_and_each_with_the_same_chance():
    split = make_split([20, 20])

    chosen = [hold_out(split, 8, seed)[1] for seed in range(4000)]

    counts = np.bincount(np.concatenate(chosen), minlength=40)
    chi_square = ((counts - 800) ** 2 / (800 * 0.8)).sum()  # variance of a draw without replacement
    assert chi_square < 38 + 5 * (2 * 38) ** 0.5
    np.testing.assert_array_equal(chosen[5], hold_out(split, 8, 5)[1])


@pytest.mark.parametrize("count", [-1, 10, 11])
def test_impossible_counts_are_refused(count):
    with pytest.raises(UsageError, match=f"cannot hold out {count} of 10 training samples"):
        hold_out(make_split([5, 5]), count, seed=0)


def test_taking_all_of_a_class_is_refused():
    with pytest.raises(UsageError, match="takes all of class 0"):
        hold_out(make_split([1, 9]), 9, seed=0)
