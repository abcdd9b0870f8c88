"""The ways in which steps could be made, and whether a run is long enough to try them: no measurement."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch

from resnetlab.data.feeding import Size
from resnetlab.native.graph import count_kinds, graph_of
from resnetlab.native.logits import obstacle_to_native
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import override
from resnetlab.training.planning import RunPlan
from resnetlab.training.recorded.capturing import step_operations
from resnetlab.training.recorded.deciding import KERNELS, multiplies_bf16, obstacle_to_one_graph
from resnetlab.training.step.device import obstacle_to_compile

_SHORT = 60.0
"""Seconds of a run, by `_RATE`, below which nothing is tried: it would end before it had paid for it."""

_RATE = 1e11
"""Floating-point operations a second and thread of a step. Eager in fp32 ResNet-20 makes 1.3e11 on Zen 5 with
AVX-512, a third of that on processors with AVX2 (docs/results.md): a rough one, so that no measurement says
whether one is made."""

_KIND_SECONDS = 1.2
"""Of one core, to compile a kind of convolution. Measured on Zen 5 with g++ 12: 0.8 to 2 s."""

_HOPED_FOR = 0.25
"""Share of its time that a run is expected to save at most where it must build kernels first."""


class Way(NamedTuple):
    """Kernels, as `Execution.compile` has them but for auto, and a number format."""

    compile: str
    precision: str

    @property
    def words(self) -> str:
        """What people call it."""
        return f"{KERNELS[self.compile]} in {self.precision}"


@dataclass(frozen=True, kw_only=True)
class Prospect:
    """What is known of a run when its steps are chosen."""

    spec: ModelSpec
    recipe: Recipe
    """As the rules decide it (`deciding`)."""
    left_open: frozenset[str]
    """Which of compile and precision nobody gave."""
    device: torch.device
    sizes: Mapping[Size, float]
    """Of the training images, each with its share of the steps."""
    samples: int
    """That the whole run sees, of all processes."""

    @classmethod
    def of(cls, plan: RunPlan) -> "Prospect":
        """Return what a plan says."""
        return cls(
            spec=plan.spec,
            recipe=plan.recipe,
            left_open=plan.left_open,
            device=plan.device,
            sizes=plan.training_sizes,
            samples=plan.timeline.samples_seen(plan.timeline.num_steps),
        )

    @classmethod
    def within(cls, minutes: float, plan: RunPlan, processes: int = 1) -> "Prospect":
        """Return what a plan says, but for its length: as many samples as minutes have, by arithmetic.

        Args:
            minutes: How many.
            plan: The run.
            processes: That make it together, each with as many threads as this one.
        """
        found = cls.of(plan)
        rate = _RATE * torch.get_num_threads() * processes / found.operations
        return replace(found, samples=round(60 * minutes * rate))

    @property
    def size(self) -> Size:
        """Of the largest training images, with which steps are tried."""
        return max(self.sizes)

    @property
    def operations(self) -> float:
        """Floating-point operations by which a sample is trained on, the mean over the run."""
        return sum(share * step_operations(self.spec, *size, 1) for size, share in self.sizes.items())

    @property
    def largest_samples(self) -> float:
        """How many of the largest images take as many operations as all samples of the run."""
        return self.samples * self.operations / step_operations(self.spec, *self.size, 1)

    @property
    def at_once(self) -> int:
        """How many samples a network is given at once: a microbatch of a shard."""
        execution = self.recipe.execution
        return max(1, self.recipe.run.batch // (execution.shards * execution.accumulate))

    @property
    def squared(self) -> ModelSpec:
        """The network for images so large."""
        return self.spec.with_(input_size=max(self.size))

    @property
    def can_be_compiled(self) -> bool:
        """Whether torch.compile could make the steps, and nobody gave others."""
        is_open = "compile" in self.left_open
        return is_open and not obstacle_to_compile(self.device) and not obstacle_to_one_graph(self.recipe)

    def recipe_for(self, way: Way, **changes: Any) -> Recipe:
        """Return the recipe, made in this way."""
        return override(self.recipe, {"compile": way.compile, "precision": way.precision, **changes})


def ways_of(prospect: Prospect) -> list[Way]:
    """Return the ways that can be tried, the usual one first; on a CPU alone, for elsewhere rules decide.

    What torch.compile makes is not tried: its first step takes 20 s and more.
    """
    given = prospect.recipe.execution
    if prospect.device.type != "cpu":
        return []
    precisions = [given.precision]
    if "precision" in prospect.left_open and multiplies_bf16():
        precisions = ["fp32", "bf16"]
    kernels = ["off", "native"] if "compile" in prospect.left_open else [given.compile.replace("on", "off")]
    ways = [Way(each, precision) for each in kernels for precision in precisions]
    return [way for way in ways if way.compile == "off" or not _obstacle(prospect, way)]


def _obstacle(prospect: Prospect, way: Way) -> str:
    return obstacle_to_native(prospect.squared, prospect.recipe_for(way), prospect.device, prospect.sizes)


def is_worth_trying(prospect: Prospect, ways: list[Way], threads: int) -> bool:
    """Whether a run is long enough to pay for trying, by arithmetic alone: each time the same.

    Args:
        prospect: The run.
        ways: That would be tried.
        threads: Of all its processes.
    """
    seconds = prospect.operations * prospect.samples / (_RATE * threads)
    precisions = {way.precision for way in ways if way.compile == "native"}
    building = 0.0
    if precisions:
        keeps = bool(prospect.spec.stochastic_depth)
        kinds = count_kinds(graph_of(prospect.spec.plan(), *prospect.size, keeps=keeps))
        building = kinds * len(precisions) * len(prospect.sizes) * _KIND_SECONDS / threads
    return seconds >= _SHORT and _HOPED_FOR * seconds > building
