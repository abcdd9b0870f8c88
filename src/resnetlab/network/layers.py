"""The layers of a network as plain data, and the arithmetic of each: shapes, parameters, products.

A layer says everything that a reader needs: the torch module is built from it, the counts are
summed over it, the diagrams are drawn from it. Shapes are (channels, height, width) of one image.
"""

import math
from dataclasses import dataclass
from typing import Literal

from resnetlab.base.plaindata import convert
from resnetlab.errors import UsageError

Layout = Literal["NHWC", "NCHW"]
"""The order of the axes of a batch of maps."""

Shape = tuple[int, int, int]
Padding = int | Literal["same"]
PoolKind = Literal["max", "average", "subsample", "global"]


@dataclass(frozen=True, slots=True)
class Conv:
    """A square convolution. Padding is in pixels on every side, or "same" for TensorFlow's SAME."""

    name: str
    in_channels: int
    out_channels: int
    kernel: int
    stride: int
    padding: Padding
    bias: bool


@dataclass(frozen=True, slots=True)
class Norm:
    """Batch normalisation with a learnt shift (beta) and, if `gamma`, a learnt scale.

    `momentum` is torch's: the weight of the new batch in the running statistics.
    `biased_variance` keeps the batch's biased variance there instead of the unbiased one.
    """

    name: str
    channels: int
    gamma: bool
    eps: float
    momentum: float
    biased_variance: bool


@dataclass(frozen=True, slots=True)
class Act:
    """ReLU, or leaky ReLU where the slope for negative values is not 0."""

    name: str
    slope: float


@dataclass(frozen=True, slots=True)
class Pool:
    """Pooling: "max", "average" (padding is never averaged in), "subsample" or "global" average.

    "subsample" keeps the first of every `stride` pixels. "global" averages each map to one value
    and has no kernel. With `zeros`, a maximum takes its padding in as zeros.
    """

    name: str
    kind: PoolKind
    kernel: int
    stride: int
    padding: Padding
    zeros: bool = False


@dataclass(frozen=True, slots=True)
class PadChannels:
    """Zero channels put before and after the given ones: the widening of shortcut option A."""

    name: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Scale:
    """Every number times a constant."""

    name: str
    factor: float


@dataclass(frozen=True, slots=True)
class Gate:
    """The end of a gated shortcut: what comes in times 1 - g, where g is of what the shortcut reads.

    g = sigmoid(W x + b), W a 1x1 convolution to as many channels as come in, with the shortcut's stride. An
    exclusive gate multiplies the unit's branch by g.
    """

    name: str
    in_channels: int
    out_channels: int
    stride: int
    is_exclusive: bool


@dataclass(frozen=True, slots=True)
class Dropout:
    """In training each number is 0 with this probability, else as it is; in evaluation all times 1 - rate.

    So each is on average what it is in evaluation. Source: Srivastava et al., 2014, JMLR 15, section 4.
    """

    name: str
    rate: float


@dataclass(frozen=True, slots=True)
class Linear:
    """The classifier: a matrix and a bias."""

    name: str
    in_features: int
    out_features: int


Layer = Conv | Norm | Act | Pool | PadChannels | Scale | Gate | Dropout | Linear


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the pixels TensorFlow's SAME puts before and after an axis of `size` pixels.

    Source: the documentation of tf.nn, "Notes on padding"; the odd pixel goes after.
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def output_shape(layer: Layer, shape: Shape) -> Shape:
    """Return the shape that the layer makes of `shape`.

    Raises:
        UsageError: If a window does not fit into the map.
    """
    channels, height, width = shape
    match layer:
        case Conv():
            return layer.out_channels, _slide(layer, height), _slide(layer, width)
        case Pool(kind="global"):
            return channels, 1, 1
        case Pool():
            return channels, _slide(layer, height), _slide(layer, width)
        case PadChannels():
            return channels + layer.before + layer.after, height, width
        case Linear():
            return layer.out_features, 1, 1
        case Norm() | Act() | Scale() | Gate() | Dropout():
            return shape


def _slide(layer: Conv | Pool, size: int) -> int:
    """Return how many places a window takes along an axis of `size` pixels."""
    if layer.padding == "same":
        return -(-size // layer.stride)
    places = (size + 2 * layer.padding - layer.kernel) // layer.stride + 1
    if places < 1:
        window = f"{layer.kernel}x{layer.kernel} window"
        raise UsageError(
            f"{layer.name}: a {window} does not fit a map of {size} px",
            hint="Take larger images, or stem=small for a network made for 224 px.",
        )
    return places


def num_parameters(layer: Layer) -> int:
    """Return the number of trainable numbers in the layer."""
    match layer:
        case Conv():
            weights = layer.kernel**2 * layer.in_channels * layer.out_channels
            return weights + layer.out_channels * layer.bias
        case Norm():
            return layer.channels * (1 + layer.gamma)
        case Gate():
            return (layer.in_channels + 1) * layer.out_channels
        case Linear():
            return (layer.in_features + 1) * layer.out_features
        case Act() | Pool() | PadChannels() | Scale() | Dropout():
            return 0


def multiply_adds(layer: Layer, output: Shape) -> int:
    """Return the products for one image, given the output's shape.

    Convolutions and the classifier count, a gate's convolution too, nothing else: the papers' "FLOPs" (He et
    al., 2015, Table 1: "FLOPs (multiply-adds)").
    """
    match layer:
        case Conv():
            channels, height, width = output
            return layer.kernel**2 * layer.in_channels * channels * height * width
        case Gate():
            return layer.in_channels * math.prod(output)
        case Linear():
            return layer.in_features * layer.out_features
        case Norm() | Act() | Pool() | PadChannels() | Scale() | Dropout():
            return 0


def kept_numbers(layer: Layer, output: Shape) -> int:
    """Return how many numbers of its output a training step keeps for the gradient, for one image.

    Those of convolutions, BN and gates count, nothing else: an activation overwrites its input, and a
    shortcut's sum stands in for the last output before it. A gate keeps g and 1 - g; an exclusive one
    keeps the branch and has the sum beside it. What poolings and zero-padding keep is left out, and with
    it the max pool's indices and a dropout's bits. Within 15 % of the floats that torch keeps.
    """
    match layer:
        case Conv() | Norm():
            return math.prod(output)
        case Gate():
            return (3 if layer.is_exclusive else 2) * math.prod(output)
        case _:
            return 0


def image_size(nominal: int, height: int | None, width: int | None) -> tuple[int, int]:
    """Return height and width of the images, the nominal size where they are None.

    Raises:
        UsageError: If one is no whole number, or below 1.
    """
    sizes = {"height": height, "width": width}
    high, wide = (nominal if size is None else convert(int, size, name) for name, size in sizes.items())
    if min(high, wide) < 1:
        raise UsageError(f"images must have at least 1x1 px, got {high}x{wide}")
    return high, wide
