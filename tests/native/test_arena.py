"""Memory for maps."""

import pytest
import torch

from resnetlab.native.arena import Arena


def test_memory_that_cannot_be_had_is_an_error_of_memory() -> None:
    with pytest.raises(MemoryError, match=r"Tried to allocate \d+ bytes"):
        Arena().zeros((2**47,), torch.float32)


def test_maps_are_zeros_apart_from_each_other() -> None:
    arena = Arena()
    one, other = (arena.zeros((4, 5), torch.bfloat16).fill_(number) for number in (1, 2))
    assert one.sum() == 20 and other.sum() == 40 and arena.zeros((3,), torch.float32).sum() == 0
    assert (other.data_ptr() - one.data_ptr()) % 64 == 0
