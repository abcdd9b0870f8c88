"""Responses, signal and gradient by layer, against the same computed by hand."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from resnetlab.insights.by_layer import ByLayer, responding
from resnetlab.models import ResNet
from tests.kit.foreign_weights import lively

LABELS = torch.tensor([0, 3, 1, 2, 0])


def images(seed: int = 0) -> Tensor:
    return torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def measured(model: ResNet, *parts: slice) -> ByLayer:
    found = ByLayer(model)
    for part in parts or (slice(None),):
        found.add(images()[part], LABELS[part])
    return found


def test_the_layers_are_those_of_the_trunk_and_seen_behind_their_bn() -> None:
    after, before = (
        dict(responding(lively(name, classes=4).spec.plan())) for name in ("resnet8", "preresnet20")
    )

    assert after == {"conv1": "bn1"} | {
        f"layer{stage}.0.conv{n}": f"layer{stage}.0.bn{n}" for stage in (1, 2, 3) for n in (1, 2)
    }
    assert before["stem.conv"] == "stem.conv"  # BN comes within the unit
    assert before["stages.0.blocks.0.conv1"] == "stages.0.blocks.0.norm2"
    assert before["stages.0.blocks.0.conv2"] == "stages.0.blocks.0.conv2"
    assert len(before) == 19


@torch.no_grad()
def test_a_response_is_the_scatter_before_the_activation() -> None:
    model = lively("resnet8", classes=4).eval()
    first = model.bn1(model.conv1(images()))
    unit = model.layer1[0]
    second = unit.bn2(unit.conv2(unit.bn1(unit.conv1(first.relu())).relu()))

    found = {each.layer: each.deviation for each in measured(model).responses()}

    assert found["conv1"] == pytest.approx(float(first.std(correction=0)), rel=1e-5)
    assert found["layer1.0.conv2"] == pytest.approx(float(second.std(correction=0)), rel=1e-5)


@pytest.mark.parametrize("name", ["resnet8", "preresnet20"])
def test_signal_and_gradient_are_those_of_the_rest_of_the_network(name: str) -> None:
    """What the last unit passes on, cut off there, and the loss of what follows."""
    model = lively(name, classes=4).eval()
    kept: list[Tensor] = []
    units = [dict(model.named_modules())[each] for each in model.unit_names]
    handle = units[-1].register_forward_hook(lambda _, __, output: kept.append(output.detach()))
    with torch.no_grad():
        model(images())
    handle.remove()
    cut = kept[0].clone().requires_grad_()
    handle = units[-1].register_forward_hook(lambda _, __, ___: cut)
    cross_entropy(model(images()), LABELS, reduction="sum").backward()
    handle.remove()
    assert cut.grad is not None

    last = measured(model).depth()[-1]

    assert last.layer == model.unit_names[-1]
    for value, maps in ((last.signal, kept[0]), (last.gradient, cut.grad)):
        assert value == pytest.approx(float(maps.flatten(1).norm(dim=1).square().mean().sqrt()), rel=1e-5)


def test_pieces_are_as_good_as_all_at_once_and_the_network_is_as_before() -> None:
    model = lively("preresnet20", classes=4).eval()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}

    whole, parts = measured(model), measured(model, slice(0, 2), slice(2, 5))

    assert (whole.images, parts.images) == (5, 5)
    for one, other in ((whole.responses(), parts.responses()), (whole.depth(), parts.depth())):
        assert [row[0] for row in one] == [row[0] for row in other]
        for row, same in zip(one, other, strict=True):
            assert row[1:] == pytest.approx(same[1:], rel=1e-4)
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
