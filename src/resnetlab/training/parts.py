"""The parts of a network from the image to the logits: which of them learn, how fast, what their BN does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnetlab.errors import UsageError
from resnetlab.models import ResNet
from resnetlab.network.layers import Linear
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Transfer


@dataclass(frozen=True)
class Part:
    """A part of a network, as a recipe trains it."""

    name: str
    """stem, stage1, stage2, ..., head."""

    rate: float
    """Share of the learning rate; 0 does not learn."""

    bn: Literal["train", "frozen-statistics", "frozen"]
    """As `Transfer.bn`; of a part that does not learn frozen, or with frozen_bn=moving as in training."""


def plan_parts(spec: ModelSpec, transfer: Transfer) -> tuple[Part, ...]:
    """Return the network's parts, from the image on, as the recipe trains them.

    A final BN belongs to the last stage; the head is the classifier alone.

    Raises:
        UsageError: If a stage is to be frozen that the network has not.
    """
    stages = [f"stage{number}" for number in range(1, len(spec.blocks) + 1)]
    body = ["stem", *stages]
    if transfer.freeze not in ("none", "body", *body):
        raise UsageError(
            f"freeze={transfer.freeze}: {spec.name} has {len(stages)} stages",
            hint=f"From the image on its parts are {', '.join(body)}; freeze=body freezes all of them.",
        )
    count = {"none": 0, "body": len(body)}.get(transfer.freeze)
    if count is None:
        count = body.index(transfer.freeze) + 1
    parts = [
        Part(name, 0.0, "frozen" if transfer.frozen_bn == "still" else "train")
        if number < count
        else Part(name, transfer.body_rate * transfer.stage_rate ** (len(stages) - number), transfer.bn)
        for number, name in enumerate(body)
    ]
    return (*parts, Part("head", 1.0, transfer.bn))


def part_finder(spec: ModelSpec) -> Callable[[str], int]:
    """Return a function from the name of a tensor or layer to the number of its part."""
    plan = spec.plan()
    places = {layer.name: 0 for layer in plan.stem}
    last = len(plan.stages)
    places |= {layer.name: last + isinstance(layer, Linear) for layer in plan.tail}
    for number, stage in enumerate(plan.stages, start=1):
        places |= {unit.name: number for repeat in stage for unit in repeat.units}

    def find(name: str) -> int:
        while name not in places:
            name = name.rpartition(".")[0]
            assert name, "every tensor lies in a layer of the plan"
        return places[name]

    return find


def rate_shares(model: ResNet, transfer: Transfer) -> dict[str, float]:
    """Return the share of the learning rate of every parameter, by name; 0 where nothing learns."""
    parts, find = plan_parts(model.spec, transfer), part_finder(model.spec)
    shares = {name: parts[find(name)].rate for name, _ in model.named_parameters()}
    for path, module in model.named_modules():
        if isinstance(module, _BatchNorm) and parts[find(path)].bn == "frozen":
            shares |= {f"{path}.{name}": 0.0 for name, _ in module.named_parameters()}
    return shares


def still_norms(model: ResNet, transfer: Transfer) -> tuple[nn.Module, ...]:
    """Return the BNs that stay in evaluation mode while the network trains."""
    parts, find = plan_parts(model.spec, transfer), part_finder(model.spec)
    return tuple(
        module
        for path, module in model.named_modules()
        if isinstance(module, _BatchNorm) and parts[find(path)].bn != "train"
    )
