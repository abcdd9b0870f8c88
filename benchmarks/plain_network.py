"""The residual networks of the CPU's table as one would write them in plain torch; nothing of resnetlab.

Names of modules are torchvision's, so that weights can be exchanged: tests/benchmarks holds these networks
against ours.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Kind:
    """What a network is built of."""

    counts: tuple[int, ...]
    """Blocks of each stage."""
    width: int
    """Channels of the first stage."""
    is_bottleneck: bool = False
    has_small_stem: bool = True
    pads: bool = False
    """Shortcuts that change the shape are every second pixel and zero channels, else 1x1 convolutions, BN."""


KINDS = {
    "resnet8": Kind((1, 1, 1), 16, pads=True),
    "resnet20": Kind((3, 3, 3), 16, pads=True),
    "resnet56": Kind((9, 9, 9), 16, pads=True),
    "resnet110": Kind((18, 18, 18), 16, pads=True),
    "resnet18-small": Kind((2, 2, 2, 2), 64),
    "resnet50": Kind((3, 4, 6, 3), 64, is_bottleneck=True, has_small_stem=False),
}


def plain_network(name: str, classes: int) -> nn.Module:
    """Return the network of this name."""
    return PlainResNet(KINDS[name], classes)


class PlainResNet(nn.Module):
    """He et al., 2015."""

    def __init__(self, kind: Kind, classes: int) -> None:
        super().__init__()
        channels = kind.width
        stem = nn.Conv2d(3, channels, 3, 1, 1, bias=False)
        self.conv1 = stem if kind.has_small_stem else nn.Conv2d(3, channels, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.pool = nn.Identity() if kind.has_small_stem else nn.MaxPool2d(3, 2, 1)
        block: type[BasicBlock | Bottleneck] = Bottleneck if kind.is_bottleneck else BasicBlock
        stages = []
        for stage, count in enumerate(kind.counts):
            width = kind.width * 2**stage
            blocks = []
            for index in range(count):
                stride = 2 if stage and not index else 1
                blocks.append(block(channels, width, stride, pads=kind.pads))
                channels = width * block.expansion
            stages.append(nn.Sequential(*blocks))
        for number, each in enumerate(stages, start=1):
            self.add_module(f"layer{number}", each)
        self._stages = tuple(f"layer{number}" for number in range(1, len(stages) + 1))
        self.fc = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, K) of images (N, 3, H, W)."""
        x = self.pool(F.relu(self.bn1(self.conv1(x)), inplace=True))
        for name in self._stages:
            x = getattr(self, name)(x)
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def _shortcut(into: int, out: int, stride: int, *, pads: bool) -> nn.Module:
    if stride == 1 and into == out:
        return nn.Identity()
    if pads:
        return PaddedShortcut(stride, (out - into) // 2)
    return nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))


class PaddedShortcut(nn.Module):
    """Every `stride`-th pixel, with zero channels on both sides."""

    def __init__(self, stride: int, channels: int) -> None:
        super().__init__()
        self.stride, self.channels = stride, channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the wider, smaller map."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.channels, self.channels))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions."""

    expansion = 1

    def __init__(self, into: int, width: int, stride: int, *, pads: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(into, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(into, width, stride, pads=pads)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's map."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.downsample(x), inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3 with the stride, 1x1 to four times the width."""

    expansion = 4

    def __init__(self, into: int, width: int, stride: int, *, pads: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(into, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _shortcut(into, 4 * width, stride, pads=pads)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's map."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y + self.downsample(x), inplace=True)
