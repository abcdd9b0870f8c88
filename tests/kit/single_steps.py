"""A small network, batches of noise, and the step that trains the one on the others."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from resnetlab import create_model
from resnetlab.base.share import Share
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.training.step.optim import build_optimizer
from resnetlab.training.step.shards import Reduce, alone
from resnetlab.training.step.steps import TrainStep
from tests.kit.small_runs import CPU


@dataclass
class Samples:
    """A batch as TrainStep takes it."""

    images: Tensor
    labels: Tensor
    labels_other: Tensor | None = None
    weight: float = 1.0
    elsewhere: int = 0

    @property
    def num_samples(self) -> int:
        return len(self.labels) + self.elsewhere


def samples(count: int = 12, seed: int = 0) -> Samples:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, 16, 16, generator=generator)
    return Samples(images, torch.randint(0, 10, (count,), generator=generator))


def stepper(
    model: nn.Module, *, share: Share | None = None, reduce: Reduce = alone, **changes: Any
) -> TrainStep:
    recipe = override(named_recipe("quick"), {"compile": "off"} | changes)
    execution = recipe.execution
    can_skip = execution.precision == "fp16" and not execution.loss_scale
    optimizer = build_optimizer(model, recipe.optimizer, can_skip=can_skip)
    return TrainStep(model, optimizer, recipe, CPU, share=share, reduce=reduce)


def small_model() -> nn.Module:
    return create_model("resnet8", seed=3, width=0.5)
