"""`resnetlab show`: a model, a recipe, a reproduction, a run or an ONNX file, or what differs between two.

Imports no torch.
"""

import argparse
import sys
from dataclasses import asdict
from typing import Any

from resnetlab.base.paths import as_word, user_path
from resnetlab.base.plaindata import to_plain
from resnetlab.cli.flags import add_set
from resnetlab.cli.output import block, print_json
from resnetlab.cli.resolve import parse_size, resolve_model, resolve_network, split_settings
from resnetlab.cli.verb import set_up
from resnetlab.errors import UsageError, nearest
from resnetlab.network.catalog import list_models, model_spec, wide_ones
from resnetlab.network.layers import image_size
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import RECIPES, named_recipe, recipe_doc
from resnetlab.recipe.settings import Resolution, leaf_help, leaves, recipe_from_json, recipe_hash
from resnetlab.runs.directory import CONTINUES, RunDirectory, is_run, meant_run, open_run, runs_in
from resnetlab.runs.journal import read_rows
from resnetlab.show.tables.align import text_width, titled
from resnetlab.show.tables.differences import (
    differing_counts,
    differing_fields,
    differing_leaves,
    model_differences,
    recipe_differences,
)
from resnetlab.show.tables.rows import Layout, arranged, check_batch, layer_rows, row_json
from resnetlab.show.tables.text import summary
from resnetlab.watching.fitting import filled
from resnetlab.watching.sight import sight_of

_EXAMPLES = """examples:
  resnetlab show resnet110          a network and its layers, equal units folded
  resnetlab show resnet50 --full --batch 32 --input-size 192x256
  resnetlab show resnet50_v1 resnet50                    what differs, in words
  resnetlab show he2015             a recipe, every value with its meaning
  resnetlab show he2015 --model resnet110 --set lr=0.2
  resnetlab show he2015-figure6     a published figure, to be made here: rows, numbers, lengths
  resnetlab show runs/RUN           a run: how good, its curve, what differs from its recipe
  resnetlab show net.onnx           an ONNX file: which network, how good, its graph
"""
_TABLE_FLAGS = ("full", "markdown", "layout", "batch", "input_size")
_BATCH = 128
_ARTICLES = {"reproduction": "a reproduction", "ONNX file": "an ONNX file"}


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `show` its flags."""
    set_up(parser, show, _EXAMPLES)
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="a model, a recipe, a reproduction, the directory of a run or an ONNX file; two to tell what"
        " differs",
    )
    parser.add_argument("--model", help="for a recipe: as it is for this model")
    parser.add_argument(
        "--full",
        action="store_true",
        help="every layer (default: equal units once); of a run, its whole recipe",
    )
    parser.add_argument(
        "--input-size", metavar="N|HxW", help="for images of this size (default: the model's)"
    )
    parser.add_argument("--batch", type=int, metavar="N", help="memory for N images (default: 128)")
    parser.add_argument(
        "--layout", choices=("NCHW", "NHWC"), help="order of the shapes' axes (default: NCHW)"
    )
    parser.add_argument("--markdown", action="store_true", help="a table in GitHub's Markdown")
    add_set(parser)


def show(options: argparse.Namespace) -> None:
    """Print a model, a recipe or a run in full, or what differs between two."""
    name, *others = options.names
    if len(others) > 1:
        raise UsageError(
            f"{len(options.names)} names: {', '.join(options.names)}",
            hint="`resnetlab show` takes one name, or two to tell what differs.",
        )
    if others:
        _compare(options, name, others[0])
    elif (kind := _kind(name)) == "run":
        _print_run(options, open_run(user_path(name)))
    elif kind == "reproduction":
        _refuse_table_flags(options, f"{name} is a reproduction")
        _print_reproduction(options, name)
    elif kind == "recipe":
        _refuse_table_flags(options, f"{name} is a recipe")
        _print_recipe(options, name)
    elif kind == "ONNX file":
        _refuse_table_flags(options, f"{name} is a file")
        _print_onnx(options, name)
    elif runs_in(user_path(name)):
        command = f"resnetlab report {as_word(name)}"
        raise UsageError(f"{name} is no run, it holds some", hint=f"`{command}` tells of all of them.")
    else:
        _print_model(options, _named_model(options, name))


def _kind(name: str) -> str:
    if is_run(user_path(name)):
        return "run"
    if _is_reproduction(name):
        return "reproduction"
    if name.lower().endswith(".onnx"):
        return "ONNX file"
    return "recipe" if name in RECIPES else "model"


def _is_reproduction(name: str) -> bool:
    from resnetlab.reproducing.named import REPRODUCTIONS

    return name in REPRODUCTIONS


def _print_reproduction(options: argparse.Namespace, name: str) -> None:
    """Print what a reproduction consists of."""
    from resnetlab.reproducing.described import reproduction_json, reproduction_text
    from resnetlab.reproducing.named import reproduction

    if options.set or options.model:
        raise UsageError(f"--set and --model do not go with {name}: `resnetlab reproduce` takes --set")
    found = reproduction(name)
    if options.json:
        print_json(reproduction_json(found))
    else:
        print(reproduction_text(found, sight_of(sys.stdout).columns))


def _print_onnx(options: argparse.Namespace, name: str) -> None:
    """Print which network an ONNX file of ours is, and of any its graph."""
    from resnetlab.trained.artefact.card import description_rows
    from resnetlab.trained.artefact.model import from_texts, is_ours
    from resnetlab.trained.artefact.onnx_contents import read_onnx_contents

    if options.set or options.model:
        raise UsageError(f"--set and --model do not go with {name}: it is what it is")
    found = read_onnx_contents(user_path(name))
    own = from_texts(found.texts, name) if is_ours(found.texts) else None
    if options.json:
        told = {key: value for key, value in asdict(found).items() if key != "texts"}
        described: dict[str, Any] = {"metadata": found.texts}
        if own:
            described = {"model": own.spec.to_json(), "classes": own.class_names, "facts": dict(own.facts)}
        print_json({"is_ours": own is not None} | described | told)
        return
    print(f"{name}: an ONNX file that {'resnetlab exported' if own else 'another program has made'}")
    rows = (description_rows(own) if own else found.texts) | found.rows()
    print(block(rows, columns=sight_of(sys.stdout).columns))
    if own:
        print(f"\n`resnetlab predict {as_word(name)} IMAGE` and `eval --data DATA` run it.")
    else:
        print("\nIt does not say which network it is, and is not run here. `resnetlab import` reads weights.")


def _given_table_flags(options: argparse.Namespace) -> list[str]:
    """Return the flags given that say how a table of layers looks, as they are typed."""
    return [
        f"--{name.replace('_', '-')}" for name in _TABLE_FLAGS if getattr(options, name) not in (None, False)
    ]


def _refuse_table_flags(options: argparse.Namespace, reason: str) -> None:
    """Raise UsageError if a flag of the table of layers was given; `reason` says why there is none."""
    if given := _given_table_flags(options):
        raise UsageError(
            f"{', '.join(given)}: for the layer table of one model only; {reason}",
            hint="E.g. resnetlab show resnet20 --full",
        )


def _named_model(options: argparse.Namespace, name: str) -> ModelSpec:
    """Return the model called `name`, with the knobs of `--set`.

    Raises:
        UsageError: If there is none, or a flag belongs to a recipe.
    """
    recipe_texts, knobs = split_settings(options.set)
    if options.model:
        raise UsageError("--model goes with a recipe")
    try:
        model_spec(name)
    except UsageError as error:
        from resnetlab.reproducing.named import REPRODUCTIONS

        if len((path := user_path(name)).parts) > 1:
            raise UsageError(f"no run at {path}, and no file", hint=meant_run(path)) from error
        known = [*RECIPES.names(), *list_models(), *REPRODUCTIONS]
        raise UsageError(
            f"no model, recipe, reproduction or run is called {name!r}",
            hint=error.hint
            if "depth" in str(error)
            else wide_ones(name) or nearest(name, known) or meant_run(path) or error.hint,
        ) from error
    if recipe_texts:
        raise UsageError(f"{name} is a model; {', '.join(recipe_texts)} belongs to a recipe")
    return resolve_model(name, knobs)


def _print_model(options: argparse.Namespace, spec: ModelSpec) -> None:
    """Print the network and the table of its layers."""
    if options.json and options.markdown:
        raise UsageError("--json and --markdown exclude each other")
    height, width = parse_size(options.input_size) if options.input_size else (None, None)
    batch = _BATCH if options.batch is None else options.batch
    layout: Layout = options.layout or "NCHW"
    if options.json:
        check_batch(batch)
        height, width = image_size(spec.input_size, height, width)
        rows = layer_rows(spec, full=options.full, height=height, width=width)
        print_json(
            spec.to_json()
            | {"parameters": spec.num_parameters, "multiply_adds": spec.num_multiply_adds(height, width)}
            | {"layout": layout, "input": arranged((spec.in_channels, height, width), layout), "batch": batch}
            | {"layers": [row_json(row, batch=batch, layout=layout) for row in rows]}
        )
        return
    columns = sight_of(sys.stdout).columns
    print(
        summary(
            spec,
            full=options.full,
            height=height,
            width=width,
            batch=batch,
            markdown=options.markdown,
            layout=layout,
            columns=columns,
        )
    )
    if not options.markdown:
        knobs = f"--set NAME=VALUE; resnetlab show {spec.name} --json has the names"
        print(titled(f"{'knobs':<13}  ", knobs, width=text_width(columns)))


def _named_resolution(options: argparse.Namespace, name: str) -> Resolution:
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


def _print_recipe(options: argparse.Namespace, name: str) -> None:
    """Print the recipe in full."""
    resolution = _named_resolution(options, name)
    if options.json:
        print_json(_recipe_json(resolution.recipe, resolution.origins))
        return
    print(filled(recipe_doc(name), sight_of(sys.stdout).columns))
    print(_recipe_text(resolution.recipe, resolution.origins))


def _recipe_json(recipe: Recipe, origins: dict[str, str]) -> dict[str, Any]:
    """Return the recipe with its origins and its hash, as plain JSON types."""
    return {"recipe": to_plain(recipe), "origins": origins, "hash": recipe_hash(recipe)}


def _recipe_text(recipe: Recipe, origins: dict[str, str]) -> str:
    """Return every value by its group, with its origin and meaning."""
    groups: dict[str, dict[str, str]] = {}
    for name, leaf in leaves(recipe).items():
        told = f"{name:<22} {leaf.text or '-':<20} {origins[name]}"
        groups.setdefault(leaf.group, {})[told] = " ".join(leaf_help(recipe, name).split())
    width = max(len(told) for group in groups.values() for told in group)
    columns = sight_of(sys.stdout).columns
    return "\n".join(
        f"\n{title}\n{block(told, width=width, columns=columns)}" for title, told in groups.items()
    )


def _print_run(options: argparse.Namespace, run: RunDirectory) -> None:
    """Print the run, with --full all of it, or the table of its network's layers if a flag asks for one."""
    if options.set or options.model:
        raise UsageError("--set and --model do not go with a run: it is what it is")
    spec = resolve_network(str(run.path), {})
    if {*_given_table_flags(options)} - {"--full"}:
        _print_model(options, spec)
    elif options.json or options.full:
        _print_run_in_full(options, run, spec)
    else:
        from resnetlab.reporting.in_lines import run_text
        from resnetlab.reporting.reading import read_run

        sight = sight_of(sys.stdout)
        print(run_text(read_run(run.path), columns=sight.columns, letters=sight.letters))


def _print_run_in_full(options: argparse.Namespace, run: RunDirectory, spec: ModelSpec) -> None:
    """Print the run's network, data and end, and every value of its recipe."""
    with run.telling_of("recipe"):
        recipe = recipe_from_json(run.read("recipe"))
    named = leaves(named_recipe(recipe.name, spec.depth)) if recipe.name in RECIPES else {}
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
    if run.continues:
        print(f"  goes on   {run.read(CONTINUES).get('text')}")
    print(f"  state     {'finished' if run.is_finished else 'unfinished: resnetlab resume ' + str(run.path)}")
    print(_recipe_text(recipe, origins))


def _compare(options: argparse.Namespace, first: str, second: str) -> None:
    """Print what the second has instead of the first; of two runs network and recipe."""
    names = (first, second)
    _refuse_table_flags(options, f"{first} and {second} are two")
    kinds = {_kind(name) for name in names}
    if alone := kinds & {"reproduction", "ONNX file"}:
        raise UsageError(f"{first} and {second}: {_ARTICLES[alone.pop()]} is compared with nothing")
    if kinds == {"model", "recipe"}:
        recipe, model = names if _kind(first) == "recipe" else (second, first)
        _named_model(options, model)  # a name of nothing is the nearer mistake
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
        texts["network"] = model_differences(*specs, names, sight_of(sys.stdout).columns)
    if "model" not in kinds:
        recipes = _recipe(options, first), _recipe(options, second)
        content |= {
            name: [to_plain(leaf.value) for leaf in pair] for name, pair in differing_leaves(*recipes).items()
        }
        texts["recipe"] = recipe_differences(*recipes, names, sight_of(sys.stdout).columns)
    if options.json:
        print_json(content)
    elif len(texts) == 1:
        print(*texts.values())
    else:
        print("\n\n".join(f"{title}\n{text}" for title, text in texts.items()))


def _network(options: argparse.Namespace, name: str) -> ModelSpec:
    return resolve_network(name, {}) if _kind(name) == "run" else _named_model(options, name)


def _recipe(options: argparse.Namespace, name: str) -> Recipe:
    if _kind(name) == "run":
        run = open_run(user_path(name))
        with run.telling_of("recipe"):
            return recipe_from_json(run.read("recipe"))
    return _named_resolution(options, name).recipe
