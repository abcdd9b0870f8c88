"""Trained weights go into a network whole, or not at all."""

import pytest
import torch

from resnetlab.errors import CheckpointError
from resnetlab.models import build, put_tensors, with_tensors
from resnetlab.network.catalog import model_spec

SPEC = model_spec("resnet8").with_(width=0.25)
STATE = build(SPEC, seed=1).state_dict()
HEAD = {name: tensor for name, tensor in STATE.items() if name.startswith("fc.")}
BODY = {name: tensor for name, tensor in STATE.items() if name not in HEAD}


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        (BODY, "x.pth: 2 tensors are not resnet8's: fc.bias, fc.weight"),
        (STATE | {"bn9.bias": torch.zeros(3)}, "x.pth: 1 tensors are not resnet8's: bn9.bias"),
        (STATE | {"fc.bias": torch.zeros(9)}, "x.pth: 1 tensors are not resnet8's: fc.bias"),
        ({}, f"x.pth: {len(STATE)} tensors are not resnet8's: .* and {len(STATE) - 5} more"),
    ],
    ids=["too few", "too many", "another shape", "none"],
)
def test_what_is_not_whole_is_refused_and_changes_nothing(
    tensors: dict[str, torch.Tensor], problem: str
) -> None:
    model = build(SPEC, seed=2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    with pytest.raises(CheckpointError, match=problem):
        put_tensors(model, tensors, "x.pth")

    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("name", ["resnet8", "preresnet20"])
def test_a_network_without_a_classifier_keeps_the_one_that_it_has(name: str) -> None:
    spec = model_spec(name).with_(width=0.25)
    theirs, own = build(spec, seed=1).state_dict(), build(spec, seed=0).state_dict()
    body = {key: tensor for key, tensor in theirs.items() if "fc." not in key}

    model = with_tensors(spec, body, "x.pth", has_classifier=False)

    assert not model.training
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, body.get(key, own[key])), key
    with pytest.raises(CheckpointError, match=r"2 tensors are not \w+'s: .*fc.bias, .*fc.weight"):
        with_tensors(spec, theirs, "x.pth", has_classifier=False)


def test_names_are_looked_at_before_the_network_takes_memory() -> None:
    huge = model_spec("resnet18").with_(width=20_000)  # more than 10^15 bytes

    with pytest.raises(CheckpointError, match=r"x.pth: \d+ tensors are not resnet18's"):
        with_tensors(huge, STATE, "x.pth")
