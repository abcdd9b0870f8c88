"""A recipe of another length: all that follows the length keeps its share."""

import pytest

from resnetlab.base.units import Duration
from resnetlab.recipe.named import list_recipes, named_recipe
from resnetlab.recipe.proportion import in_proportion
from resnetlab.recipe.settings import override

SAMPLES = 50_000


def test_what_follows_the_length_keeps_its_share_of_it() -> None:
    """64,000 steps of 128, a tenth of the rate from 32,000 and 48,000 on."""
    he = override(named_recipe("he2015"), {"warmup": Duration(400, "st"), "mix_tail": Duration(20, "ep")})
    assert he.run.length == Duration(64_000, "st")
    values = in_proportion(he, SAMPLES, 6_400)
    assert values["length"] == Duration(6_400, "st")
    assert values["warmup"] == Duration(40, "st")
    assert values["milestones"] == (Duration(3_200, "st"), Duration(4_800, "st"))
    assert values["mix_tail"] == Duration(round(20 * SAMPLES / 128 / 10), "st")
    assert in_proportion(he, SAMPLES, 6_400, kept=["warmup", "milestones"]).keys() == {"length", "mix_tail"}


@pytest.mark.parametrize("name", list_recipes())
@pytest.mark.parametrize("steps", [400, 5_000, 123_456])
def test_every_named_recipe_can_be_made_of_any_length(name: str, steps: int) -> None:
    """Milestones still rise, and the recipe is one that can be."""
    recipe = named_recipe(name, 20)
    scaled = override(recipe, in_proportion(recipe, SAMPLES, steps))
    assert scaled.run.length == Duration(steps, "st")
    assert scaled.schedule.factors == recipe.schedule.factors and scaled.schedule.lr == recipe.schedule.lr
