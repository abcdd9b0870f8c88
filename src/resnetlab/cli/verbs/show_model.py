"""`resnetlab show MODEL`: the table of a network's layers. Imports no torch."""

import argparse

from resnetlab.cli.resolve import parse_size, resolve_model, split_settings
from resnetlab.cli.text import print_json
from resnetlab.errors import UsageError, nearest
from resnetlab.network.catalog import list_models, model_spec
from resnetlab.network.layers import image_size
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe.named import list_recipes
from resnetlab.show.tables.align import titled
from resnetlab.show.tables.rows import Layout, arranged, check_batch, layer_rows, row_json
from resnetlab.show.tables.text import summary

_TABLE_FLAGS = ("full", "markdown", "layout", "batch", "input_size")
_BATCH = 128


def given_table_flags(options: argparse.Namespace) -> list[str]:
    """Return the flags given that say how a table of layers looks, as they are typed."""
    return [
        f"--{name.replace('_', '-')}" for name in _TABLE_FLAGS if getattr(options, name) not in (None, False)
    ]


def refuse_table_flags(options: argparse.Namespace, reason: str) -> None:
    """Raise a UsageError if a flag of the table of layers was given.

    Raises:
        UsageError: If so; `reason` says why there is no such table.
    """
    if given := given_table_flags(options):
        raise UsageError(
            f"{', '.join(given)}: for the layer table of one model only; {reason}",
            hint="E.g. resnetlab show resnet20 --full",
        )


def named_model(options: argparse.Namespace, name: str) -> ModelSpec:
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
        known = [*list_recipes(), *list_models()]
        raise UsageError(
            f"no model, recipe or run is called {name!r}",
            hint=error.hint if "depth" in str(error) else nearest(name, known) or error.hint,
        ) from error
    if recipe_texts:
        raise UsageError(f"{name} is a model; {', '.join(recipe_texts)} belongs to a recipe")
    return resolve_model(name, knobs)


def print_model(options: argparse.Namespace, spec: ModelSpec) -> None:
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
    print(
        summary(
            spec,
            full=options.full,
            height=height,
            width=width,
            batch=batch,
            markdown=options.markdown,
            layout=layout,
        )
    )
    if not options.markdown:
        print(
            titled(f"{'knobs':<13}  ", f"--set NAME=VALUE; resnetlab show {spec.name} --json has the names")
        )
