"""Which rates are tried: of the run's own schedule a warm-up, all else as it is; and what is refused."""

from typing import Any

import pytest

from resnetlab.base.units import Duration
from resnetlab.errors import UsageError
from resnetlab.recipe.schedule import LearningRate
from resnetlab.recipe.settings import leaves
from resnetlab.training.planning import RunPlan
from resnetlab.training.range_test.rise import Rise
from tests.kit.small_runs import small_plan


def rates_of(rise: Rise, plan: RunPlan) -> list[float]:
    tried = rise.of(plan)
    rate = LearningRate(tried.recipe.schedule, tried.timeline)
    return [rate.at(step) for step in range(rise.points)]


def test_rates_rise_by_equal_factors_from_end_to_end() -> None:
    found = rates_of(Rise(low=1e-3, high=10.0, points=41), small_plan())

    assert found == pytest.approx([1e-3 * 10 ** (step / 10) for step in range(41)])


def test_or_by_equal_differences_as_in_the_paper() -> None:
    found = rates_of(Rise(low=0.1, high=4.1, points=41, form="linear"), small_plan())

    assert found == pytest.approx([0.1 + step / 10 for step in range(41)])


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({"lr": 0.1}, (1e-4, 10)),
        ({"lr": 0.05}, (1e-4, 10)),
        ({"lr": 2e-3}, (1e-6, 0.1)),
        ({"lr": 0.5, "lr_batch": 80}, (1e-4, 10)),  # a batch of 8 gets 0.05
    ],
)
def test_what_is_left_open_follows_the_recipes_rate(
    changes: dict[str, Any], ends: tuple[float, float]
) -> None:
    assert Rise().between(small_plan(**changes)) == pytest.approx(ends)


def test_the_run_stays_as_it_is_but_for_the_rate() -> None:
    plan = small_plan(length="90st", schedule="cosine", warmup="9st")
    tried = Rise(points=40).of(plan)
    ours, theirs = leaves(plan.recipe), leaves(tried.recipe)

    differing = {name for name in ours if ours[name].value != theirs[name].value}
    assert differing == {"schedule", "lr", "warmup", "warmup_form", "warmup_from"}
    assert Rise(points=100).of(plan).recipe.run.length == Duration(100, "st")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"low": 1.0, "high": 0.1}, "rise from 1 to 0.1.*\nExchange the two"),
        ({"low": 1.0, "high": 1.0}, "rise from 1 to 1"),
        ({"low": 50.0}, "rise from 50 to 10.*\nGive both ends.*about 0.1"),
        ({"high": 1e-6}, "rise from 0.0001 to 1e-06"),
        ({"low": 0.0}, "low=0: a learning rate is above 0"),
        ({"low": -1.0}, "low=-1"),
        ({"high": float("inf")}, "high=inf"),
        ({"high": float("nan")}, "high=nan"),
        ({"points": 19}, "points=19: .*\nAt least 20"),
        ({"points": 0}, "points=0"),
        ({"form": "cubic"}, "rise is one of exponential, linear, got 'cubic'"),
    ],
)
def test_rates_that_cannot_be_are_refused(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Rise(**asked).between(small_plan())
