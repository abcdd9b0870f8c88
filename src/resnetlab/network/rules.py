"""What a model specification must not say: every reason why a network cannot be."""

from collections.abc import Iterator
from itertools import pairwise
from math import inf, isfinite

from resnetlab.network.fields import SpecFields

_MOST_UNITS = 2**14
"""The deepest network that was published has 600 (He et al., 2015: 1,202 layers)."""


def contradictions(spec: SpecFields) -> Iterator[str]:
    """Give every reason why the network cannot be."""
    for name in ("classes", "in_channels", "input_size", "stem_width"):
        if getattr(spec, name) < 1:
            yield f"{name} must be at least 1, got {getattr(spec, name)}"
    if spec.stem_stride is not None and spec.stem_stride < 1:
        yield f"stem_stride must be at least 1, got {spec.stem_stride}"
    for name in ("blocks", "widths", "out_channels", "strides"):
        values = getattr(spec, name)
        if not values or min(values) < 1:
            yield f"{name} must be whole numbers from 1 on, got {values}"
        if len(values) != len(spec.blocks):
            yield f"{name} has {len(values)} stages and blocks {len(spec.blocks)}"
    if sum(spec.blocks) > _MOST_UNITS:
        yield f"blocks are {sum(spec.blocks):,} units, and at most {_MOST_UNITS:,} are built"
    if spec.unit == "basic" and spec.widths != spec.out_channels:
        yield f"basic units give on their width: widths {spec.widths}, not {spec.out_channels}"
    inputs = (spec.stem_width, *spec.out_channels)
    if spec.shortcut.startswith("A") and any(a > b for a, b in pairwise(inputs)):
        yield f"shortcut {spec.shortcut} cannot narrow {inputs}; take B"
    if not spec.bn_eps > 0:
        yield f"bn_eps must be > 0, got {spec.bn_eps}"
    for name in ("bn_momentum", "preact_momentum"):
        value = getattr(spec, name)
        if value is not None and not 0 < value <= 1:
            yield f"{name} must lie in (0, 1], got {value}"
    if not 0 <= spec.act_slope < 1:
        yield f"act_slope must lie in [0, 1), got {spec.act_slope}"
    if not 0 <= spec.stochastic_depth < 1:
        yield f"stochastic_depth must lie in [0, 1), got {spec.stochastic_depth}"
    yield from _of_shortcuts(spec)
    if spec.shortcut == "none" and (spec.stochastic_depth or spec.zero_init_residual):
        yield "stochastic_depth and zero_init_residual need a shortcut, and this network is plain"
    if spec.order == "relu-before-add" and spec.zero_init_residual and not spec.act_slope:
        yield "zero_init_residual would never learn behind the ReLU of order relu-before-add"


def _of_shortcuts(spec: SpecFields) -> Iterator[str]:
    """Give what is wrong with the factors, gates and dropout of the shortcuts."""
    for name in ("shortcut_scale", "branch_scale"):
        value = getattr(spec, name)
        if not 0 < value < inf:
            plain = "; shortcut=none has no shortcuts" if name == "shortcut_scale" and value == 0 else ""
            yield f"{name} must be a factor > 0, got {value}{plain}"
    if not 0 <= spec.shortcut_dropout < 1:
        yield f"shortcut_dropout must lie in [0, 1), got {spec.shortcut_dropout}"
    if not isfinite(spec.gate_bias):
        yield f"gate_bias must be a finite number, got {spec.gate_bias}"
    elif spec.gate_bias and spec.shortcut_gate == "none":
        yield "gate_bias needs a shortcut_gate: exclusive or shortcut-only"
    factors = [name for name in ("shortcut_scale", "branch_scale") if getattr(spec, name) != 1]
    others = ["shortcut_gate"] if spec.shortcut_gate != "none" else []
    others += ["shortcut_dropout"] if spec.shortcut_dropout else []
    changed = " and ".join((*factors, *others))
    if changed and spec.shortcut == "none":
        yield f"{changed} must have a shortcut, and this network is plain"
    elif len(others) + bool(factors) > 1:
        yield f"{changed} are not defined together: take one of them"
