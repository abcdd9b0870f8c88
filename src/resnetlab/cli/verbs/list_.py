"""`resnetlab list`. Imports no torch."""

import argparse
import sys

from resnetlab.base.units import format_count, format_rounded
from resnetlab.cli.output import block, print_json
from resnetlab.cli.verb import set_up
from resnetlab.data import SOURCES
from resnetlab.engines.names import ENGINES, missing
from resnetlab.network.catalog import families, list_models, model_spec
from resnetlab.recipe.named import list_recipes, recipe_doc
from resnetlab.show.tables.align import fitting_table
from resnetlab.watching.sight import sight_of

_EXAMPLES = """examples:
  resnetlab list models
  resnetlab list recipes --json
  resnetlab list reproductions                      published tables and figures, to be made here
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `list` its flags."""
    set_up(parser, list_names, _EXAMPLES)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("models", "recipes", "data", "engines", "reproductions"),
        help="list only these (default: all)",
    )


def list_names(options: argparse.Namespace) -> None:
    """Print the names of models, recipes, datasets, engines and reproductions."""
    from resnetlab.reproducing.named import REPRODUCTIONS

    parts = {
        "models": _list_models,
        "recipes": _list_recipes,
        "data": _list_data,
        "engines": _list_engines,
        "reproductions": _list_reproductions,
    }
    wanted = [options.what] if options.what else list(parts)
    if options.json:
        names = {
            "models": list_models(),
            "recipes": list_recipes(),
            "data": list(SOURCES),
            "engines": list(ENGINES),
            "reproductions": list(REPRODUCTIONS),
        }
        print_json({name: names[name] for name in wanted})
        return
    columns = sight_of(sys.stdout).columns
    print("\n\n".join(parts[name](columns) for name in wanted))


_PATHS = {
    "FOLDER": "your pictures in CLASS/IMAGE, or train/CLASS/IMAGE and val/CLASS/IMAGE; or a .zip of them",
    "TABLE": "a .csv, .txt or .jsonl of pictures' paths and labels",
    "PATH": "TFRecord or WebDataset shards, a Hugging Face dataset, what the authors of the above publish",
}
"""What may lie at a path."""


_COUNTS = ("parameters", "published", "multiply-adds", "images")


def _list_models(columns: int | None) -> str:
    sections = []
    for family, names in families().items():
        rows = []
        for spec in map(model_spec, names):
            published = spec.published_parameters
            rows.append(
                (
                    f"  {spec.name}",
                    f"{spec.num_parameters:,}",
                    format_rounded(published) if published else "",
                    format_count(spec.num_multiply_adds()),
                    f"{spec.input_size}x{spec.input_size}",
                )
            )
        sections.append(fitting_table((family, *_COUNTS), rows, 1, columns, ("published",))[0])
    others = "Other depths are accepted too (resnet26, preresnet29_bottleneck, ...)."
    return "\n\n".join([*sections, others])


def _list_recipes(columns: int | None) -> str:
    first_lines = {name: recipe_doc(name).partition("\n")[0] for name in list_recipes()}
    return "recipes\n" + block(first_lines, columns=columns)


def _list_data(columns: int | None) -> str:
    return "data\n" + block(dict(SOURCES) | _PATHS, columns=columns) + "\n\nAll of them: docs/data.md"


def _list_reproductions(columns: int | None) -> str:
    from resnetlab.reproducing.named import REPRODUCTIONS

    told = {
        each.name: f"{each.title} ({len(each.rows)} row{'s' * (len(each.rows) > 1)})"
        for each in REPRODUCTIONS.values()
    }
    return "reproductions, made by `resnetlab reproduce NAME`\n" + block(told, columns=columns)


def _list_engines(columns: int | None) -> str:
    told = {
        name: f"{what} ({lacking})" if (lacking := missing(name)) else what for name, what in ENGINES.items()
    }
    return "engines\n" + block(told, columns=columns)
