"""From a specification to the plan of the whole network: where every layer stands, and why.

Layer names are torchvision's, or timm's resnetv2 for pre-activated networks, so that published
weights fit by name.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Literal, assert_never

from resnetlab.network.fields import SpecFields
from resnetlab.network.layers import (
    Act,
    Conv,
    Dropout,
    Gate,
    Layer,
    Linear,
    Norm,
    PadChannels,
    Padding,
    Pool,
    Scale,
)
from resnetlab.network.plan import Plan, Repeat, Unit


@lru_cache(maxsize=64)
def draw_plan(spec: SpecFields) -> Plan:
    """Return the plan of the network that the specification describes."""
    stages = []
    in_channels = spec.stem_width
    for stage, count in enumerate(spec.blocks):
        stages.append(_draw_stage(spec, stage, count, in_channels))
        in_channels = spec.out_channels[stage]
    return Plan(spec.in_channels, _draw_stem(spec), tuple(stages), _draw_tail(spec, in_channels))


def _draw_stage(spec: SpecFields, stage: int, count: int, in_channels: int) -> tuple[Repeat, ...]:
    """Return the stage's units; all but the first are equal, and that one may be too."""
    first = _draw_unit(spec, stage, 0, in_channels)
    if count == 1:
        return (Repeat(first, 1),)
    if spec.stride_on == "last-3x3":
        middle, last = (_draw_unit(spec, stage, i, spec.out_channels[stage]) for i in (1, count - 1))
        return Repeat(first, 1), *([Repeat(middle, count - 2)] if count > 2 else []), Repeat(last, 1)
    second = _draw_unit(spec, stage, 1, spec.out_channels[stage])
    if replace(second, name=first.name) == first:
        return (Repeat(first, count),)
    return Repeat(first, 1), Repeat(second, count - 1)


def _draw_stem(spec: SpecFields) -> tuple[Layer, ...]:
    is_large = spec.stem == "imagenet"
    kernel, stride = (7, 2) if is_large else (3, 1)
    stride = stride if spec.stem_stride is None else spec.stem_stride
    has_pool = is_large if spec.stem_pool is None else spec.stem_pool
    conv, norm, act, pool = (
        ("stem.conv", "stem.norm", "stem.act", "stem.pool")
        if spec.order == "pre"
        else ("conv1", "bn1", "act1", "pool1")
    )
    layers: list[Layer] = [_conv(spec, conv, spec.in_channels, spec.stem_width, kernel, stride)]
    if spec.stem_norm:
        layers += [_norm(spec, norm, spec.stem_width), Act(act, spec.act_slope)]
    if has_pool:
        padding: Padding = "same" if spec.max_pool == "same" else 1
        layers.append(Pool(pool, "max", 3, 2, padding, zeros=spec.max_pool == "zeros"))
    return tuple(layers)


def _draw_tail(spec: SpecFields, channels: int) -> tuple[Layer, ...]:
    """Pre-activated networks end in one more activation (He et al., 2016, appendix)."""
    layers: list[Layer] = []
    if spec.order == "pre":
        layers.append(_preact_norm(spec, "norm", channels))
    if spec.order in ("pre", "relu-only-pre"):
        layers.append(Act("act", spec.act_slope))
    layers.append(Pool("pool", "global", 0, 1, 0))
    layers.append(Linear("head.fc" if spec.order == "pre" else "fc", channels, spec.classes))
    return tuple(layers)


def _draw_unit(spec: SpecFields, stage: int, index: int, in_channels: int) -> Unit:
    name = f"stages.{stage}.blocks.{index}" if spec.order == "pre" else f"layer{stage + 1}.{index}"
    is_first = stage == index == 0
    striding = spec.blocks[stage] - 1 if spec.stride_on == "last-3x3" else 0
    stride = spec.strides[stage] if index == striding else 1
    convs = _draw_convs(spec, stage, in_channels, stride)
    before, branch, after = _order(spec, convs)
    if is_first and spec.first_unit_bare:
        before = ()
    if spec.branch_scale != 1:
        branch = (*branch, Scale("branch_scale", spec.branch_scale))
    shortcut = _draw_shortcut(spec, in_channels, spec.out_channels[stage], stride, index)
    if shortcut is not None:
        shortcut = (*shortcut, *_draw_end(spec, in_channels, spec.out_channels[stage], stride))
    is_projection = any(isinstance(layer, Conv) for layer in shortcut or ())
    reads_preact = (is_first and spec.first_shortcut_preact) or (
        is_projection and spec.projection_source == "preact"
    )
    shortcut_from: Literal["input", "preact"] = "preact" if before and reads_preact else "input"
    return Unit(name, before, branch, shortcut, shortcut_from, after)


def _draw_convs(spec: SpecFields, stage: int, in_channels: int, stride: int) -> tuple[Conv, ...]:
    width, out_channels = spec.widths[stage], spec.out_channels[stage]
    if spec.unit == "basic":
        return (
            _conv(spec, "conv1", in_channels, width, 3, stride),
            _conv(spec, "conv2", width, out_channels, 3, 1),
        )
    first, second = (stride, 1) if spec.stride_on == "first" else (1, stride)
    return (
        _conv(spec, "conv1", in_channels, width, 1, first),
        _conv(spec, "conv2", width, width, 3, second),
        _conv(spec, "conv3", width, out_channels, 1, 1),
    )


_Chains = tuple[tuple[Layer, ...], tuple[Layer, ...], tuple[Layer, ...]]


def _order(spec: SpecFields, convs: tuple[Conv, ...]) -> _Chains:
    """Return (before, branch, after): where BN and ReLU stand (He et al., 2016, Fig. 4)."""
    acts = [Act(f"act{i}", spec.act_slope) for i in range(1, len(convs) + 1)]
    if spec.order == "pre":
        norms = [_norm(spec, f"norm{i}", c.in_channels) for i, c in enumerate(convs, 1)]
        norms[0] = _preact_norm(spec, "norm1", convs[0].in_channels)
        layers: list[Layer] = [x for trio in zip(norms, acts, convs, strict=True) for x in trio]
        return tuple(layers[:2]), tuple(layers[2:]), ()
    norms = [_norm(spec, f"bn{i}", c.out_channels) for i, c in enumerate(convs, 1)]
    layers = [x for trio in zip(convs, norms, acts, strict=True) for x in trio]
    match spec.order:
        case "post":
            return (), tuple(layers[:-1]), tuple(layers[-1:])
        case "bn-after-add":
            return (), tuple(layers[:-2]), tuple(layers[-2:])
        case "relu-before-add":
            return (), tuple(layers), ()
        case "relu-only-pre":
            return (Act("act0", spec.act_slope),), tuple(layers[:-1]), ()


def _draw_shortcut(
    spec: SpecFields, in_channels: int, out_channels: int, stride: int, index: int
) -> tuple[Layer, ...] | None:
    """Options A, B, C: He et al., 2015, section 4.1 (ImageNet) and 4.2 (CIFAR)."""
    changes = stride != 1 or in_channels != out_channels
    match spec.shortcut:
        case "none":
            return None
        case "A" | "A-avgpool" | "A-avgpool-same":
            return _pad_shortcut(spec, in_channels, out_channels, stride)
        case "B":
            is_projection = changes
        case "C":
            is_projection = True
        case "stage":
            is_projection = index == 0
        case _:
            assert_never(spec.shortcut)
    if not is_projection:
        return () if stride == 1 else (Pool("downsample.pool", "subsample", 1, stride, 0),)
    conv, norm = (
        ("downsample.conv", "downsample.norm") if spec.order == "pre" else ("downsample.0", "downsample.1")
    )
    projection = _conv(spec, conv, in_channels, out_channels, 1, stride)
    return (projection, _norm(spec, norm, out_channels)) if spec.projection_norm else (projection,)


def _draw_end(spec: SpecFields, in_channels: int, out_channels: int, stride: int) -> tuple[Layer, ...]:
    """Return what every shortcut ends in, whatever it is else (He et al., 2016, section 3.1 and Fig. 2)."""
    if spec.shortcut_scale != 1:
        return (Scale("downsample.scale", spec.shortcut_scale),)
    if spec.shortcut_gate != "none":
        return (
            Gate("downsample.gate", in_channels, out_channels, stride, spec.shortcut_gate == "exclusive"),
        )
    if spec.shortcut_dropout:
        return (Dropout("downsample.dropout", spec.shortcut_dropout),)
    return ()


def _pad_shortcut(spec: SpecFields, in_channels: int, out_channels: int, stride: int) -> tuple[Layer, ...]:
    """Return the parameter-free shortcut: fewer pixels, then zero channels on both sides."""
    layers: list[Layer] = []
    if stride != 1 and spec.shortcut == "A":
        layers.append(Pool("downsample.pool", "subsample", 1, stride, 0))
    elif stride != 1:
        padding: Padding = "same" if spec.shortcut == "A-avgpool-same" else 0
        layers.append(Pool("downsample.pool", "average", stride, stride, padding))
    extra = out_channels - in_channels
    if extra:
        layers.append(PadChannels("downsample.pad", extra // 2, extra - extra // 2))
    return tuple(layers)


def _conv(spec: SpecFields, name: str, inputs: int, outputs: int, kernel: int, stride: int) -> Conv:
    """Return a convolution; SAME and kernel // 2 only differ where the stride is not 1."""
    is_same = spec.padding == "same" and stride != 1 and kernel != 1
    padding: Padding = "same" if is_same else kernel // 2
    return Conv(name, inputs, outputs, kernel, stride, padding, spec.conv_bias)


def _norm(spec: SpecFields, name: str, channels: int) -> Norm:
    return Norm(name, channels, True, spec.bn_eps, spec.bn_momentum, spec.bn_biased_variance)


def _preact_norm(spec: SpecFields, name: str, channels: int) -> Norm:
    """Return the norm before the split, or at the end, which one original treats differently."""
    momentum = spec.bn_momentum if spec.preact_momentum is None else spec.preact_momentum
    gamma, biased = spec.preact_gamma, spec.bn_biased_variance
    return Norm(name, channels, gamma, spec.bn_eps, momentum, biased)
