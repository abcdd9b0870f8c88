"""`resnetlab show`. Imports no torch."""

import argparse
import shlex

from resnetlab.base.paths import user_path
from resnetlab.cli.resolve import resolve_network
from resnetlab.cli.text import print_json
from resnetlab.cli.verbs.compare import compare
from resnetlab.cli.verbs.show_model import given_table_flags, named_model, print_model, refuse_table_flags
from resnetlab.cli.verbs.show_recipe import print_recipe, recipe_json, recipe_text
from resnetlab.errors import UsageError
from resnetlab.recipe.named import RECIPES, named_recipe
from resnetlab.recipe.settings import leaves, recipe_from_json
from resnetlab.runs.directory import CONTINUES, RunDirectory, is_run, open_run, runs_in
from resnetlab.runs.journal import read_rows


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
    elif is_run(user_path(names[0])):
        _show_run(options, open_run(user_path(names[0])))
    elif names[0] in RECIPES:
        refuse_table_flags(options, f"{names[0]} is a recipe")
        print_recipe(options, names[0])
    elif runs_in(user_path(names[0])):
        command = f"resnetlab report {shlex.quote(names[0])}"
        raise UsageError(f"{names[0]} is no run, it holds some", hint=f"`{command}` tells of all of them.")
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
    named = leaves(named_recipe(recipe.name, spec.depth)) if recipe.name in RECIPES else {}
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
    if run.continues:
        print(f"  goes on   {run.read(CONTINUES).get('text')}")
    print(f"  state     {'finished' if run.is_finished else 'unfinished: resnetlab resume ' + str(run.path)}")
    print(recipe_text(recipe, origins))
