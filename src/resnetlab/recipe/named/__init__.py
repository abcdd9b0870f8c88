"""Named recipes. Each is a function of the network's depth, with its source in the docstring."""

import inspect
from collections.abc import Callable

from resnetlab.base.registry import Registry
from resnetlab.errors import UsageError
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import modern, originals, ours, papers, records

RECIPES: Registry[Callable[[int], Recipe]] = Registry(
    "recipe",
    {
        name: make
        for module in (ours, papers, records, originals, modern)
        for name, make in module.RECIPES.items()
    },
)


def list_recipes() -> list[str]:
    """Return the names of all recipes."""
    return RECIPES.names()


def named_recipe(name: str, depth: int = 0) -> Recipe:
    """Return a recipe by its name, as it is for a network of this depth.

    Raises:
        UsageError: If there is no such recipe, with the nearest names, or it is none.
    """
    make = RECIPES.find(name)
    with RECIPES.doing(name, f"be made for {depth} layers"):
        recipe = make(depth)
    if not isinstance(recipe, Recipe):
        raise UsageError(f"the recipe {name!r} is a {type(recipe).__name__}, and no resnetlab.Recipe")
    return recipe.renamed(name)


def default_recipe(data: str, *, reads_files: bool = False) -> str:
    """Return the recipe that data gets if none is named: photos, the digits' own, or quick.

    Args:
        data: A dataset's name or path.
        reads_files: Whether its images are files that are read as they are needed.
    """
    if reads_files:
        return "photos"
    return "digits" if data == "digits" else "quick"


def recipe_doc(name: str) -> str:
    """Return what a recipe's author has to say: source, expected result, corrections."""
    return inspect.cleandoc(RECIPES.find(name).__doc__ or "")
