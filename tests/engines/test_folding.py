"""A folded network is the network: the same logits, with less BN, whatever the family."""

import pytest
import torch

from resnetlab.engines.folding import TOLERANCE, Folded, InferenceNetwork, fold
from resnetlab.models import ResNet
from resnetlab.network.layers import Norm
from tests.kit.foreign_weights import lively

# Every order of layers, shortcut, padding, pooling and activation that there is.
NETWORKS = [
    ("resnet8", 32, {}, 0),
    ("resnet8", 33, {"conv_bias": True, "act_slope": 0.1, "stochastic_depth": 0.5}, 0),
    ("resnet8", 32, {"shortcut": "B", "projection_norm": False}, 0),
    ("plain20", 32, {}, 0),
    ("preresnet20", 32, {"act_slope": 0.1}, 10),
    ("resnet110_bn_after_add", 32, {"blocks": (1, 1, 1)}, 3),
    ("resnet110_relu_before_add", 32, {"blocks": (1, 1, 1)}, 0),
    ("resnet110_relu_only_preact", 32, {"blocks": (1, 1, 1)}, 0),
    ("resnet18", 65, {"width": 0.125}, 0),
    ("resnet50_v1", 64, {"width": 0.125, "in_channels": 1}, 0),
    ("resnet50_v2", 65, {"width": 0.125, "max_pool": "zeros", "conv_bias": True}, 17),
    ("tfofficial_resnet18v2", 63, {"width": 0.125}, 9),
    ("chaoji_resnet20", 32, {}, 10),
    ("chaoji_tf2_resnet20", 32, {}, 10),
    ("keras_resnet20v2", 32, {}, 6),
    ("tfresearch_resnet20", 32, {}, 10),
    ("resnet8", 31, {"shortcut": "A-avgpool-same", "strides": (1, 3, 4)}, 0),
]


def folded(model: ResNet) -> Folded:
    return fold(model.spec, model.state_dict())


@pytest.mark.parametrize(
    ("name", "side", "knobs", "kept"), NETWORKS, ids=[f"{n}-{i}" for i, (n, *_) in enumerate(NETWORKS)]
)
def test_the_logits_stay_and_bn_after_a_convolution_goes(
    name: str, side: int, knobs: dict[str, object], kept: int
) -> None:
    """In float64 to 1e-7 of the largest, for the numbers are rounded to float32; in float32 as promised."""
    model = lively(name, classes=7, **knobs)
    found = folded(model)
    network = InferenceNetwork(found)
    images = torch.randn(3, model.spec.in_channels, side, side, generator=torch.Generator().manual_seed(1))

    with torch.no_grad():
        expected, given = model(images), network(images)
        exact, rounded = model.double()(images.double()), network.double()(images.double())

    scale = expected.abs().max()
    assert (given - expected).abs().max() <= TOLERANCE * scale
    assert (rounded - exact).abs().max() <= 5e-7 * scale
    assert sum(isinstance(layer, Norm) for _, _, layer in found.plan.placed()) == kept
    assert sum(key.endswith("running_var") for key in found.tensors) == kept


def test_the_networks_own_numbers_stay() -> None:
    model = lively("resnet8")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    network = InferenceNetwork(folded(model))

    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert all(tensor.requires_grad for tensor in model.parameters())
    assert not any(tensor.requires_grad for tensor in network.parameters())


def test_dead_channels_and_bn_without_a_scale_fold_too() -> None:
    """Gamma is 0 of some channels, and there is none at all before a split of `preact_gamma`."""
    model = lively("preresnet20", preact_gamma=False)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith("norm2.weight"):
                tensor[::2] = 0
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))

    with torch.no_grad():
        expected, given = model(images), InferenceNetwork(folded(model))(images)

    assert (given - expected).abs().max() <= TOLERANCE * expected.abs().max()


def test_a_folded_network_is_as_the_network_was() -> None:
    """Also where nothing is folded: a classifier that learns on must not answer for half of what it was."""
    model = lively("resnet8")
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    network = InferenceNetwork(folded(model))
    with torch.no_grad():
        before = network(images)
        for tensor in model.parameters():
            tensor.mul_(2)

        assert torch.equal(network(images), before)
