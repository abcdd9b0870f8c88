"""A shorter length than the recipe's own takes warm-up, milestones and the unmixed end with it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resnetlab.base.plaindata import to_json_bytes, to_plain
from resnetlab.base.units import Duration
from resnetlab.errors import UsageError
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import Resolution, override
from resnetlab.training.asking import Asked


def resolved(recipe: str, total: int = 50_000, **given: Any) -> Resolution:
    resolution = Resolution(named_recipe(recipe, 20))
    resolution.set_values(given, "flag")
    resolution.hold_out(total)
    resolution.follow_length(total)
    return resolution


def test_milestones_keep_their_share_of_a_shorter_run() -> None:
    shorter = resolved("he2015", length="6400st")
    assert shorter["milestones"] == (Duration(3200, "st"), Duration(4800, "st"))
    assert shorter.origins["milestones"] == "in proportion to 6400st"
    assert shorter.recipe.schedule.factors == named_recipe("he2015", 20).schedule.factors


def test_a_trial_of_two_steps_ends_before_its_milestones() -> None:
    assert resolved("torchvision-v1", length="2st").recipe.schedule == named_recipe("torchvision-v1").schedule


def test_a_warm_up_ends_within_a_run_of_less_than_its_length() -> None:
    """Of 15 epochs 2 are warm-up, of 30 steps 4."""
    assert resolved("quick", length="30st")["warmup"] == Duration(4, "st")


@pytest.mark.parametrize("length", ["64000st", "200ep"])
def test_a_run_as_long_or_longer_keeps_its_schedule(length: str) -> None:
    own = named_recipe("he2015", 20).schedule
    assert resolved("he2015", length=length).recipe.schedule == own


def test_what_is_given_stays() -> None:
    given = resolved("quick", length="30st", warmup="9st")
    assert given["warmup"] == Duration(9, "st") and given.origins["warmup"] == "flag"


def test_epochs_are_of_the_images_that_are_trained_on_and_of_the_batch_that_is_given() -> None:
    """Half of the images held out and batches of half the size: as many steps an epoch as without."""
    own = resolved("quick", length="3ep")
    other = resolved("quick", length="3ep", val=25_000, batch=64)
    assert other["warmup"] == own["warmup"] == Duration(round(2 / 15 * 3 * 50_000 / 128), "st")


@pytest.mark.parametrize("name", ["he2015", "mine"])
def test_a_recipe_that_is_given_whole_is_as_it_was_given(name: str, tmp_path: Path) -> None:
    recipe = replace(override(named_recipe("he2015", 20), {"length": Duration(10, "ep")}), name=name)
    (tmp_path / "recipe.json").write_bytes(to_json_bytes(to_plain(recipe)))
    for given in (recipe, str(tmp_path / "recipe.json"), str(tmp_path)):
        resolution = Asked(data="digits", recipe=given).resolve(20, "quick")
        resolution.follow_length(50_000)
        found = resolution.recipe
        assert (found.schedule, found.run.length) == (recipe.schedule, recipe.run.length), given


def test_a_shorter_run_than_one_that_was_made_takes_that_ones_schedule_with_it(tmp_path: Path) -> None:
    recipe = override(named_recipe("he2015", 20), {"lr": 0.2})
    (tmp_path / "recipe.json").write_bytes(to_json_bytes(to_plain(recipe)))
    asked = Asked(data="digits", recipe=str(tmp_path), values={"length": Duration(32_000, "st")})
    resolution = asked.resolve(20, "quick")
    resolution.follow_length(50_000)
    assert resolution["milestones"] == (Duration(16_000, "st"), Duration(24_000, "st"))
    assert resolution["lr"] == 0.2


def test_epochs_that_come_to_whole_ones_stay_epochs_and_cycles_count_their_short_batches() -> None:
    """Keras' 200 epochs of 1,250 and a short batch: the rate falls after 80, 120, 160 and 180."""
    own = named_recipe("keras").schedule.milestones
    shorter = resolved("keras", length="20ep")["milestones"]
    assert [(2 * own_.count / 20, own_.unit) for own_ in own] == [(each.count, each.unit) for each in shorter]
    odd = resolved("keras", total=40, length="30st")
    assert [round(each.count / 30, 1) for each in odd["milestones"]] == [
        round(each.count / 200, 1) for each in own
    ]


def test_values_in_yaml_are_texts_as_set_takes_them(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(
        "name: quick\nepochs: 4\ncompile: off\nnesterov: yes\nschedule:\n  lr: 1e-2\n  schedule: pieces\n"
        "  milestones: [1ep, 2ep]\n  factors: [0.1, 1e-2]\n"
    )
    resolution = Resolution(named_recipe("quick"))
    resolution.set_file(path)
    recipe: Recipe = resolution.recipe
    assert (recipe.execution.compile, recipe.schedule.lr, recipe.run.length) == (
        "off",
        0.01,
        Duration(4, "ep"),
    )
    assert recipe.schedule.milestones == (Duration(1, "ep"), Duration(2, "ep"))
    assert recipe.schedule.factors == (0.1, 0.01)


@pytest.mark.parametrize(
    "text",
    [
        "lr: [[1, 2]]",
        "a:\n  b:\n    c: 1",
        "- 1",
        "lr: !!python/object:os.system x\n: :",
        "lr: [0.1",
        "&a [*a]",
        "lr: 0.1\nlr: 0.2",
    ],
)
def test_yaml_that_holds_no_values_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "my.yml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"my\.yml|no setting"):
        Resolution(named_recipe("quick")).set_file(path)
