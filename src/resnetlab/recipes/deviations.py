"""What a recipe changes in the named one that it comes from."""

from collections.abc import Collection

from resnetlab.recipe import Recipe
from resnetlab.recipes import list_recipes, named_recipe
from resnetlab.settings import leaves


def deviations(recipe: Recipe, depth: int, *, silent: Collection[str] = ()) -> dict[str, tuple[str, str]]:
    """Return the values that differ from the named recipe, by name: this one's text and that one's.

    Args:
        recipe: The recipe; one of no known name deviates from nothing.
        depth: Of its network.
        silent: Values that are not told.
    """
    if recipe.name not in list_recipes():
        return {}
    named = leaves(named_recipe(recipe.name, depth))
    return {
        name: (leaf.text or "none", named[name].text or "none")
        for name, leaf in leaves(recipe).items()
        if leaf.value != named[name].value and name not in silent
    }
