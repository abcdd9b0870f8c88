"""`resnetlab show A B`: what differs between two networks, recipes or runs. Imports no torch."""

import argparse
from typing import Any

from resnetlab.base.paths import user_path
from resnetlab.base.plaindata import to_plain
from resnetlab.cli.resolve import resolve_network
from resnetlab.cli.text import print_json
from resnetlab.cli.verbs.show_model import named_model, refuse_table_flags
from resnetlab.cli.verbs.show_recipe import named_resolution
from resnetlab.errors import UsageError
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import RECIPES
from resnetlab.recipe.settings import recipe_from_json
from resnetlab.runs.directory import is_run, open_run
from resnetlab.show.tables.differences import (
    differing_counts,
    differing_fields,
    differing_leaves,
    model_differences,
    recipe_differences,
)


def compare(options: argparse.Namespace, first: str, second: str) -> None:
    """Print what the second has instead of the first; of two runs network and recipe."""
    names = (first, second)
    refuse_table_flags(options, f"{first} and {second} are two")
    kinds = {_kind(name) for name in names}
    if kinds == {"model", "recipe"}:
        recipe, model = names if _kind(first) == "recipe" else (second, first)
        named_model(options, model)  # a name of nothing is the nearer mistake
        raise UsageError(
            f"{recipe} is a recipe and {model} a model", hint="Name two models, two recipes or two runs."
        )
    if "run" in kinds and (options.set or options.model):
        raise UsageError("--set and --model do not go with a run: it is what it is")
    content: dict[str, Any] = {}
    texts = {}
    if "recipe" not in kinds:
        specs = _network(options, first), _network(options, second)
        content |= differing_fields(*specs) | differing_counts(*specs)
        texts["network"] = model_differences(*specs, names)
    if "model" not in kinds:
        recipes = _recipe(options, first), _recipe(options, second)
        content |= {
            name: [to_plain(leaf.value) for leaf in pair] for name, pair in differing_leaves(*recipes).items()
        }
        texts["recipe"] = recipe_differences(*recipes, names)
    if options.json:
        print_json(content)
    elif len(texts) == 1:
        print(*texts.values())
    else:
        print("\n\n".join(f"{title}\n{text}" for title, text in texts.items()))


def _kind(name: str) -> str:
    if is_run(user_path(name)):
        return "run"
    return "recipe" if name in RECIPES else "model"


def _network(options: argparse.Namespace, name: str) -> ModelSpec:
    return resolve_network(name, {}) if is_run(user_path(name)) else named_model(options, name)


def _recipe(options: argparse.Namespace, name: str) -> Recipe:
    if is_run(user_path(name)):
        return recipe_from_json(open_run(user_path(name)).read("recipe"))
    return named_resolution(options, name).recipe
