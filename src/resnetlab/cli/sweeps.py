"""Several values of one flag: `--set lr=0.1,0.2` is a study of two, each with every seed."""

import argparse
import itertools
import re
from collections.abc import Iterator, Sequence

from resnetlab.cli.resolve import FLAGS
from resnetlab.errors import UsageError
from resnetlab.network.spec import KNOBS, parse_knob
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import LENGTHS, find_leaf, leaves, read_texts

_EXAMPLE = "E.g. --seeds 3, which is 0, 1 and 2, or --seeds 0,5,7"


def seeds_of(text: str) -> int | list[int]:
    """Return what --seeds says: how many, or which.

    Raises:
        UsageError: If it says neither.
    """
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"--seeds {text}: neither a number of seeds nor seeds themselves", hint=_EXAMPLE
        ) from None
    if "," in text:
        return seeds
    if seeds[0] < 1:
        raise UsageError(f"--seeds {text}: at least one", hint=_EXAMPLE)
    return seeds[0]


def variants(options: argparse.Namespace) -> list[tuple[str, argparse.Namespace]]:
    """Return the flags once for each combination of values, with what tells it from the others, "lr0.1".

    A comma stands between values of which the recipe or the model has one; of a value that is a list it
    is a part. Without any, it is the flags alone, and nothing to tell.

    Raises:
        UsageError: If seeds are among them.
    """
    choices: list[list[tuple[str, int | str, str]]] = []
    for place, text in _given(options):
        name, values = _values(place, text)
        if len(values) == 1:
            continue
        if name == "seed":
            raise UsageError(f"several seeds: {','.join(values)}", hint=f"Write --seeds {','.join(values)}")
        is_set = isinstance(place, int)
        choices.append(
            [(f"{name}{value}", place, f"{name}={value}" if is_set else value) for value in values]
        )
    found = []
    for combination in itertools.product(*choices):
        flags = argparse.Namespace(**vars(options) | {"set": list(options.set)})
        for _, place, text in combination:
            if isinstance(place, int):
                flags.set[place] = text
            else:
                setattr(flags, place, text)
        found.append(("-".join(label for label, _, _ in combination), flags))
    return found


def _given(options: argparse.Namespace) -> Iterator[tuple[int | str, str]]:
    """Yield each text that gives values: which of --set, or which flag, and the text."""
    yield from enumerate(options.set)
    for flag in FLAGS:
        if isinstance(text := getattr(options, flag, None), str):
            yield flag, text


def _values(place: int | str, text: str) -> tuple[str, Sequence[str]]:
    """Return the name of what a text gives, and the values that it lists."""
    name, value = text.partition("=")[::2] if isinstance(place, int) else (place, text)
    name = name.strip().replace("-", "_")
    if "," not in value or _is_one(name, value):
        return name, [value]
    parts = [part.strip() for part in value.split(",")]
    known = leaves(Recipe())
    if name.rpartition(".")[2] in known:
        name = find_leaf(known, name).name
    read = [_read(name, part) for part in parts]
    if not all(parts) or any(read.count(each) > 1 for each in read):
        raise UsageError(f"{text}: a value of several is empty, or one is given twice")
    if any(re.fullmatch(r"0\d+", part) for part in parts):
        raise UsageError(
            f"{text}: several values, or a decimal comma?", hint="A point stands before decimals: 0.0005."
        )
    return name, parts


def _read(name: str, text: str) -> object:
    """Return what a text gives of this name, as far as it gives anything: what is none is told later."""
    try:
        if name in KNOBS:
            return parse_knob(name, text)
        return read_texts({"length": f"{text}{LENGTHS[name]}"} if name in LENGTHS else {name: text})
    except UsageError:
        return text


def _is_one(name: str, text: str) -> bool:
    """Return whether a text with a comma is one value, a list, or of no name that is known."""
    known = leaves(Recipe())
    if name in LENGTHS:
        return False
    try:
        if name in KNOBS:
            parse_knob(name, text)
        elif name.rpartition(".")[2] in known:
            read_texts({name: text})
            return find_leaf(known, name).kind is not str
    except UsageError:
        return False
    return True
