"""What gpu.py measures, the most important first: networks, batches, targets and who is compared."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from gpu_ways import (
    CIFAR_SIZE,
    Steps,
    foreign_model,
    inference,
    ours,
    ours_together,
    published_loop,
    resident_loop,
)
from resnetlab import create_model
from resnetlab.base.units import Duration
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override


@dataclass(frozen=True)
class Contestant:
    """A program to be measured."""

    name: str
    batch: int
    make: Callable[[], Steps]
    seconds: float
    """About what making it takes: it is not begun with less time left. A guess until it was measured."""
    target: float = 0.0
    first_steps: int = 30


@dataclass(frozen=True)
class Group:
    """Programs that do the same work, timed in turns."""

    title: str
    contestants: list[Contestant]


@dataclass(frozen=True)
class _Maker:
    """Makes contestants, small ones in a smoke test."""

    device: torch.device
    is_smoke: bool

    def spec(self, name: str) -> ModelSpec:
        """The network, or in a smoke test a tiny one."""
        spec = model_spec(name)
        if not self.is_smoke:
            return spec
        is_photo = spec.stem == "imagenet"
        return (
            model_spec("resnet18").with_(width=0.25, input_size=64)
            if is_photo
            else (model_spec("resnet8").with_(width=0.25))
        )

    def batch(self, batch: int) -> int:
        """The batch, or in a smoke test a tiny one."""
        return 8 if self.is_smoke else batch

    @property
    def first_steps(self) -> int:
        """Steps that count as making a program: they compile, record, and fill the queues."""
        return 5 if self.is_smoke else 30

    def ours(
        self, name: str, batch: int, target: float, seconds: float, *, seeds: int = 1, **changes: str
    ) -> Contestant:
        """Our training with changes of the recipe, e.g. capture="off"; of several seeds at once."""
        spec, batch = self.spec(name), self.batch(batch)
        is_photo = spec.stem == "imagenet"
        recipe = override(
            named_recipe("torchvision-v1" if is_photo else "he2015", spec.depth),
            {"precision": "bf16", "batch": batch, "length": Duration(10_000_000, "st"),
             "compile": "off" if self.is_smoke else "on", "capture": "on"} | changes,
        )  # fmt: skip
        num_samples = 16 * batch if is_photo or self.is_smoke else CIFAR_SIZE
        words = {"compile": "compiled", "capture": "captured"}
        switches = vars(recipe.execution)
        how = ", ".join(word if switches[key] == "on" else f"not {word}" for key, word in words.items())
        make = partial(ours, spec, recipe, self.device, num_samples)
        if seeds > 1:
            make = partial(ours_together, spec, recipe, self.device, num_samples, seeds)
            how += f", {seeds} seeds at once"
        return Contestant(f"ours, {how}", batch * seeds, make, seconds, target, self.first_steps)

    def loop(self, name: str, batch: int, seconds: float, package: str = "") -> Contestant:
        """A plain torch.compile loop, of our network or of another package's."""
        spec, batch = self.spec(name), self.batch(batch)

        def make() -> Steps:
            model = foreign_model(package, name) if package else create_model(spec, seed=0)
            side = spec.input_size
            return resident_loop(model, batch, side, spec.classes, self.device, compiled=not self.is_smoke)

        title = f"{package or 'our network'}, plain torch.compile loop"
        return Contestant(title, batch, make, seconds, first_steps=self.first_steps)

    def published(self, name: str, batch: int) -> Contestant:
        """The published loop that most others start from."""
        workers = 0 if self.is_smoke else 4
        make = partial(published_loop, self.spec(name), self.batch(batch), self.device, workers=workers)
        return Contestant(
            "akamaster's loop, restated", self.batch(batch), make, 15, first_steps=self.first_steps
        )

    def inference(self, name: str, batch: int, target: float, package: str = "") -> Contestant:
        """Evaluation of a batch that lies on the device."""
        spec, batch = self.spec(name), self.batch(batch)

        def make() -> Steps:
            model = foreign_model(package, name) if package else create_model(spec, seed=0)
            compiled = not self.is_smoke
            return inference(model, batch, spec.input_size, self.device, compiled=compiled, captured=True)

        title = f"{package or 'ours'}, compiled, captured"
        return Contestant(title, batch, make, 40, target, self.first_steps)


def groups(device: torch.device, *, is_smoke: bool) -> list[Group]:
    """Return everything to be measured. Targets: docs/gpu.md."""
    of = _Maker(device, is_smoke)
    others = () if is_smoke else ("torchvision", "timm")
    small = "resnet20"
    found = [
        Group("ResNet-20 training, batch 128", [
            of.ours(small, 128, 300_000, 60),
            of.published(small, 128),
            of.loop(small, 128, 40),
            of.ours(small, 128, 0, 20, compile="off"),
            of.ours(small, 128, 0, 40, capture="off"),
        ]),
        Group("ResNet-20 training, batch 128, seeds at once", [
            of.ours(small, 128, 450_000, 40, seeds=8),
            of.ours(small, 128, 0, 30, seeds=4),
        ]),
        Group("ResNet-50 training, 224, batch 256", [
            of.ours("resnet50", 256, 5_500, 90),
            *(of.loop("resnet50", 256, 70, package) for package in others),
        ]),
        Group("ResNet-56 training, batch 128", [of.ours("resnet56", 128, 160_000, 90)]),
        Group("ResNet-20 training, batch 512", [of.ours(small, 512, 450_000, 50), of.loop(small, 512, 40)]),
        Group("ResNet-50 inference, 224, batch 256", [
            of.inference("resnet50", 256, 20_000),
            *(of.inference("resnet50", 256, 0, package) for package in others),
        ]),
        Group("ResNet-18 training, 224, batch 512", [
            of.ours("resnet18", 512, 30_000, 60),
            *(of.loop("resnet18", 512, 40, package) for package in others),
        ]),
        Group("ResNet-110 training, batch 128", [of.ours("resnet110", 128, 80_000, 150)]),
    ]  # fmt: skip
    return [found[0], found[1], found[2], found[5]] if is_smoke else found
