"""The programs that gpu.py measures: ours and others', each a function that makes so many steps.

Nothing here is another project's code. Where a peer's package is not installed, its loop is stated anew:
`published_loop` does, step for step, what akamaster/pytorch_resnet_cifar10's train() does.
"""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor, nn

from resnetlab import create_model
from resnetlab.base.machine.rates import synchronise
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import override
from resnetlab.training.recorded.programs import StepProgram
from resnetlab.training.recorded.recording import Recorder
from resnetlab.training.speed import training
from resnetlab.training.step.steps import autocast

Steps = Callable[[int], None]
CIFAR_SIZE = 50_000


def ours(spec: ModelSpec, recipe: Recipe, device: torch.device, num_samples: int) -> Steps:
    """Return our training, as `resnetlab train` does it with this recipe."""
    program = training(spec, recipe, device, num_samples=num_samples).program
    return program.run


def ours_together(
    spec: ModelSpec, recipe: Recipe, device: torch.device, num_samples: int, seeds: int
) -> Steps:
    """Return our training of several seeds at once, as `resnetlab train --seeds` does it: a stream for each.

    A step is one of every seed.
    """
    pool = ThreadPoolExecutor(seeds)

    def at_once(work: Callable[[int], Any]) -> list[Any]:
        return list(pool.map(work, range(seeds)))

    def make(index: int) -> tuple[StepProgram, Any]:
        stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        seeded = override(recipe, {"seed": index})
        with torch.cuda.stream(stream):
            program = training(spec, seeded, device, num_samples=num_samples).program
        return program, stream

    made = at_once(make)

    def steps(number: int) -> None:
        def run(index: int) -> None:
            program, stream = made[index]
            with torch.cuda.stream(stream):
                program.run(number)
                synchronise(device)

        at_once(run)

    return steps


def _try_algorithms(device: torch.device) -> None:
    """Switch on cuDNN's choice among its algorithms, as ours, akamaster's and every good loop do."""
    torch.backends.cudnn.benchmark = device.type == "cuda"


def resident_loop(
    model: nn.Module, batch: int, side: int, classes: int, device: torch.device, *, compiled: bool
) -> Steps:
    """Return a good loop written by hand: all on the device, bf16, channels_last, fused SGD, no waiting.

    Cheaper than ours in what it augments: images are flipped one by one, but shifted all alike.
    """
    _try_algorithms(device)
    model = model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    forward: Any = torch.compile(model, dynamic=False) if compiled else model
    optimizer = torch.optim.SGD(
        model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4, nesterov=True, fused=True
    )
    count = max(4 * batch, CIFAR_SIZE) if side <= 32 and device.type == "cuda" else 4 * batch
    pixels = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, device=device)
    labels = torch.randint(0, classes, (count,), device=device)

    def steps(number: int) -> None:
        for _ in range(number):
            chosen = torch.randint(0, count, (batch,), device=device)
            images = pixels[chosen].float().div_(255).sub_(0.5).mul_(4.0)
            flips = torch.rand(batch, 1, 1, 1, device=device) < 0.5
            images = torch.where(flips, images.flip(3), images).roll((1, -2), (2, 3))
            images = images.to(memory_format=torch.channels_last)
            with autocast(device, "bf16"):
                logits = forward(images)
            F.cross_entropy(logits.float(), labels[chosen]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return steps


class Pictures(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Random pictures of 32 x 32, flipped, cropped and normalised one by one, through Pillow."""

    def __init__(self, count: int) -> None:
        noise = np.random.default_rng(0)
        self._pixels = noise.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        self._labels = noise.integers(0, 10, count)

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self._pixels[index])
        if torch.rand(1) < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        left, top = torch.randint(0, 9, (2,)).tolist()
        picture = ImageOps.expand(picture, 4).crop((left, top, left + 32, top + 32))
        tensor = torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous().float().div(255)
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        return (tensor - mean[:, None, None]) / std[:, None, None], int(self._labels[index])


def published_loop(spec: ModelSpec, batch: int, device: torch.device, *, workers: int = 4) -> Steps:
    """Return what akamaster/pytorch_resnet_cifar10's train() does, as published: fp32, eager, a DataLoader.

    4 workers and pinned memory; SGD as torch makes it by default; after every step the loss and the
    accuracy are fetched from the device for its running means.
    """
    _try_algorithms(device)
    model = create_model(spec, seed=0).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    criterion = nn.CrossEntropyLoss().to(device)
    loader = torch.utils.data.DataLoader(
        Pictures(CIFAR_SIZE if device.type == "cuda" else 4 * batch),
        batch_size=batch,
        shuffle=True,
        num_workers=workers,
        pin_memory=device.type == "cuda",
    )
    batches: Iterator[Any] = itertools.chain.from_iterable(iter(loader) for _ in itertools.count())
    sums = [0.0, 0.0]

    def steps(number: int) -> None:
        for images, target in itertools.islice(batches, number):
            images, target = images.to(device), target.to(device, non_blocking=True)
            output = model(images)
            loss = criterion(output, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            first = output.float().topk(1, 1, True, True).indices.t()
            correct = first.eq(target.view(1, -1).expand_as(first)).reshape(-1).float().sum()
            sums[0] += loss.item() * len(images)
            sums[1] += correct.item()

    return steps


def inference(
    model: nn.Module, batch: int, side: int, device: torch.device, *, compiled: bool, captured: bool
) -> Steps:
    """Return evaluation of a resident batch in bf16, channels_last."""
    _try_algorithms(device)
    model = model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    forward: Any = torch.compile(model, dynamic=False) if compiled else model
    images = torch.randn(batch, 3, side, side, device=device).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def once() -> None:
        with autocast(device, "bf16"):
            forward(images)

    if captured:
        recorder = Recorder(device)
        with recorder.warming_up():
            for _ in range(3):
                once()
        once = recorder.record(once, 1)

    def steps(number: int) -> None:
        for _ in range(number):
            once()

    return steps


def foreign_model(package: str, name: str) -> nn.Module:
    """Return torchvision's or timm's network of this name.

    Raises:
        ImportError: If the package is not installed.
    """
    if package == "torchvision":
        from torchvision import models

        network: nn.Module = getattr(models, name)(weights=None)
        return network
    import timm

    made: nn.Module = timm.create_model(name)
    return made
