"""The recipe that minutes make where none is named."""

import pytest
import torch

from resnetlab.network.catalog import model_spec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.training.asking import Asked, recipe_by_minutes
from resnetlab.training.planning import make_plan
from tests.kit.small_runs import CPU, small_source


def test_minutes_take_the_recipe_that_was_looked_for_with_them_in_mind() -> None:
    asked = Asked(data="cifar10", minutes=10, device="cpu")
    assert asked.resolve(20, "quick").name == "timed"
    assert asked.resolve(20, "digits").name == "digits"
    assert Asked(data="cifar10", minutes=10, recipe="he2015").resolve(20, "quick").name == "he2015"
    assert Asked(data="cifar10").resolve(20, "quick").name == "quick"


@pytest.mark.parametrize("name", ["resnet20", "resnet56", "preresnet20", "plain20", "resnet18"])
def test_it_suits_every_kind_of_network_that_gets_it(name: str) -> None:
    spec = model_spec(name).with_(classes=3)
    recipe = override(named_recipe("timed", spec.depth), {"batch": 8})
    plan = make_plan(spec, small_source(), "small", recipe, CPU)
    assert [*plan.training_sizes] == [(12, 12), (16, 16)]


def test_by_minutes_images_keep_their_size_on_cuda() -> None:
    """A step whose size changes cannot be recorded there."""
    found = {kind: recipe_by_minutes("quick", torch.device(kind)) for kind in ("cpu", "cuda", "mps")}

    assert found == {"cpu": "timed", "cuda": "quick-muon", "mps": "timed"}
    assert recipe_by_minutes("photos", torch.device("cuda")) == "photos"
    small, own = (named_recipe(found[kind], 20) for kind in ("cpu", "cuda"))
    assert override(small, {"shrink": 1.0}).renamed("quick-muon") == own
