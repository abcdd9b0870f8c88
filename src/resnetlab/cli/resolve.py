"""From flags to what they ask for: a network, values of a recipe."""

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from resnetlab.base.paths import user_path
from resnetlab.base.plaindata import parse_text
from resnetlab.data import SOURCES
from resnetlab.data.sources.choices import FLAG, Choices
from resnetlab.data.sources.choices import NAMES as CHOICES
from resnetlab.errors import UsageError, nearest
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import KNOBS, ModelSpec, parse_knob
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import LENGTHS, Given, leaves, once, read_texts
from resnetlab.runs.directory import is_run, open_run

if TYPE_CHECKING:
    from resnetlab.parallel.world import World
    from resnetlab.training.asking import Asked

FLAGS = (
    "epochs", "steps", "batch", "lr", "seed", "val", "patience", "checkpoint_every", "stop_at",
    "deterministic", "report", "bad_samples", "head", "freeze", "bn", "balance",
)  # fmt: skip
"""Flags that are values of the recipe."""

_NO_REPORT = "--no-report"


def split_settings(texts: list[str], flags: Iterable[Given] = ()) -> tuple[dict[str, str], dict[str, object]]:
    """Divide `--set NAME=VALUE` into values of the recipe, as texts by leaf name, and knobs of the model.

    Args:
        texts: What was given to `--set`, each time.
        flags: Values of the recipe that other flags gave, which come to the first.

    Raises:
        UsageError: If one is not of that form, names neither, or is given twice.
    """
    given: list[Given] = [*flags]
    knobs: dict[str, object] = {}
    known = leaves(Recipe())
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {text}: not of the form NAME=VALUE", hint="E.g. --set lr=0.2")
        name = name.strip().replace("-", "_")
        if name in LENGTHS or name.rpartition(".")[2] in known:
            given.append((f"--set {text}", name, value))
        elif name in KNOBS:
            if name in knobs:
                raise UsageError(f"{name} is given twice by --set", hint="Leave out one of them.")
            knobs[name] = parse_knob(name, value)
        else:
            hint = nearest(name, [*known, *KNOBS, *LENGTHS])
            hint = f"It is said of data: {FLAG} {text}" if name in CHOICES else hint
            raise UsageError(
                f"--set {text}: neither the recipe nor the model has a value {name!r}",
                hint=hint
                or "`resnetlab show quick` lists the recipe's, `resnetlab show resnet20` a model's.",
            )
    return once(given), knobs


def read_asked(options: argparse.Namespace) -> "tuple[Asked, dict[str, object]]":
    """Return what the flags of `train` and `finetune` ask for of the recipe and the data, and of the model.

    Raises:
        UsageError: If a value is none, or is given twice, or what is to be gone on with has no name.
    """
    from resnetlab.training.asking import Asked

    if options.resume_if_begun and not options.out:
        raise UsageError("--resume-if-begun needs --out", hint="Name the directory that may have been begun.")
    flags: list[Given] = [
        (_NO_REPORT if name == "report" else f"--{name.replace('_', '-')} {value}", name, str(value))
        for name in FLAGS
        if (value := getattr(options, name, None)) is not None
    ]
    texts, knobs = split_settings(options.set, flags)
    minutes = _minutes_of(options)
    asked = Asked(
        data=options.data,
        choices=Choices.parse(options.data_set),
        recipe=options.recipe,
        values=read_texts(texts),
        fixed=tuple(knobs),
        device=options.device,
        workers=options.workers,
        minutes=minutes,
        devices=options.num_devices if options.num_devices > 1 or options.devices else 0,
    )
    return asked, knobs


def _minutes_of(options: argparse.Namespace) -> float | None:
    """Return how long a run may take, where the verb can be told so and was."""
    from resnetlab.training.asking import refuse_begun

    text = getattr(options, "minutes", None)
    if text is None:
        return None
    minutes = float(parse_text(float, text, "--minutes"))
    refuse_begun(minutes, resume_if_begun=options.resume_if_begun)
    return minutes


def told_apart(names: Sequence[str], data: str | None, world: "World") -> tuple[list[str], str | None]:
    """Return which of the names that stand before the flags are networks, and the data.

    A path or a dataset among them is the data: `train resnet50 photos/` is `train resnet50 --data photos/`.

    Args:
        names: As they were typed.
        data: What --data says.
        world: Its processes answer together; which names are paths the first one says, which may be the
            only one that sees them.

    Raises:
        UsageError: If there are several, or one beside --data, or it is a path at which nothing lies.
    """
    those = world.from_first(lambda: [name for name in names if _is_data(name)])
    found = [name for name in names if name in those]
    given = [*found, *([f"--data {data}"] if data is not None else [])]
    if found and len(given) > 1:
        raise UsageError(f"one dataset is trained on, and {len(given)} are given: {', '.join(given)}")
    return [name for name in names if name not in found], found[0] if found else data


def _is_data(name: str) -> bool:
    if not name.strip():
        raise UsageError(
            "the name of a network or of data is empty", hint="Is a variable of the shell not set?"
        )
    try:
        spelling = model_spec(name).name
    except UsageError:
        is_path = "/" in name.replace("\\", "/")
        if is_path and not user_path(name).exists():
            raise UsageError(f"no model is called {name!r}, and no path: there is no such path") from None
        return is_path or name in SOURCES or user_path(name).exists()
    if spelling != name and user_path(name).is_dir():
        raise UsageError(
            f"{name} is a folder here, and another spelling of {spelling}",
            hint=f"The folder is ./{name}, the network {spelling}.",
        )
    return False


def resolve_model(name: str, knobs: dict[str, object]) -> ModelSpec:
    """Return the network of that name with knobs turned."""
    spec = model_spec(name)
    return spec.with_(**knobs) if knobs else spec


def resolve_network(name: str, knobs: dict[str, object]) -> ModelSpec:
    """Return the network of that name, or of the run in that directory, with knobs turned."""
    if not is_run(user_path(name)):
        return resolve_model(name, knobs)
    run = open_run(user_path(name))
    with run.telling_of("spec"):
        spec = ModelSpec.from_json(run.read("spec"))
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
