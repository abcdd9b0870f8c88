"""Losses along lines of weights: as computed by hand, and without any part of running statistics."""

import pytest
import torch
from torch.nn import functional

from resnetlab.explaining.lines import along, between, filter_normalised_direction, losses, weights_of
from resnetlab.models import build
from resnetlab.network.catalog import model_spec

SPEC = model_spec("resnet8").with_(width=0.25, classes=3)


@pytest.fixture
def images() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 3, 8, 8, generator=generator), torch.tensor([0, 1, 2, 0, 1, 2])


def test_each_filter_of_a_direction_is_as_long_as_the_networks_own() -> None:
    weights = weights_of(build(SPEC, seed=0))
    direction = filter_normalised_direction(weights, 0, 0)

    for name, tensor in weights.items():
        if tensor.dim() < 2:
            assert not direction[name].any()
        else:
            expected = tensor.flatten(1).norm(dim=1)
            torch.testing.assert_close(direction[name].flatten(1).norm(dim=1), expected)


def test_a_direction_is_a_function_of_seed_and_number() -> None:
    weights = weights_of(build(SPEC, seed=0))
    kernel = "layer1.0.conv1.weight"
    drawn = [filter_normalised_direction(weights, *of)[kernel] for of in ((0, 0), (0, 0), (0, 1), (1, 0))]

    assert torch.equal(drawn[0], drawn[1])
    assert not torch.allclose(drawn[0], drawn[2])
    assert not torch.allclose(drawn[0], drawn[3])


def test_the_loss_is_that_of_a_network_with_these_weights_in_a_training_step(
    images: tuple[torch.Tensor, torch.Tensor],
) -> None:
    first, last = build(SPEC, seed=0), build(SPEC, seed=1)
    line = between(weights_of(first), weights_of(last))
    direction = filter_normalised_direction(weights_of(last), 0, 0)
    there = build(SPEC, seed=1)
    with torch.no_grad():
        for name, parameter in there.named_parameters():
            parameter += 0.5 * direction[name]
    networks = (first, last, there)
    expected = [
        float(functional.cross_entropy(each.train()(images[0]), images[1]).detach()) for each in networks
    ]

    spoilt = build(SPEC, seed=2)  # its own weights and running statistics must not matter
    for module in spoilt.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.fill_(100.0)
    found = losses(spoilt, line, [0.0, 1.0], *images)
    found += losses(spoilt, along(weights_of(last), direction), [0.5], *images)

    assert found == pytest.approx(expected, rel=1e-5)  # another order of the same sums
