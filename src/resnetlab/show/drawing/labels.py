"""The only place where a layer becomes words.

Kernels are written as the original's drawing writes them, W=[height, width, in, out], whichever layout
the maps have.
"""

from typing import Literal

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
    Shape,
)
from resnetlab.network.layers import Layout as Layout

Part = Literal["stem", "unit", "shortcut", "head"]
"""What of a network can be drawn alone."""

_POOL_NAMES = {"max": "max pool", "average": "average pool", "subsample": "subsample"}


def is_flat(layer: Layer) -> bool:
    """Return whether the layer's result is one row of numbers an image, and no maps."""
    return isinstance(layer, Linear) or (isinstance(layer, Pool) and layer.kind == "global")


def shape_text(shape: Shape, layout: Layout, *, flat: bool = False) -> str:
    """Return "[N, 32, 32, 16]" (NHWC) or "[N, 16, 32, 32]" for (channels, height, width); flat "[N, 16]"."""
    channels, height, width = shape
    if flat:
        return f"[N, {channels}]"
    sizes = (height, width, channels) if layout == "NHWC" else (channels, height, width)
    return f"[N, {', '.join(map(str, sizes))}]"


def name_text(layer: Layer) -> str:
    """Return the operation's short name: "conv 3×3", "BN (beta, gamma)", "ReLU", "max pool 3×3"."""
    match layer:
        case Conv():
            return f"conv {layer.kernel}×{layer.kernel}"
        case Norm():
            return norm_text(layer)
        case Act():
            return f"leaky ReLU {layer.slope:g}" if layer.slope else "ReLU"
        case Pool(kind="global"):
            return "global mean"
        case Pool():
            return f"{_POOL_NAMES[layer.kind]} {layer.kernel}×{layer.kernel}"
        case PadChannels():
            return "zero-pad channels"
        case Scale():
            return f"× {layer.factor:g}"
        case Gate():
            return "× (1 - g), branch × g" if layer.is_exclusive else "× (1 - g)"
        case Dropout():
            return f"dropout {layer.rate:g}"
        case Linear():
            return "dense"


def norm_text(layer: Norm) -> str:
    """Return "BN (beta, gamma)", or "BN (beta)" if nothing scales."""
    return "BN (beta, gamma)" if layer.gamma else "BN (beta)"


GATE = "g = sigmoid(1×1 conv)"
"""What a gate multiplies with is made of, as its box says."""


def kernel_text(layer: Conv | Gate | Linear) -> str:
    """Return the weights' shape: "W=[3,3,16,32]" (height, width, in, out), or "W=[64,10]" (in, out)."""
    if isinstance(layer, Linear):
        return f"W=[{layer.in_features},{layer.out_features}]"
    side = 1 if isinstance(layer, Gate) else layer.kernel
    return f"W=[{side},{side},{layer.in_channels},{layer.out_channels}]"


def bias_text(layer: Layer) -> str:
    """Return "b=[10]", the bias' shape, or nothing where there is none."""
    match layer:
        case Linear():
            return f"b=[{layer.out_features}]"
        case Conv(bias=True) | Gate():
            return f"b=[{layer.out_channels}]"
        case _:
            return ""


def stride_text(layer: Conv | Gate | Pool) -> str:
    """Return "stride 2"."""
    return f"stride {layer.stride}"


def padding_text(layer: Conv | Pool | PadChannels, layout: Layout) -> str:
    """Return "pad 1", "pad SAME" or, where a maximum takes in its padding, "pad 1 with zeros".

    For zero channels it is their places: "[[0,0],[0,0],[0,0],[8,8]]" (NHWC).
    """
    if isinstance(layer, PadChannels):
        channels, none = f"[{layer.before},{layer.after}]", "[0,0]"
        places = (none, none, none, channels) if layout == "NHWC" else (none, channels, none, none)
        return f"[{','.join(places)}]"
    zeros = " with zeros" if isinstance(layer, Pool) and layer.zeros else ""
    return f"pad {_padding(layer.padding)}{zeros}"


def _padding(padding: Padding) -> str:
    return "SAME" if padding == "same" else str(padding)
