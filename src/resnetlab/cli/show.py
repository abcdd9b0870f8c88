"""`resnetlab list` and `resnetlab show`. Imports no torch."""

import argparse
from pathlib import Path
from typing import Any

from resnetlab.catalog import families, list_models, model_spec
from resnetlab.cli.resolve import resolve_model, split_settings
from resnetlab.cli.text import block, print_json, table
from resnetlab.data.names import SOURCES
from resnetlab.errors import UsageError, nearest
from resnetlab.plaindata import to_plain
from resnetlab.recipe import Recipe
from resnetlab.recipes import list_recipes, named_recipe, recipe_doc
from resnetlab.runs.directory import RunDirectory, open_run
from resnetlab.runs.journal import read_rows
from resnetlab.settings import Resolution, leaf_help, leaves, recipe_from_json, recipe_hash
from resnetlab.spec import ModelSpec
from resnetlab.units import format_count


def list_names(options: argparse.Namespace) -> None:
    """Print the names of models, recipes and datasets."""
    parts = {"models": _list_models, "recipes": _list_recipes, "data": _list_data}
    wanted = [options.what] if options.what else list(parts)
    if options.json:
        names = {"models": list_models(), "recipes": list_recipes(), "data": list(SOURCES)}
        print_json({name: names[name] for name in wanted})
        return
    print("\n\n".join(parts[name]() for name in wanted))


def _list_models() -> str:
    sections = []
    for family, names in families().items():
        rows = []
        for spec in map(model_spec, names):
            published = spec.published_parameters
            rows.append(
                (
                    f"  {spec.name}",
                    f"{spec.num_parameters:,}",
                    format_count(published) if published else "",
                    format_count(spec.num_multiply_adds()),
                    f"{spec.input_size}x{spec.input_size}",
                )
            )
        sections.append(table((family, "parameters", "published", "multiply-adds", "images"), rows))
    others = "Other depths are accepted too (resnet26, preresnet29_bottleneck, ...)."
    return "\n\n".join([*sections, others])


def _list_recipes() -> str:
    first_lines = {name: recipe_doc(name).splitlines()[0] for name in list_recipes()}
    return "recipes\n" + block(first_lines)


def _list_data() -> str:
    return "data\n" + block(dict(SOURCES) | {"PATH": "CIFAR-10 or -100, binary or python, folder or .tar.gz"})


def show(options: argparse.Namespace) -> None:
    """Print a model, a recipe or a run in full."""
    name = options.name
    if (Path(name) / "recipe.json").exists():
        _show_run(options, open_run(Path(name)))
    elif name in list_recipes():
        _show_recipe(options)
    else:
        _show_model(options)


def _show_model(options: argparse.Namespace) -> None:
    recipe_texts, knobs = split_settings(options.set)
    if options.model:
        raise UsageError("--model goes with a recipe")
    try:
        model_spec(options.name)
    except UsageError as error:
        known = [*list_recipes(), *list_models()]
        raise UsageError(
            f"no model, recipe or run is called {options.name!r}",
            hint=error.hint if "depth" in str(error) else nearest(options.name, known) or error.hint,
        ) from error
    spec = resolve_model(options.name, knobs)
    if recipe_texts:
        raise UsageError(f"{options.name} is a model; {', '.join(recipe_texts)} belongs to a recipe")
    if options.json:
        counts = {"parameters": spec.num_parameters, "multiply_adds": spec.num_multiply_adds()}
        print_json(spec.to_json() | counts)
    else:
        print(spec)


def _show_recipe(options: argparse.Namespace) -> None:
    texts, knobs = split_settings(options.set)
    depth = model_spec(options.model).depth if options.model else 0
    resolution = Resolution(named_recipe(options.name, depth))
    resolution.set_texts(texts, "flag")
    if knobs:
        raise UsageError(f"{options.name} is a recipe; {', '.join(knobs)} belongs to a model")
    if options.json:
        print_json(_recipe_json(resolution.recipe, resolution.origins))
        return
    print(recipe_doc(options.name))
    print(_recipe_text(resolution.recipe, resolution.origins))


def _recipe_json(recipe: Recipe, origins: dict[str, str]) -> dict[str, Any]:
    return {"recipe": to_plain(recipe), "origins": origins, "hash": recipe_hash(recipe)}


def _recipe_text(recipe: Recipe, origins: dict[str, str]) -> str:
    lines, group = [], ""
    for name, leaf in leaves(recipe).items():
        if leaf.group != group:
            group = leaf.group
            lines.append(f"\n{group}")
        lines.append(f"  {name:<22} {leaf.text or '-':<20} {origins[name]:<14} {leaf_help(recipe, name)}")
    return "\n".join(lines)


def _show_run(options: argparse.Namespace, run: RunDirectory) -> None:
    if options.set or options.model:
        raise UsageError("--set and --model do not go with a run: it is what it is")
    recipe = recipe_from_json(run.read("recipe"))
    spec = ModelSpec.from_json(run.read("spec"))
    named = leaves(named_recipe(recipe.name, spec.depth)) if recipe.name in list_recipes() else {}
    origins = {
        name: f"recipe {recipe.name}" if name in named and named[name].value == leaf.value else "this run"
        for name, leaf in leaves(recipe).items()
    }
    if options.json:
        result = run.read("RESULT") if run.is_finished else None
        print_json(_recipe_json(recipe, origins) | {"model": spec.to_json(), "result": result})
        return
    print(spec)
    data = run.read("data")
    print(f"  data      {data['name']}, fingerprint {data['fingerprint'][:12]}")
    rows = [row for row in read_rows(run.metrics) if row["kind"] != "train"]
    if rows:
        last = rows[-1]
        print(f"  last      step {last['step']:,}: {100 * last['accuracy']:.2f} % on {last['kind']}")
    print(f"  state     {'finished' if run.is_finished else 'unfinished: resnetlab resume ' + str(run.path)}")
    print(_recipe_text(recipe, origins))
