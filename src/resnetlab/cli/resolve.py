"""From flags to a network and a recipe: default < recipe < file < flag."""

import argparse
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from resnetlab.catalog import model_spec
from resnetlab.data.choices import FLAG
from resnetlab.data.choices import NAMES as CHOICES
from resnetlab.errors import UsageError, nearest
from resnetlab.recipe import Recipe
from resnetlab.recipes import list_recipes, named_recipe
from resnetlab.runs.directory import open_run
from resnetlab.settings import Layer, Resolution, leaves, read_settings_file
from resnetlab.spec import KNOBS, ModelSpec, parse_knob

_FLAGS = (
    "batch", "lr", "seed", "val", "patience", "checkpoint_every", "stop_at", "deterministic", "bad_samples",
    "head", "freeze", "bn", "balance",
)  # fmt: skip
_LENGTHS = {"steps": "st", "epochs": "ep"}


def split_settings(texts: list[str]) -> tuple[dict[str, str], dict[str, object]]:
    """Divide `--set NAME=VALUE` into values of the recipe, as texts, and knobs of the model.

    Raises:
        UsageError: If one is not of that form or names neither.
    """
    recipe_texts: dict[str, str] = {}
    knobs: dict[str, object] = {}
    known = leaves(named_recipe("quick"))
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {text}: not of the form NAME=VALUE", hint="E.g. --set lr=0.2")
        name = name.strip().replace("-", "_")
        if name in _LENGTHS:
            recipe_texts["length"] = value + _LENGTHS[name]
        elif name.rpartition(".")[2] in known:
            recipe_texts[name] = value
        elif name in KNOBS:
            knobs[name] = parse_knob(name, value)
        else:
            hint = nearest(name, [*known, *KNOBS, *_LENGTHS])
            hint = f"It is said of data: {FLAG} {text}" if name in CHOICES else hint
            raise UsageError(
                f"--set {text}: neither the recipe nor the model has a value {name!r}",
                hint=hint
                or "`resnetlab show quick` lists the recipe's, `resnetlab show resnet20` a model's.",
            )
    return recipe_texts, knobs


def resolve_recipe(
    options: argparse.Namespace,
    depth: int,
    default: str,
    suggest: Callable[[Recipe], Iterable[Layer]] = lambda recipe: (),
) -> Resolution:
    """Return the recipe that the flags of `train` or `finetune` ask for, with the origin of every value.

    Args:
        options: The flags.
        depth: Of the network.
        default: The recipe's name if none is given.
        suggest: What else decides values of the recipe; a recipe file and the flags win over it.
    """
    texts, _ = split_settings(options.set)
    given = options.recipe or default
    if Path(given).suffix in (".json", ".toml"):
        base = str(read_settings_file(Path(given)).get("name", default))
        resolution = Resolution(named_recipe(base if base in list_recipes() else default, depth))
        resolution.set_layers(suggest(resolution.recipe))
        resolution.set_file(Path(given))
    else:
        resolution = Resolution(named_recipe(given, depth))
        resolution.set_layers(suggest(resolution.recipe))
    flags = {name: _plain(str(v)) for name in _FLAGS if (v := getattr(options, name, None)) is not None}
    lengths = [(unit, getattr(options, flag)) for flag, unit in _LENGTHS.items()]
    wanted = [f"{count}{unit}" for unit, count in lengths if count is not None]
    if len(wanted) > 1:
        raise UsageError("--epochs and --steps exclude each other")
    if wanted:
        flags["length"] = wanted[0]
    both = [name for name in texts if name in flags]
    if both:
        raise UsageError(f"{', '.join(both)}: given by a flag and by --set")
    resolution.set_texts(flags | texts, "flag")
    return resolution


def _plain(text: str) -> str:
    """Return a number for a percentage, anything else as it is."""
    number = text.removesuffix("%")
    try:
        return repr(float(number) / 100) if number != text else text
    except ValueError:
        return text


def resolve_model(name: str, knobs: dict[str, object]) -> ModelSpec:
    """Return the network of that name with knobs turned."""
    spec = model_spec(name)
    return spec.with_(**knobs) if knobs else spec


def is_run(name: str) -> bool:
    """Return whether the name is the directory of a run."""
    return (Path(name) / "recipe.json").exists()


def resolve_network(name: str, knobs: dict[str, object]) -> ModelSpec:
    """Return the network of that name, or of the run in that directory, with knobs turned."""
    if not is_run(name):
        return resolve_model(name, knobs)
    spec = ModelSpec.from_json(open_run(Path(name)).read("spec"))
    return spec.with_(**knobs) if knobs else spec


def parse_size(text: str) -> tuple[int, int]:
    """Return (height, width) of images from "64" or "96x128".

    Raises:
        UsageError: If the text is neither.
    """
    match = re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", text.strip())
    if match is None:
        raise UsageError(
            f"--input-size {text}: no size of images",
            hint="Write the pixels as 64, or as HEIGHTxWIDTH: 96x128.",
        )
    return int(match[1]), int(match[2] or match[1])
