"""The families' equations in plain NumPy, restated from the papers and reference section 1.

Knows nothing of specifications and plans: weights are read by name, everything is float64.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from resnetlab.models import ResNet

Array = npt.NDArray[np.float64]


def same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME: ceil(size / stride) results, the odd pixel of padding goes after."""
    total = max((int(np.ceil(size / stride)) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def windows(x: Array, kernel: int, stride: int, pads: list[tuple[int, int]], fill: float) -> Array:
    x = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill)
    return sliding_window_view(x, (kernel, kernel), axis=(2, 3))[:, :, ::stride, ::stride]


def pool_3_2(x: Array, is_same: bool) -> Array:
    pads = [same(size, 3, 2) if is_same else (1, 1) for size in x.shape[2:]]
    found: Array = windows(x, 3, 2, pads, -np.inf).max((4, 5))
    return found


def subsample_and_pad(x: Array, stride: int, channels: int) -> Array:
    return pad_channels(x[:, :, ::stride, ::stride], channels)


def average_and_pad(x: Array, stride: int, channels: int) -> Array:
    pads = [(0, 0), (0, 0)]
    return pad_channels(windows(x, stride, stride, pads, 0.0).mean((4, 5)), channels)


def pad_channels(x: Array, channels: int) -> Array:
    half = (channels - x.shape[1]) // 2
    return np.pad(x, [(0, 0), (half, half), (0, 0), (0, 0)])


class Net:
    """Weights by name, the mode, and the running statistics after a training pass."""

    def __init__(
        self, model: ResNet, *, eps: float, decay: float, slope: float = 0, biased: bool = False
    ) -> None:
        self.state = {key: value.numpy().copy() for key, value in model.state_dict().items()}
        self.is_training = model.training
        self.eps, self.decay, self.slope, self.biased = eps, decay, slope, biased
        self.is_same = False
        self.updates: dict[str, Array] = {}

    def has(self, path: str) -> bool:
        return f"{path}.weight" in self.state

    def units(self, stage: str) -> range:
        keys = [key for key in self.state if key.startswith(f"{stage}.")]
        return range(1 + max(int(key[len(stage) + 1 :].split(".")[0]) for key in keys))

    def conv(self, path: str, x: Array, stride: int = 1) -> Array:
        weight = self.state[f"{path}.weight"]
        kernel = weight.shape[2]
        pads = [(kernel // 2, kernel // 2)] * 2
        if self.is_same:
            pads = [same(size, kernel, stride) for size in x.shape[2:]]
        patches = windows(x, kernel, stride, pads, 0.0)
        y: Array = np.einsum("nchwij,ocij->nohw", patches, weight, optimize=True)
        bias = self.state.get(f"{path}.bias")
        return y if bias is None else y + bias[:, None, None]

    def bn(self, path: str, x: Array, decay: float | None = None) -> Array:
        mean, var = self.state[f"{path}.running_mean"], self.state[f"{path}.running_var"]
        if self.is_training:
            decay, count = decay or self.decay, x.size // x.shape[1]
            old = mean, var
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
            kept = var if self.biased else var * count / (count - 1)
            self.updates[f"{path}.running_mean"] = decay * old[0] + (1 - decay) * mean
            self.updates[f"{path}.running_var"] = decay * old[1] + (1 - decay) * kept
        gamma = self.state.get(f"{path}.weight", np.ones_like(mean))
        scale = gamma / np.sqrt(var + self.eps)
        shift = self.state[f"{path}.bias"] - mean * scale
        found: Array = x * scale[:, None, None] + shift[:, None, None]
        return found

    def act(self, x: Array) -> Array:
        return np.where(x > 0, x, self.slope * x)

    def bn_act(self, path: str, x: Array, decay: float | None = None) -> Array:
        return self.act(self.bn(path, x, decay))

    def head(self, path: str, x: Array) -> Array:
        weight, bias = self.state[f"{path}.weight"], self.state[f"{path}.bias"]
        found: Array = x.mean((2, 3)) @ weight.T + bias
        return found


Family = Callable[[Net, Array], Array]


def post_stem(net: Net, x: Array, imagenet: bool, same_pool: bool = False) -> Array:
    x = net.bn_act("bn1", net.conv("conv1", x, 2 if imagenet else 1))
    return pool_3_2(x, same_pool) if imagenet else x


Join = Callable[[Net, str, Array, Array, Array, int], Array]
"""Makes of network, unit, branch, shortcut, the unit's input and stride what the last ReLU is given."""


def added(net: Net, unit: str, branch: Array, shortcut: Array, x: Array, stride: int) -> Array:
    return branch + shortcut


def halved(net: Net, unit: str, branch: Array, shortcut: Array, x: Array, stride: int) -> Array:
    """He et al., 2016, Table 1, constant scaling."""
    return 0.5 * branch + 0.5 * shortcut


def gated(*, exclusive: bool) -> Join:
    """He et al., 2016, section 3.1: g = sigmoid(W x + b), on the branch too if it is exclusive."""

    def join(net: Net, unit: str, branch: Array, shortcut: Array, x: Array, stride: int) -> Array:
        g = 1 / (1 + np.exp(-net.conv(f"{unit}.downsample.gate", x, stride)))
        return (g * branch if exclusive else branch) + (1 - g) * shortcut

    return join


def post(
    *,
    imagenet: bool = False,
    bottleneck: bool = False,
    v15: bool = False,
    option: str = "B",
    join: Join = added,
) -> Family:
    """He et al., 2015: conv-BN-ReLU, the last ReLU after the addition; options A, B, C, plain."""

    def forward(net: Net, x: Array) -> Array:
        x = post_stem(net, x, imagenet, same_pool=option == "official")
        for stage in range(1, 5 if imagenet else 4):
            for index in net.units(f"layer{stage}"):
                unit = f"layer{stage}.{index}"
                stride = 2 if stage > 1 and index == 0 else 1
                first = stride if not (bottleneck and v15) else 1
                y = net.bn_act(f"{unit}.bn1", net.conv(f"{unit}.conv1", x, first))
                if bottleneck:
                    y = net.conv(f"{unit}.conv2", y, stride if v15 else 1)
                    y = net.bn_act(f"{unit}.bn2", y)
                    y = net.bn(f"{unit}.bn3", net.conv(f"{unit}.conv3", y))
                else:
                    y = net.bn(f"{unit}.bn2", net.conv(f"{unit}.conv2", y))
                shortcut = post_shortcut(net, option, unit, x, stride, y.shape[1], index)
                x = net.act(join(net, unit, y, shortcut, x, stride))
        return net.head("fc", x)

    return forward


def post_shortcut(
    net: Net, option: str, unit: str, x: Array, stride: int, channels: int, index: int
) -> Array:
    if option == "plain":
        return np.zeros(())
    changes = stride > 1 or x.shape[1] != channels
    if option == "A":
        return subsample_and_pad(x, stride, channels)
    if option == "C" or (option == "official" and index == 0) or changes:
        projected = net.conv(f"{unit}.downsample.0", x, stride)
        return projected if option == "keras" else net.bn(f"{unit}.downsample.1", projected)
    return x


def pre(
    *,
    imagenet: bool = False,
    bottleneck: bool = False,
    stride_on_first: bool = False,
    same_pool: bool = False,
    preact_decay: float | None = None,
    shortcut: Callable[[Net, str, Array, Array, int, int], Array],
) -> Family:
    """Pre-activation: BN-ReLU before every convolution, and once more at the end."""

    def forward(net: Net, x: Array) -> Array:
        x = net.conv("stem.conv", x, 2 if imagenet else 1)
        x = pool_3_2(x, same_pool) if imagenet else x
        for stage in range(4 if imagenet else 3):
            for index in net.units(f"stages.{stage}.blocks"):
                unit = f"stages.{stage}.blocks.{index}"
                stride = 2 if stage > 0 and index == 0 else 1
                p = net.bn_act(f"{unit}.norm1", x, preact_decay)
                y = net.conv(f"{unit}.conv1", p, stride if stride_on_first or not bottleneck else 1)
                second = stride if bottleneck and not stride_on_first else 1
                y = net.conv(f"{unit}.conv2", net.bn_act(f"{unit}.norm2", y), second)
                if bottleneck:
                    y = net.conv(f"{unit}.conv3", net.bn_act(f"{unit}.norm3", y))
                x = y + shortcut(net, unit, x, p, stride, y.shape[1])
        return net.head("head.fc", net.bn_act("norm", x, preact_decay))

    return forward


def is_very_first(unit: str) -> bool:
    return unit == "stages.0.blocks.0"


def paper_basic(net: Net, unit: str, x: Array, p: Array, stride: int, channels: int) -> Array:
    """He et al., 2016, appendix: the first activation stands before the first split."""
    return subsample_and_pad(p if is_very_first(unit) else x, stride, channels)


def preact_projection(net: Net, unit: str, x: Array, p: Array, stride: int, channels: int) -> Array:
    """Projections are pre-activated and have no BN."""
    path = f"{unit}.downsample.conv"
    return net.conv(path, p, stride) if net.has(path) else x


def averaged(net: Net, unit: str, x: Array, p: Array, stride: int, channels: int) -> Array:
    """chao-ji and research: average pooling and zero channels; pre-activated in the very first."""
    return average_and_pad(p if is_very_first(unit) else x, stride, channels)


def research_projection(net: Net, unit: str, x: Array, p: Array, stride: int, c: int) -> Array:
    """Research: a projection where the channels change, raw but in the very first unit."""
    source = p if is_very_first(unit) else x
    return net.conv(f"{unit}.downsample.conv", source, stride) if x.shape[1] != c else x


def nothing(net: Net, unit: str, x: Array, p: Array, stride: int, channels: int) -> Array:
    return np.zeros(())


def ablation(kind: str, *, bottleneck: bool) -> Family:
    """He et al., 2016, Fig. 4 (b), (c), (d), spelt out for one unit each."""

    def unit_4b(net: Net, unit: str, convs: list[int], x: Array, stride: int) -> Array:
        y = x
        for i in convs:
            y = net.conv(f"{unit}.conv{i}", y, stride if i == 1 else 1)
            y = net.bn_act(f"{unit}.bn{i}", y) if i < convs[-1] else y
        return net.bn_act(f"{unit}.bn{convs[-1]}", y + skip(net, unit, x, stride, y.shape[1]))

    def unit_4c(net: Net, unit: str, convs: list[int], x: Array, stride: int) -> Array:
        y = x
        for i in convs:
            y = net.bn_act(f"{unit}.bn{i}", net.conv(f"{unit}.conv{i}", y, stride if i == 1 else 1))
        return y + skip(net, unit, x, stride, y.shape[1])

    def unit_4d(net: Net, unit: str, convs: list[int], x: Array, stride: int) -> Array:
        y = x
        for i in convs:
            y = net.conv(f"{unit}.conv{i}", net.act(y), stride if i == 1 else 1)
            y = net.bn(f"{unit}.bn{i}", y)
        source = net.act(x) if net.has(f"{unit}.downsample.0") else x
        return y + skip(net, unit, source, stride, y.shape[1])

    def skip(net: Net, unit: str, x: Array, stride: int, channels: int) -> Array:
        if not bottleneck:
            return subsample_and_pad(x, stride, channels)
        if x.shape[1] == channels:
            return x
        projected = net.conv(f"{unit}.downsample.0", x, stride)
        return projected if kind == "b" else net.bn(f"{unit}.downsample.1", projected)

    run = {"b": unit_4b, "c": unit_4c, "d": unit_4d}[kind]

    def forward(net: Net, x: Array) -> Array:
        x = post_stem(net, x, imagenet=False)
        for stage in (1, 2, 3):
            for index in net.units(f"layer{stage}"):
                stride = 2 if stage > 1 and index == 0 else 1
                x = run(net, f"layer{stage}.{index}", [1, 2, 3] if bottleneck else [1, 2], x, stride)
        return net.head("fc", net.act(x) if kind == "d" else x)

    return forward


def keras_v2(net: Net, x: Array) -> Array:
    """cifar10_resnet.py, resnet_v2: three BN-ReLU-conv layers, the very first conv alone."""
    x = net.bn_act("stem.norm", net.conv("stem.conv", x))
    for stage in range(3):
        for index in net.units(f"stages.{stage}.blocks"):
            unit, stride = f"stages.{stage}.blocks.{index}", 2 if stage > 0 and index == 0 else 1
            y = x if stage == index == 0 else net.bn_act(f"{unit}.norm1", x)
            y = net.conv(f"{unit}.conv1", y, stride)
            y = net.conv(f"{unit}.conv2", net.bn_act(f"{unit}.norm2", y))
            y = net.conv(f"{unit}.conv3", net.bn_act(f"{unit}.norm3", y))
            x = (net.conv(f"{unit}.downsample.conv", x, stride) if index == 0 else x) + y
    return net.head("head.fc", net.bn_act("norm", x))
