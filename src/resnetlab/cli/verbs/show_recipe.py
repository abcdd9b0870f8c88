"""`resnetlab show RECIPE`: every value of a recipe with its origin and meaning. Imports no torch."""

import argparse
from typing import Any

from resnetlab.base.plaindata import to_plain
from resnetlab.cli.resolve import split_settings
from resnetlab.cli.text import print_json
from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import named_recipe, recipe_doc
from resnetlab.recipe.settings import Resolution, leaf_help, leaves, recipe_hash


def named_resolution(options: argparse.Namespace, name: str) -> Resolution:
    """Return the recipe called `name`, as it is for `--model`, with the values of `--set`.

    Raises:
        UsageError: If a value cannot be, or belongs to a model.
    """
    texts, knobs = split_settings(options.set)
    depth = model_spec(options.model).depth if options.model else 0
    resolution = Resolution(named_recipe(name, depth))
    resolution.set_texts(texts, "flag")
    if knobs:
        raise UsageError(f"{name} is a recipe; {', '.join(knobs)} belongs to a model")
    return resolution


def print_recipe(options: argparse.Namespace, name: str) -> None:
    """Print the recipe in full."""
    resolution = named_resolution(options, name)
    if options.json:
        print_json(recipe_json(resolution.recipe, resolution.origins))
        return
    print(recipe_doc(name))
    print(recipe_text(resolution.recipe, resolution.origins))


def recipe_json(recipe: Recipe, origins: dict[str, str]) -> dict[str, Any]:
    """Return the recipe with its origins and its hash, as plain JSON types."""
    return {"recipe": to_plain(recipe), "origins": origins, "hash": recipe_hash(recipe)}


def recipe_text(recipe: Recipe, origins: dict[str, str]) -> str:
    """Return every value by its group, with its origin and meaning."""
    lines, group = [], ""
    for name, leaf in leaves(recipe).items():
        if leaf.group != group:
            group = leaf.group
            lines.append(f"\n{group}")
        lines.append(f"  {name:<22} {leaf.text or '-':<20} {origins[name]:<14} {leaf_help(recipe, name)}")
    return "\n".join(lines)
