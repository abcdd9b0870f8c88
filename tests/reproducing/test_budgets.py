"""A budget makes the whole of a recipe shorter, never less than one epoch, and never in silence."""

import pytest

from resnetlab.base.units import Duration
from resnetlab.errors import UsageError
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.schedule import LearningRate
from resnetlab.recipe.settings import override
from resnetlab.recipe.timeline import Timeline
from resnetlab.reproducing.budgets import BUDGETS, budget_of
from resnetlab.reproducing.datasets import DATASETS
from resnetlab.reproducing.described import recipe_of
from resnetlab.reproducing.named import REPRODUCTIONS
from resnetlab.reproducing.reproduction import Row

CIFAR = 50_000
ROWS = {f"{each.name}/{row.name}": row for each in REPRODUCTIONS.values() for row in each.rows}


def test_a_tenth_of_the_first_papers_recipe_is_a_tenth_of_all_of_it() -> None:
    changes = budget_of("tenth").changes(named_recipe("he2015", 110), CIFAR)

    assert changes == {
        "length": Duration(6_400, "st"),
        "warmup": Duration(40, "st"),
        "milestones": (Duration(3_200, "st"), Duration(4_800, "st")),
        "eval_every": Duration(1, "ep"),
    }


def test_full_changes_nothing() -> None:
    assert budget_of("full").changes(named_recipe("keras", 20), CIFAR) == {}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
@pytest.mark.parametrize("budget", ["half", "tenth"])
def test_at_each_share_of_the_run_the_rate_is_that_of_the_whole_one(row: Row, budget: str) -> None:
    whole, samples = recipe_of(row), DATASETS[row.data].train
    short = override(whole, budget_of(budget).changes(whole, samples))
    rates = []
    for recipe in (whole, short):
        run = recipe.run
        timeline = Timeline(
            num_samples=samples, batch=run.batch, length=run.length, cycle_epochs=run.cycle_epochs
        )
        rate = LearningRate(recipe.schedule, timeline)
        rates.append([rate.at(round(timeline.num_steps * share / 97)) for share in range(97)])

    # Whole steps: a tenth of ImageNet's 25,025 steps of warm-up, and of where in it, is up to a step off.
    step_of_warmup = max(rates[1]) / 2_502 if row.data == "imagenet" else None
    assert rates[0] == pytest.approx(rates[1], abs=step_of_warmup)


def test_evaluations_keep_their_number_as_far_as_there_are_epochs() -> None:
    changes = budget_of("tenth").changes(named_recipe("tfofficial-cifar", 56), CIFAR)
    assert changes["eval_every"] == Duration(1, "ep")  # of 10, of 182 epochs
    changes = budget_of("half").changes(named_recipe("tfofficial-cifar", 56), CIFAR)
    assert changes["eval_every"] == Duration(5, "ep")


def test_less_than_one_epoch_is_refused_with_what_it_would_be() -> None:
    short = override(named_recipe("quick", 20), {"length": Duration(9, "ep")})
    with pytest.raises(
        UsageError, match=r"tenth: 352 steps of 128 images are less than one epoch"
    ) as refused:
        budget_of("tenth").changes(short, CIFAR)
    assert "--budget full, half, smoke" in refused.value.hint
    assert budget_of("half").changes(short, CIFAR)["length"].count == 1_758


def test_smoke_is_two_epochs_whatever_the_recipe() -> None:
    for name in ("he2015", "keras", "tfofficial-cifar", "tfresearch"):
        recipe = named_recipe(name, 20)
        steps = BUDGETS["smoke"].changes(recipe, 1_438)["length"].count
        assert 2 * 1_438 <= steps * recipe.run.batch < 2 * 1_438 + recipe.run.batch


def test_an_unknown_budget_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="no budget is called 'tent'") as refused:
        budget_of("tent")
    assert "tenth" in refused.value.hint and "full, half, tenth, smoke" in refused.value.hint
