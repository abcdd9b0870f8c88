"""A training loop in plain torch, as one writes it by hand: a peer of cpu.py. Nothing of resnetlab.

    python benchmarks/peer_training.py resnet20 --memory channels_last --compile --bf16

A step: the batch's images, uint8 in memory, each cropped out of its padded self and half of them mirrored;
to float, normalised; forward, cross-entropy, backward; SGD with momentum and weight decay (torch's fused
one); gradients set to None. bf16 is autocast. Prints the images of every step, see telling.py.
"""

import argparse
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plain_network import KINDS, plain_network
from telling import repeat

PADDING = 4


class Images:
    """Random images in memory, of which batches are made as torchvision's transforms would make them."""

    def __init__(self, count: int, side: int, classes: int, memory: torch.memory_format) -> None:
        self._side, self._memory = side, memory
        pixels = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)
        self._padded = F.pad(pixels, (PADDING,) * 4)
        self._labels = torch.randint(0, classes, (count,))
        self._mean = torch.tensor([0.4914, 0.4822, 0.4465]).view(3, 1, 1)
        self._std = torch.tensor([0.2470, 0.2435, 0.2616]).view(3, 1, 1)
        self._order = torch.empty(0, dtype=torch.int64)

    def next(self, batch: int) -> tuple[Tensor, Tensor]:
        """Return the next batch's images and labels."""
        if len(self._order) < batch:
            self._order = torch.randperm(len(self._labels))
        chosen, self._order = self._order[:batch], self._order[batch:]
        places = torch.randint(0, 2 * PADDING + 1, (batch, 2)).tolist()
        side = self._side
        crops = [
            self._padded[index, :, top : top + side, left : left + side]
            for index, (top, left) in zip(chosen.tolist(), places, strict=True)
        ]
        images = torch.stack(crops)
        images = torch.where(torch.rand(batch, 1, 1, 1) < 0.5, images.flip(3), images)
        floats = images.float().div_(255).sub_(self._mean).div_(self._std)
        return floats.contiguous(memory_format=self._memory), self._labels[chosen]


def training(
    model: nn.Module,
    images: Images,
    batch: int,
    memory: torch.memory_format,
    *,
    is_bf16: bool,
    compiles: bool,
) -> Callable[[int], None]:
    """Return what makes a step."""
    model = model.train().to(memory_format=memory)  # type: ignore[call-overload]
    forward: Callable[[Tensor], Tensor] = torch.compile(model) if compiles else model
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4, fused=True)

    def step(index: int) -> None:
        inputs, labels = images.next(batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
            loss = F.cross_entropy(forward(inputs), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("network", choices=KINDS)
    parser.add_argument("--side", type=int, default=32, help="of the images in pixels (default: 32)")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--images", type=int, default=2048, help="in memory (default: 2048)")
    parser.add_argument("--memory", choices=("contiguous", "channels_last"), default="contiguous")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--steps", type=int, default=0, help="0, the default, trains for ever")
    options = parser.parse_args()
    torch.manual_seed(0)
    memory = torch.channels_last if options.memory == "channels_last" else torch.contiguous_format
    images = Images(max(options.images, options.batch), options.side, options.classes, memory)
    step = training(
        plain_network(options.network, options.classes), images, options.batch, memory,
        is_bf16=options.bf16, compiles=options.compile,
    )  # fmt: skip
    repeat(step, options.batch, options.steps, compiles=options.compile)


if __name__ == "__main__":
    main()
