"""The torch modules of the plan's layers, and the way from a dotted name to a module."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import handle_torch_function, has_torch_function

from resnetlab.base import randomness
from resnetlab.network import layers as plan
from resnetlab.network.layers import same_padding


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding, which depends on the input's size."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        top, bottom = same_padding(x.shape[2], kernel, stride)
        left, right = same_padding(x.shape[3], kernel, stride)
        if top == bottom and left == right:
            return functional.conv2d(x, self.weight, self.bias, self.stride, (top, left))
        x = functional.pad(x, (left, right, top, bottom))
        return functional.conv2d(x, self.weight, self.bias, self.stride)


class NarrowPointConv2d(nn.Conv2d):
    """A 1x1 convolution of few channels with a stride, made on a CPU as that of every stride-th pixel.

    oneDNN's (torch 2.13, AVX-512) ends the process when it computes the weights' gradient of a strided
    one of fewer than 16 input channels in NHWC order: 8 to 16 channels, stride 2, 56 x 56 pixels.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
        if x.device.type != "cpu":
            return super().forward(x)
        rows, columns = self.stride
        return functional.conv2d(x[:, :, ::rows, ::columns], self.weight, self.bias)


_NARROW = 16
"""Channels that fill a register of AVX-512."""


class SamePool2d(nn.Module):
    """Max or average pooling with TensorFlow's SAME padding, which no result takes in."""

    def __init__(self, kind: str, kernel: int, stride: int) -> None:
        super().__init__()
        self.kind, self.kernel, self.stride = kind, kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / stride), ceil(W / stride)).

        The pixels before are given as padding; `ceil_mode` lets the last window hang over.
        """
        before = (
            same_padding(x.shape[2], self.kernel, self.stride)[0],
            same_padding(x.shape[3], self.kernel, self.stride)[0],
        )
        if self.kind == "max":
            return functional.max_pool2d(x, self.kernel, self.stride, before, ceil_mode=True)
        return functional.avg_pool2d(
            x, self.kernel, self.stride, before, ceil_mode=True, count_include_pad=False
        )


class Subsample(nn.Module):
    """Every `stride`-th pixel, from the first: the pooling of shortcut option A."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / stride), ceil(W / stride)), a view."""
        return x[:, :, :: self.stride, :: self.stride]


class PadChannels(nn.Module):
    """Zero channels before and after the given ones."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.padding = (0, 0, 0, 0, before, after)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, before + C + after, H, W)."""
        return functional.pad(x, self.padding)


class GlobalAveragePool(nn.Module):
    """The mean of each map."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C)."""
        return x.mean((2, 3))


class Scale(nn.Module):
    """Every number times a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same."""
        return x * self.factor


class Gate(nn.Conv2d):
    """What opens and closes a shortcut, number by number; how, the unit knows (`ResidualUnit`)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, *, is_exclusive: bool) -> None:
        super().__init__(in_channels, out_channels, 1, stride)
        self.is_exclusive = is_exclusive

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to g (N, C', ceil(H / stride), ceil(W / stride)), in 32 bits at least.

        In half precision 1 - g would be 1 or .996 and nothing between, and fifty units multiply it.
        """
        rows, columns = self.stride
        logits = functional.conv2d(x[:, :, ::rows, ::columns], self.weight, self.bias)
        return torch.sigmoid(logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits)


class Dropout(nn.Module):
    """In training some numbers become 0, by keys; in evaluation all have the factor of their mean."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor, keys_N: Tensor | None = None) -> Tensor:
        """Map (N, C, H, W) to the same; `keys_N`, int64 in [0, 2**32), are what training drops by."""
        if not self.training:
            return x * (1 - self.rate)
        assert keys_N is not None, "training draws keys"
        return dropped(x, keys_N, self.rate)


def dropped(x: Tensor, keys_N: Tensor, rate: float) -> Tensor:
    """Return x (N, ...) with 0 in place of every number whose hash says so: the same on every device.

    Args:
        x: Some numbers of each sample.
        keys_N: A key of each sample, int64 in [0, 2**32): which numbers are dropped depends on it, and on
            the place of a number within its sample, alone.
        rate: The probability of each.
    """
    if has_torch_function((x, keys_N)):  # a batch in shards
        found: Tensor = handle_torch_function(dropped, (x, keys_N), x, keys_N, rate)
        return found
    places = torch.arange(x[0].numel(), device=x.device).view(1, *x.shape[1:])
    keys = keys_N.view(-1, *(1,) * (x.dim() - 1))
    kept: Tensor = randomness.uniform(randomness.fold(keys, places)) >= rate
    return x * kept


class BatchNorm2d(nn.BatchNorm2d):
    """torch's batch normalisation, whose batches somebody else may count.

    A kernel that adds 1 for each BN is a tenth of a small network's step on a GPU; whoever trains it can
    add to all counters at once (`TrainStep` does). Nothing here reads them.
    """

    counts_itself = True

    def forward(self, x: Tensor) -> Tensor:
        """Normalise as nn.BatchNorm2d does."""
        if self.counts_itself or not (self.training and self.track_running_stats):
            return super().forward(x)
        assert self.momentum is not None
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, True, self.momentum, self.eps
        )


def take_over_counting(model: nn.Module, still: Sequence[nn.Module]) -> list[Tensor]:
    """Have the BNs that see batches leave the counting of these to their caller; return their counters."""
    others = set(still)
    norms = [m for m in model.modules() if isinstance(m, BatchNorm2d) and m not in others]
    for norm in norms:
        norm.counts_itself = False
    return [norm.num_batches_tracked for norm in norms if norm.num_batches_tracked is not None]


class BiasedBatchNorm2d(BatchNorm2d):
    """Batch normalisation whose running variance averages biased batch variances."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise as nn.BatchNorm2d does; only the running variance differs.

        Into a copy, torch adds momentum * v * n / (n - 1) for a batch of variance v and n values
        a channel; scaling what was added by (n - 1) / n leaves momentum * v.
        """
        variance, count = self.running_var, self.num_batches_tracked
        if not (self.training and self.track_running_stats) or variance is None or count is None:
            return super().forward(x)
        assert self.momentum is not None
        copy, share = variance.clone(), x.shape[1] / x.numel()
        out = functional.batch_norm(
            x, self.running_mean, copy, self.weight, self.bias, True, self.momentum, self.eps
        )
        with torch.no_grad():
            variance.mul_(share * (1 - self.momentum)).add_(copy, alpha=1 - share)
            if self.counts_itself:
                count.add_(1)
        return out


def build(layer: plan.Layer, *, in_place: bool) -> nn.Module:
    """Return the layer's module, its parameters as torch makes them.

    Args:
        layer: The layer's description.
        in_place: Let an activation overwrite its input, which nothing else may need then.
    """
    match layer:
        case plan.Conv():
            sizes = (layer.in_channels, layer.out_channels, layer.kernel, layer.stride)
            if layer.kernel == 1 and layer.stride > 1 and layer.in_channels < _NARROW:
                return NarrowPointConv2d(*sizes, bias=layer.bias)
            if layer.padding == "same":
                return SameConv2d(*sizes, bias=layer.bias)
            return nn.Conv2d(*sizes, padding=layer.padding, bias=layer.bias)
        case plan.Norm():
            kind = BiasedBatchNorm2d if layer.biased_variance else BatchNorm2d
            norm = kind(layer.channels, eps=layer.eps, momentum=layer.momentum)
            if not layer.gamma:
                norm.register_parameter("weight", None)
            return norm
        case plan.Act():
            return nn.LeakyReLU(layer.slope, in_place) if layer.slope else nn.ReLU(in_place)
        case plan.Pool():
            return _build_pool(layer)
        case plan.PadChannels():
            return PadChannels(layer.before, layer.after)
        case plan.Scale():
            return Scale(layer.factor)
        case plan.Gate():
            taken, made = layer.in_channels, layer.out_channels
            return Gate(taken, made, layer.stride, is_exclusive=layer.is_exclusive)
        case plan.Dropout():
            return Dropout(layer.rate)
        case plan.Linear():
            return nn.Linear(layer.in_features, layer.out_features)


def _build_pool(pool: plan.Pool) -> nn.Module:
    if pool.kind == "global":
        return GlobalAveragePool()
    if pool.kind == "subsample":
        return Subsample(pool.stride)
    if pool.padding == "same":
        return SamePool2d(pool.kind, pool.kernel, pool.stride)
    if pool.zeros:
        return nn.Sequential(nn.ZeroPad2d(pool.padding), nn.MaxPool2d(pool.kernel, pool.stride))
    if pool.kind == "max":
        return nn.MaxPool2d(pool.kernel, pool.stride, pool.padding)
    return nn.AvgPool2d(pool.kernel, pool.stride, pool.padding, count_include_pad=False)


def place(root: nn.Module, path: str, module: nn.Module) -> None:
    """Register a module under a dotted path; numbered children stand in an nn.Sequential."""
    names = path.split(".")
    for parent, child in pairwise(names):
        if not hasattr(root, parent):
            root.add_module(parent, nn.Sequential() if child.isdigit() else nn.Module())
        root = getattr(root, parent)
    root.add_module(names[-1], module)


def at(root: nn.Module, path: str) -> nn.Module:
    """Return the module under a dotted path."""
    for name in path.split("."):
        root = getattr(root, name)
    return root


def build_chain(
    owner: nn.Module, layers: tuple[plan.Layer, ...], *, is_input_free: bool = False
) -> tuple[str, ...]:
    """Build the layers in `owner` and return their names, for `run_chain`.

    An activation overwrites its input except where it is the chain's first: others may read what
    comes in, unless `is_input_free`. The layers before it, convolution and BN, do not need their
    results for the gradient.
    """
    for index, layer in enumerate(layers):
        place(owner, layer.name, build(layer, in_place=index > 0 or is_input_free))
    return tuple(layer.name for layer in layers)


def run_chain(owner: nn.Module, names: tuple[str, ...], x: Tensor) -> Tensor:
    """Apply the named modules of `owner` one after another.

    By name and not by reference, so that a module that a user replaces is replaced.
    """
    for name in names:
        x = at(owner, name)(x)
    return x
