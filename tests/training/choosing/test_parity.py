"""Ways that compute something else are refused, and it is said what is wrong with them."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from resnetlab.native.network import NativeNetwork
from resnetlab.training.choosing.parity import refusals
from resnetlab.training.choosing.ways import Prospect, Way, ways_of
from resnetlab.training.recorded.deciding import multiplies_bf16
from tests.kit.chosen_steps import long_plan

EAGER_BF16 = Way("off", "bf16")


@pytest.fixture
def prospect() -> Prospect:
    return Prospect.of(long_plan())


@pytest.mark.usefixtures("own_processor")
def test_ways_that_compute_the_same_are_not_refused(prospect: Prospect) -> None:
    ways = ways_of(prospect)

    formats = ("fp32", "bf16") if multiplies_bf16() else ("fp32",)
    assert [*ways] == [(kernels, precision) for kernels in ("off", "native") for precision in formats]
    assert refusals(prospect, ways) == {}


def test_wrong_values_of_torchs_convolution_in_bf16_are_found_and_named(
    prospect: Prospect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pytorch#163347: one of the kernel's places is added, not all; BN hides that it is smaller."""
    usual = functional.conv2d

    def faulty(x: Tensor, weight: Tensor, *others: Any) -> Tensor:
        if torch.is_autocast_enabled("cpu") and weight.shape[1] == 16:
            weight = weight * torch.tensor([1.0, 0.0, 0.0])
        return usual(x, weight, *others)

    monkeypatch.setattr(functional, "conv2d", faulty)

    found = refusals(prospect, [Way("off", "fp32"), EAGER_BF16])

    assert [*found] == [EAGER_BF16]
    assert "torch's result of Conv2d(16, 16" in found[EAGER_BF16] or "the gradient is" in found[EAGER_BF16]


@pytest.mark.usefixtures("own_processor")
def test_kernels_of_our_own_that_compute_something_else_are_found(
    prospect: Prospect, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = NativeNetwork.__call__

    def faulty(network: NativeNetwork, images: Tensor, keep_UN: None) -> Tensor:
        return usual(network, images.flip(3), keep_UN)  # other images, of which each number is in order

    monkeypatch.setattr(NativeNetwork, "__call__", faulty)

    found = refusals(prospect, ways_of(prospect))

    assert {way.compile for way in found} == {"native"}
    assert all("the gradient is" in why or "the loss is" in why for why in found.values())
