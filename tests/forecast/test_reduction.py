"""The time of a reduction against sums made by hand, and what others have measured of reductions."""

import pytest

from resnetlab.forecast.kinds import KINDS
from resnetlab.forecast.machines import Execution, assumptions_of, fabric_of
from resnetlab.forecast.reduction import (
    SMALL_BYTES,
    Fabric,
    measured_fabric,
    norm_reductions,
    reduced_bytes,
)
from resnetlab.network.catalog import model_spec
from resnetlab.parallel import tree

FABRIC = Fabric(devices_per_host=4, link=100.0, network=40.0, begin=1.0, near=0.1, far=0.5, filling=2.0)


def test_gradients_and_running_statistics_are_reduced_in_fp32() -> None:
    """Of ResNet-20: BN has mean and variance of 7 x 16, 6 x 32 and 6 x 64 channels; four sums besides."""
    spec = model_spec("resnet20")

    assert spec.num_parameters == 269_722
    channels = 7 * 16 + 6 * 32 + 6 * 64
    assert reduced_bytes(spec) == 4 * (spec.num_parameters + 2 * channels + 4)
    assert norm_reductions(spec, 8) == {8 * 8 * 16: 2 * 7, 8 * 8 * 32: 2 * 6, 8 * 8 * 64: 2 * 6}


def test_a_ring_moves_each_byte_twice_but_for_ones_own_share() -> None:
    assert FABRIC.ring_seconds(1000, 1) == 0
    assert FABRIC.ring_seconds(1000, 2) == 2 * 1 / 2 * 1000 / 100 + 1 + 2 * 0.1
    assert FABRIC.ring_seconds(1000, 4) == 2 * 3 / 4 * 1000 / 100 + 1 + 2 * 2 * 0.1
    two_hosts = 2 * 7 / 8 * 1000 / 40
    assert FABRIC.ring_seconds(1000, 8) == pytest.approx(two_hosts + 2.0 + 1 + 2 * (2 * 0.1 + 0.5))
    assert FABRIC.ring_seconds(8, 8) < 1 + 2 * (2 * 0.1 + 0.5) + 1  # what is small fills it at once


def test_the_tree_moves_small_tensors_whole_in_every_round() -> None:
    assert FABRIC.tree_seconds(1000, 1) == 0
    assert FABRIC.tree_seconds(1000, 2) == 1000 / 100 + 1 + 0.1
    assert FABRIC.tree_seconds(1000, 4) == 2 * 1000 / 100 + 1 + 2 * 0.1
    shared = 40 / 4  # the network of a host, among its four devices
    lost = 2 * 2.0  # in two doublings of the hosts
    assert FABRIC.tree_seconds(1000, 16) == pytest.approx(
        2 * 10 + 2 * 1000 / shared + lost + 1 + 2 * 0.1 + 2 * 0.5
    )
    one_each = Fabric(devices_per_host=1, link=100.0, network=40.0, begin=1.0, near=0.1, far=0.5)
    assert one_each.tree_seconds(1000, 2) == 1000 / 40 + 1 + 0.5


def test_the_tree_moves_large_tensors_in_halves_of_halves_there_and_back() -> None:
    large = 2.0**24
    inside = large / 2 / 100 + large / 4 / 100
    outside = large / 8 / 10 + large / 16 / 10

    assert FABRIC.tree_seconds(large, 2) == pytest.approx(2 * (large / 2 / 100 + 0.1) + 1)
    assert FABRIC.tree_seconds(large, 16) == pytest.approx(2 * (inside + outside + 2 * 0.1 + 2 * 0.5) + 4 + 1)
    assert SMALL_BYTES == tree.SMALL_BYTES


def test_those_beyond_a_power_of_two_are_added_first_and_get_the_sum_last() -> None:
    assert FABRIC.tree_seconds(1000, 3) == FABRIC.tree_seconds(1000, 2) + 2 * (1000 / 100 + 0.1)
    assert FABRIC.tree_seconds(1000, 12) == pytest.approx(
        FABRIC.tree_seconds(1000, 8) + 2 * (1000 / 10 + 0.5)
    )


@pytest.mark.parametrize(("num_bytes", "devices"), [(1e6, 2), (1e6, 4), (1e8, 2), (1e8, 8)])
def test_a_measured_fabric_takes_as_long_as_was_measured(num_bytes: float, devices: int) -> None:
    true = Fabric(devices_per_host=64, link=2e9, network=1.0, begin=0.0, near=1e-4, far=0.0)
    seconds, small = true.tree_seconds(num_bytes, devices), true.tree_seconds(8, devices)

    found = measured_fabric(num_bytes, seconds, small, devices)

    assert found.tree_seconds(num_bytes, devices) == pytest.approx(seconds, rel=1e-3)
    assert found.link == pytest.approx(2e9, rel=1e-3)
    assert found.tree_seconds(num_bytes, 2 * devices) == pytest.approx(
        true.tree_seconds(num_bytes, 2 * devices), rel=1e-3
    )
    noisy = measured_fabric(num_bytes, seconds, 2 * seconds, devices)
    assert 0 < noisy.link <= 10 * num_bytes * 2 / seconds * 3


@pytest.mark.parametrize("way", ["ring_seconds", "tree_seconds"])
def test_more_bytes_and_more_doublings_never_take_less(way: str) -> None:
    fabric = _fabric("h100")
    by_devices = [getattr(fabric, way)(1e8, 2**n) for n in range(11)]
    by_bytes = [getattr(fabric, way)(10.0**n, 64) for n in range(1, 10)]

    assert by_devices == sorted(by_devices)
    assert by_bytes == sorted(by_bytes)


def _fabric(kind: str) -> Fabric:
    how = Execution(
        precision="fp16", is_compiled=True, is_recorded=False, is_exact=False, numbers_per_weight=3,
        sizes=((224, 224, 1.0),), scored_size=(224, 224),
    )  # fmt: skip
    return fabric_of(assumptions_of(KINDS[kind], how))


def test_what_others_measured_over_hosts_is_met_within_a_quarter() -> None:
    def bandwidth(kind: str, num_bytes: int, devices: int) -> float:
        moved = 2 * (devices - 1) / devices * num_bytes
        return moved / _fabric(kind).ring_seconds(num_bytes, devices) / 1e9

    assert bandwidth("h100", 64 * 2**20, 128) == pytest.approx(150, rel=0.25)  # NVIDIA/nccl#1469
    assert bandwidth("h200", 512 * 2**20, 1984) == pytest.approx(350, rel=0.25)  # NVIDIA/nccl-tests#283
    assert _fabric("a100").ring_seconds(8, 256) == pytest.approx(63e-6, rel=0.25)  # NVIDIA/nccl#652
    assert _fabric("h100").ring_seconds(8, 128) == pytest.approx(62e-6, rel=0.25)  # NVIDIA/nccl#1469
