"""A long run of a network of two kinds of convolutions, and what is remembered of its steps."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from resnetlab.base.machine.remembered import remembered
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.training.choosing.trying import Answer, question
from resnetlab.training.choosing.ways import Prospect, Way, ways_of
from resnetlab.training.planning import RunPlan, make_plan
from tests.kit.small_runs import CPU, small_recipe, small_source

LONG = "2000000st"
"""Steps of eight images that take longer than a minute on any machine."""


def one_unit(name: str = "one-unit") -> ModelSpec:
    """Return a stem and a unit of 16 channels."""
    one = model_spec("resnet8").with_(classes=3, blocks=(1,), strides=(1,), widths=(16,), out_channels=(16,))
    return replace(one, name=name)


def long_plan(spec: ModelSpec | None = None, **changes: Any) -> RunPlan:
    """Return a long run that leaves kernels and number format to the machine."""
    values = {"compile": "auto", "precision": "auto", "length": LONG, "accumulate": 1} | changes
    return make_plan(spec or one_unit(), small_source(), "small", small_recipe(**values), CPU)


def remember(plan: RunPlan, rates: Sequence[float], refused: str = "wrong", processes: int = 1) -> list[Way]:
    """Have it remembered that the ways of a run, which are returned, have these rates; 0 where refused."""
    prospect = Prospect.of(plan)
    ways = ways_of(prospect)
    answer: Answer = [
        {"way": list(way), "rate": rate, "refused": "" if rate else refused}
        for way, rate in zip(ways, rates, strict=True)
    ]
    assert remembered("steps", question(prospect, ways, processes), lambda: answer) == answer
    return ways
