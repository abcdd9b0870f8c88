"""Named recipes. Each is a function of the network's depth, with its source in the docstring."""

import inspect
from collections.abc import Callable

from resnetlab.errors import UsageError, nearest
from resnetlab.recipe import Recipe
from resnetlab.recipes import originals, ours, papers

_RECIPES: dict[str, Callable[[int], Recipe]] = {
    "quick": ours.quick,
    "digits": ours.digits,
    "he2015": papers.he2015,
    "he2016": papers.he2016,
    "chaoji": originals.chaoji,
    "chaoji-tf2": originals.chaoji_tf2,
    "keras": originals.keras,
    "tfofficial-cifar": originals.tfofficial_cifar,
    "tfofficial-imagenet": originals.tfofficial_imagenet,
    "tfresearch": originals.tfresearch,
}


def list_recipes() -> list[str]:
    """Return the names of all recipes."""
    return list(_RECIPES)


def named_recipe(name: str, depth: int = 0) -> Recipe:
    """Return a recipe by its name, as it is for a network of this depth.

    Raises:
        UsageError: If there is no such recipe, with the nearest names.
    """
    return _find(name)(depth)


def default_recipe(data: str) -> str:
    """Return the recipe that data gets if none is named: the digits their own, the rest quick."""
    return "digits" if data == "digits" else "quick"


def recipe_doc(name: str) -> str:
    """Return what a recipe's author has to say: source, expected result, corrections."""
    return inspect.cleandoc(_find(name).__doc__ or "")


def _find(name: str) -> Callable[[int], Recipe]:
    if name not in _RECIPES:
        raise UsageError(
            f"no recipe is called {name!r}",
            hint=nearest(name, _RECIPES) or f"The recipes are {', '.join(_RECIPES)}.",
        )
    return _RECIPES[name]
