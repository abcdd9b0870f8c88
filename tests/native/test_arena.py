"""Memory for maps, and who has which part of it when."""

import itertools
import random

import pytest
import torch

from resnetlab.native import structures
from resnetlab.native.arena import Arena, Blocks, Gaps


def test_memory_that_cannot_be_had_is_an_error_of_memory() -> None:
    with pytest.raises(MemoryError, match=r"Tried to allocate \d+ bytes"):
        Arena().zeros((2**47,), torch.float32)


def test_maps_are_zeros_apart_from_each_other() -> None:
    arena = Arena()
    one, other = (arena.zeros((4, 5), torch.bfloat16).fill_(number) for number in (1, 2))
    assert one.sum() == 20 and other.sum() == 40 and arena.zeros((3,), torch.float32).sum() == 0
    assert (other.data_ptr() - one.data_ptr()) % 64 == 0


def test_what_is_taken_is_nobody_elses_and_what_is_given_back_is_one_again() -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    chance, gaps, taken = random.Random(seed), Gaps(), list[tuple[int, int]]()
    for _ in range(300):
        if taken and chance.random() < 0.45:
            gaps.give(*taken.pop(chance.randrange(len(taken))))
        else:
            size = chance.randint(1, 50)
            taken.append((gaps.take(size), size))
        ordered = sorted(taken)
        assert all(a + size <= b for (a, size), (b, _) in itertools.pairwise(ordered))
        assert all(begin + size <= gaps.highest for begin, size in taken)
    for each in taken:
        gaps.give(*each)
    assert gaps.take(gaps.highest) == 0


def test_blocks_share_memory_only_if_no_operation_needs_both() -> None:
    blocks = Blocks()
    a, b, c, d, other = (blocks.new((4, 25), torch.float32) for _ in range(5))
    first = structures.Add(a=structures.Source(raw=a.address), y=b.address)
    second = structures.Add(a=structures.Source(raw=b.address), y=c.address + 8, sums=other.address + 4)
    third = structures.Add(a=structures.Source(raw=c.address), y=d.address)
    mine = torch.zeros(100)

    blocks.place([first, second, third], Arena(), first=[a], last=[d], elsewhere=[other])
    blocks.put(other, mine.data_ptr())

    at = {name: blocks.tensor(block).data_ptr() for name, block in zip("abcd", (a, b, c, d), strict=True)}
    assert (first.a.raw, first.y, second.a.raw, second.y) == (at["a"], at["b"], at["b"], at["c"] + 8)
    assert (third.a.raw, third.y, second.sums) == (at["c"], at["d"], mine.data_ptr() + 4)
    assert at["a"] == at["c"] and at["b"] == at["d"] and abs(at["a"] - at["b"]) >= 400
    assert len(blocks.memory) < 3 * 400 + 3 * 13 * 64
    blocks = Blocks()
    a, b, c = (blocks.new((4, 25), torch.float32) for _ in range(3))
    blocks.place(
        [structures.Add(y=b.address), structures.Add(y=a.address), structures.Add(y=c.address)],
        Arena(), first=[a], last=[b],
    )  # fmt: skip
    assert len({blocks.tensor(each).data_ptr() for each in (a, b)}) == 2
    assert blocks.tensor(c).data_ptr() == blocks.tensor(a).data_ptr()
