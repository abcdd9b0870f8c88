"""`resnetlab list` and `resnetlab show`. Imports no torch."""

import argparse
from pathlib import Path

from resnetlab.catalog import families, list_models, model_spec
from resnetlab.cli.compare import compare
from resnetlab.cli.resolve import is_run, resolve_network
from resnetlab.cli.show_model import given_table_flags, named_model, print_model, refuse_table_flags
from resnetlab.cli.show_recipe import print_recipe, recipe_json, recipe_text
from resnetlab.cli.text import block, print_json
from resnetlab.data.names import SOURCES
from resnetlab.errors import UsageError
from resnetlab.recipes import list_recipes, named_recipe, recipe_doc
from resnetlab.runs.directory import RunDirectory, open_run
from resnetlab.runs.journal import read_rows
from resnetlab.settings import leaves, recipe_from_json
from resnetlab.tables.align import table
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
    """Print a model, a recipe or a run in full, or what differs between two."""
    names = options.names
    if len(names) > 2:
        raise UsageError(
            f"{len(names)} names: {', '.join(names)}",
            hint="`resnetlab show` takes one name, or two to tell what differs.",
        )
    if len(names) == 2:
        compare(options, *names)
    elif is_run(names[0]):
        _show_run(options, open_run(Path(names[0])))
    elif names[0] in list_recipes():
        refuse_table_flags(options, f"{names[0]} is a recipe")
        print_recipe(options, names[0])
    else:
        print_model(options, named_model(options, names[0]))


def _show_run(options: argparse.Namespace, run: RunDirectory) -> None:
    """Print the run, or the table of its network's layers if a flag asks for one."""
    if options.set or options.model:
        raise UsageError("--set and --model do not go with a run: it is what it is")
    spec = resolve_network(str(run.path), {})
    if given_table_flags(options):
        print_model(options, spec)
        return
    recipe = recipe_from_json(run.read("recipe"))
    named = leaves(named_recipe(recipe.name, spec.depth)) if recipe.name in list_recipes() else {}
    origins = {
        name: f"recipe {recipe.name}" if name in named and named[name].value == leaf.value else "this run"
        for name, leaf in leaves(recipe).items()
    }
    if options.json:
        result = run.read("RESULT") if run.is_finished else None
        print_json(recipe_json(recipe, origins) | {"model": spec.to_json(), "result": result})
        return
    print(spec)
    data = run.read("data")
    print(f"  data      {data['name']}, fingerprint {data['fingerprint'][:12]}")
    rows = [row for row in read_rows(run.metrics) if row["kind"] != "train"]
    if rows:
        last = rows[-1]
        print(f"  last      step {last['step']:,}: {100 * last['accuracy']:.2f} % on {last['kind']}")
    print(f"  state     {'finished' if run.is_finished else 'unfinished: resnetlab resume ' + str(run.path)}")
    print(recipe_text(recipe, origins))
