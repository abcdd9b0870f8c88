"""Sums over processes are those of one fixed tree, bit for bit."""

import hashlib

import numpy as np
import numpy.typing as npt
import pytest
import torch

from resnetlab.parallel.tree import SMALL_BYTES
from resnetlab.parallel.world import ALONE
from tests.kit.world_programs import numbers_of
from tests.kit.worlds import results

Numbers = npt.NDArray[np.float32]
SIZES = (1, 2, 3, 1000, 1001)


def tree_sum(parts: list[Numbers]) -> Numbers:
    """Restate the tree: the lower half's sum plus the upper half's; beyond a power of two goes first."""
    if len(parts) == 1:
        return parts[0]
    within = 2 ** int(np.log2(len(parts)))
    if within < len(parts):
        spare = parts[within:]
        parts = [a + spare[n] if n < len(spare) else a for n, a in enumerate(parts[:within])]
    half = len(parts) // 2
    return tree_sum(parts[:half]) + tree_sum(parts[half:])


@pytest.mark.parametrize("size", [2, 3, 4])
def test_every_way_gives_the_bits_of_the_tree_at_every_process(size: int) -> None:
    found = results(size, "sums")

    expected = {}
    for numel in SIZES:
        bits = tree_sum([numbers_of(rank, numel) for rank in range(size)]).tobytes().hex()
        expected |= {f"{way} {numel}": bits for way in ("double", "halve", "world")}
    large = tree_sum([numbers_of(rank, SMALL_BYTES // 4 + 5) for rank in range(size)])
    expected["large"] = hashlib.sha256(large.tobytes()).hexdigest()
    assert found == [expected] * size


def test_the_order_of_these_numbers_shows_in_their_sum() -> None:
    one_by_one = np.add.reduce([numbers_of(rank, 1000) for rank in range(4)])

    assert (one_by_one != tree_sum([numbers_of(rank, 1000) for rank in range(4)])).any()


def test_alone_a_tensor_is_its_own_sum() -> None:
    flat = torch.ones(3)

    assert ALONE.add_tree(flat) is flat
    assert flat.tolist() == [1, 1, 1]
