"""A network for answers alone: BN that follows a convolution lies in its weights and bias.

The rest stays as it is: BN before a convolution can't be taken into one that pads with zeros.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from resnetlab.models.layers import at, build_chain, place, run_chain
from resnetlab.models.resnet import ResidualUnit
from resnetlab.network.layers import Conv, Layer, Norm
from resnetlab.network.plan import Plan, Repeat, Unit
from resnetlab.network.spec import ModelSpec

TOLERANCE = 1e-5
"""Largest difference of a logit that folding may make, as a share of the largest.

Float32 sums of other numbers: 1e-7 to 4e-6 over the catalog, 8 to 200 layers."""


@dataclass(frozen=True)
class Folded:
    """A network's layers, with as little BN as can be, and their tensors by our names."""

    plan: Plan
    tensors: dict[str, Tensor]


def fold(spec: ModelSpec, tensors: Mapping[str, Tensor]) -> Folded:
    """Return the network with every BN that directly follows a convolution folded into it.

    Computed in float64 and rounded once: w' = w * s, b' = beta + (b - mean) * s, where
    s = gamma / sqrt(variance + eps). It is the network as it is now: no later change of it is seen.

    Args:
        spec: The network.
        tensors: Its state dict; of any device.
    """
    plan = spec.plan()
    folded = replace(
        plan,
        stem=_fold_layers(plan.stem),
        stages=tuple(
            tuple(Repeat(_fold_unit(repeat.unit), repeat.count) for repeat in stage) for stage in plan.stages
        ),
        tail=_fold_layers(plan.tail),
    )
    # copies: what is done to the network later would change those alone that are not folded
    found = {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}
    for pair in _pairs(plan):
        _fold_tensors(found, pair)
    return Folded(folded, found)


class _Pair(NamedTuple):
    """A convolution and the BN after it, with their full names."""

    conv: str
    norm: str
    layer: Norm


def _pairs(plan: Plan) -> Iterator[_Pair]:
    chains = [("", plan.stem), ("", plan.tail)]
    for unit in plan.units:
        each = (unit.before, unit.branch, unit.shortcut or (), unit.after)
        chains += [(f"{unit.name}.", chain) for chain in each]
    for prefix, chain in chains:
        for before, layer in pairwise(chain):
            if isinstance(before, Conv) and isinstance(layer, Norm):
                yield _Pair(prefix + before.name, prefix + layer.name, layer)


def _fold_layers(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    found: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Norm) and found and isinstance(found[-1], Conv):
            found[-1] = replace(found[-1], bias=True)
        else:
            found.append(layer)
    return tuple(found)


def _fold_unit(unit: Unit) -> Unit:
    return replace(
        unit,
        before=_fold_layers(unit.before),
        branch=_fold_layers(unit.branch),
        shortcut=None if unit.shortcut is None else _fold_layers(unit.shortcut),
        after=_fold_layers(unit.after),
    )


def _fold_tensors(tensors: dict[str, Tensor], pair: _Pair) -> None:
    """Put the convolution's folded tensors in the place of the convolution's and BN's."""
    given = {name.removeprefix(f"{pair.norm}."): name for name in tensors if name.startswith(f"{pair.norm}.")}
    of_norm = {leaf: tensors.pop(name).double() for leaf, name in given.items()}
    scale = (of_norm["running_var"] + pair.layer.eps).rsqrt() * of_norm.get("weight", 1.0)
    weight = tensors[f"{pair.conv}.weight"]
    bias = tensors.get(f"{pair.conv}.bias", torch.zeros(())).double()
    tensors[f"{pair.conv}.weight"] = (weight.double() * scale[:, None, None, None]).to(weight.dtype)
    shifted = of_norm["bias"] + (bias - of_norm["running_mean"]) * scale
    tensors[f"{pair.conv}.bias"] = shifted.to(weight.dtype)


class InferenceNetwork(nn.Module):
    """The network of such layers, in evaluation mode, for answers alone."""

    def __init__(self, folded: Folded) -> None:
        super().__init__()
        with torch.device("meta"):
            self.stem_chain = build_chain(self, folded.plan.stem)
            for unit in folded.plan.units:
                place(self, unit.name, ResidualUnit(unit))
            self.tail_chain = build_chain(self, folded.plan.tail)
        self.unit_names = tuple(unit.name for unit in folded.plan.units)
        self.load_state_dict(folded.tensors, assign=True)
        self.requires_grad_(False).eval()

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return the logits (N, K) of images (N, C, H, W)."""
        x = run_chain(self, self.stem_chain, images_NCHW)
        for name in self.unit_names:
            x = at(self, name)(x)
        return run_chain(self, self.tail_chain, x)
