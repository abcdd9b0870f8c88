"""Which parts a network has, which of them learn, and how fast."""

import pytest
import torch

from resnetlab import create_model
from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.recipe import Transfer
from resnetlab.training.parts import part_finder, plan_parts, rate_shares, still_norms


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "resnet20",
            {"conv1.weight": "stem", "bn1.bias": "stem", "layer1.2.bn2.running_var": "stage1",
             "layer3.0.conv1.weight": "stage3", "fc.bias": "head"},
        ),
        (
            "resnet50_v2",
            {"stem.conv.weight": "stem", "stages.0.blocks.2.conv3.weight": "stage1",
             "stages.3.blocks.0.norm1.weight": "stage4", "norm.running_mean": "stage4",
             "head.fc.weight": "head"},
        ),
    ],
)  # fmt: skip
def test_every_tensor_lies_in_a_part(name: str, expected: dict[str, str]) -> None:
    spec = model_spec(name)
    parts, find = plan_parts(spec, Transfer()), part_finder(spec)

    found = {key: parts[find(key)].name for key in create_model(spec, device="meta").state_dict()}

    assert expected.items() <= found.items()
    assert set(found.values()) == {part.name for part in parts}


def test_freezing_counts_from_the_image() -> None:
    transfer = Transfer(freeze="stage2", body_rate=0.5, stage_rate=0.1)

    parts = plan_parts(model_spec("resnet50"), transfer)

    told = {part.name: (round(part.rate, 6), part.bn) for part in parts}
    assert told == {
        "stem": (0, "frozen"), "stage1": (0, "frozen"), "stage2": (0, "frozen"),
        "stage3": (0.05, "train"), "stage4": (0.5, "train"), "head": (1, "train"),
    }  # fmt: skip


def test_a_stage_that_is_not_there_cannot_be_frozen() -> None:
    with pytest.raises(UsageError, match="resnet20 has 3 stages"):
        plan_parts(model_spec("resnet20"), Transfer(freeze="stage4"))


def test_frozen_bn_learns_nowhere_and_stays_still() -> None:
    model = create_model("resnet8", seed=0)

    shares = rate_shares(model, Transfer(bn="frozen"))

    learning = {name for name, share in shares.items() if share}
    assert learning == {n for n, p in model.named_parameters() if p.dim() > 1 or n.startswith("fc.")}
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert still_norms(model, Transfer(bn="frozen")) == tuple(norms)
    assert still_norms(model, Transfer()) == ()
    assert len(still_norms(model, Transfer(freeze="stem"))) == 1
