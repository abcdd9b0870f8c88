"""What a step of a network does, in a line for who meets it first; and what flows, counted."""

from resnetlab.network.layers import (
    Act,
    Conv,
    Dropout,
    Gate,
    Layer,
    Linear,
    Norm,
    PadChannels,
    Pool,
    Scale,
    Shape,
)
from resnetlab.network.plan import Traced
from resnetlab.show.drawing.comparison.unit_words import ordinal

ADDED = "both are added, number by number"
AS_IT_IS = "the input as it is: nothing is learnt"


def step_words(row: Traced) -> str:
    """Return what a layer does to what comes in."""
    match row.layer:
        case Conv():
            return _convolution(row.layer, row)
        case Norm(channels=count, gamma=gamma):
            learnt = "× gamma + beta" if gamma else "+ beta"
            return f"each channel to mean 0 and variance 1, then {learnt}: {count * (1 + gamma):,} parameters"
        case Act(slope=slope):
            return f"negative numbers are multiplied by {slope:g}" if slope else "negative numbers become 0"
        case Pool():
            return _pooling(row.layer)
        case PadChannels(before=before, after=after):
            return f"{before} channels of zeros before and {after} behind: nothing is learnt"
        case Scale(factor=factor):
            return f"every number is multiplied by {factor:g}: nothing is learnt"
        case Gate(in_channels=taken, out_channels=made, is_exclusive=is_exclusive):
            branch = ", the branch by g" if is_exclusive else ""
            return (
                f"every number is multiplied by 1 - g{branch}; g is the sigmoid of a 1×1 convolution of what"
                f" comes in at the top: {taken * made:,} weights and {made:,} biases"
            )
        case Dropout(rate=rate):
            return (
                f"training puts 0 in place of each number with probability {rate:g}; a trained network"
                f" multiplies all by {1 - rate:g}: nothing is learnt"
            )
        case Linear(in_features=features, out_features=classes):
            return (
                f"for each of {classes:,} classes a weighted sum of all {features:,}, and a bias:"
                f" {(features + 1) * classes:,} parameters"
            )


def _convolution(layer: Conv, row: Traced) -> str:
    kernel = f"{layer.kernel}×{layer.kernel}×{layer.in_channels}"
    count = layer.kernel**2 * layer.in_channels * layer.out_channels
    bias = f" and {layer.out_channels:,} biases" if layer.bias else ""
    moved = ""
    if layer.stride > 1:
        moved = f", at every {ordinal(layer.stride)} place: {_sides(row.output)} of {_sides(row.input)}"
    return f"{layer.out_channels:,} filters of {kernel}{moved}; {count:,} weights{bias}"


def _pooling(layer: Pool) -> str:
    window = f"{layer.kernel}×{layer.kernel}"
    match layer.kind:
        case "global":
            return "the mean of each map: one number a channel"
        case "subsample":
            return f"the first of each {layer.stride}×{layer.stride} pixels is kept: nothing is learnt"
        case "average":
            return f"the mean of each {window} pixels: nothing is learnt"
        case "max":
            every = f", at every {ordinal(layer.stride)} place" if layer.stride > 1 else ""
            return f"the largest of each {window} pixels{every}: nothing is learnt"


def _sides(shape: Shape) -> str:
    _, height, width = shape
    return f"{height}×{width}"


def flow_words(shape: Shape, *, flat: bool) -> str:
    """Return "16 maps of 32×32", or "64 numbers"."""
    channels = f"{shape[0]:,}"
    many = "" if shape[0] == 1 else "s"
    return f"{channels} number{many}" if flat else f"{channels} map{many} of {_sides(shape)}"


def zeros_of(layer: Layer | None) -> tuple[int, int]:
    """Return how many channels of zeros a layer puts before and behind the others."""
    return (layer.before, layer.after) if isinstance(layer, PadChannels) else (0, 0)
