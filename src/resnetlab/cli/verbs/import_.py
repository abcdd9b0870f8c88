"""`resnetlab import`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from resnetlab.cli.text import command_name, print_json
from resnetlab.data.arrays.cifar import CIFAR10_NAMES, CIFAR100_NAMES
from resnetlab.data.batches.preprocessing import is_whole
from resnetlab.errors import DataError, UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import parse_knob
from resnetlab.trained.artefact import import_weights, write_folder
from resnetlab.trained.artefact.loading import is_artefact
from resnetlab.trained.artefact.places import default_name, looking_at, refuse_taken


def import_file(options: argparse.Namespace) -> None:
    """Make a model folder of a foreign weight file, and print what became of every tensor."""
    if options.out:
        refuse_taken(Path(options.out))
    if is_artefact(Path(options.file)):
        raise UsageError(
            f"{options.file} is resnetlab's own, with its classes and its preprocessing: nothing to import",
            hint=f"predict, eval, export and finetune take it as it is; `{command_name()} export"
            " ... --to folder` makes a model folder.",
        )
    network = model_spec(options.model) if options.model else None
    names = class_names(options.classes) if options.classes else ()
    artefact, report = import_weights(
        options.file,
        network=network,
        class_names=names,
        prefix=options.prefix,
        ignore=options.ignore,
        knobs=read_knobs(options.set),
        like=options.like or "",
        mean=read_numbers("--mean", options.mean),
        std=read_numbers("--std", options.std),
        resize=options.resize,
        crop=options.crop,
        interpolation=options.interpolation or "",
    )
    out = Path(options.out or default_name(artefact.spec.name))
    write_folder(artefact, out)
    if options.json:
        print_json({"path": str(out), "report": report.to_json(), "notes": list(artefact.notes)})
        return
    for note in artefact.notes:
        print(note, file=sys.stderr)
    print(report)
    print(f"\n{out}")


def read_knobs(texts: Sequence[str]) -> dict[str, object]:
    """Return the network's values that --set gives.

    Raises:
        UsageError: If one is not of the form KNOB=VALUE, or there is no such knob.
    """
    knobs: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise UsageError(f"--set {text}: not of the form KNOB=VALUE", hint="E.g. --set stride_on=first")
        if name in ("channel_mean", "channel_std", "image_size", "resize", "interpolation"):
            flags = {"channel_mean": "mean", "channel_std": "std", "image_size": "crop"}
            raise UsageError(f"--set {text}: import has a flag for it, --{flags.get(name, name)}")
        knobs[name] = parse_knob(name, value)
    return knobs


def read_numbers(flag: str, text: str | None) -> tuple[float, ...]:
    """Return the numbers of "0.49,0.48,0.45"; none if there is no text.

    Raises:
        UsageError: If one is no number.
    """
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        raise UsageError(f"{flag} {text}: no numbers", hint=f"E.g. {flag} 0.485,0.456,0.406") from error


_NAMED = {"cifar10": tuple(CIFAR10_NAMES), "cifar100": tuple(CIFAR100_NAMES)}
"""What --classes takes by the data's name, with the names of its classes."""


def class_names(text: str) -> tuple[str, ...]:
    """Return the names that --classes gives: a file's, a dataset's, or those written out, as cat,dog.

    Raises:
        UsageError: If there is no such file, or a name is empty.
        DataError: As `read_class_names`.
    """
    path = Path(text)
    with looking_at(text):
        is_file = path.expanduser().exists()
    if text in _NAMED and not is_file:
        return _NAMED[text]
    if is_file or "," not in text:
        return read_class_names(path)
    names = tuple(name.strip() for name in text.split(","))
    if "" in names:
        raise UsageError(f"--classes {text}: name {names.index('') + 1} is empty")
    return names


def read_class_names(path: Path) -> tuple[str, ...]:
    """Return the names in a text file, one a line; empty lines at the end do not count.

    A .json holds them as a list, or by their numbers: {"0": "ant"}, {"ant": 0}, and as Keras has
    ImageNet's: {"0": ["n01440764", "tench"]}.

    Raises:
        UsageError: If there is no such file.
        DataError: If it is no text, or a line is empty.
    """
    try:
        text = path.expanduser().read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror or error}",
            hint=f"Names are written out with commas, as cat,dog; known are those of {', '.join(_NAMED)}.",
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8") from error
    if path.suffix == ".json":
        return _names_in_json(path, text)
    names = tuple(line.strip() for line in text.rstrip().splitlines())
    if "" in names:
        raise DataError(f"{path}: line {names.index('') + 1} is empty")
    return names


def _names_in_json(path: Path, text: str) -> tuple[str, ...]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no whole JSON") from error
    if isinstance(found, dict) and found and all(is_whole(value) for value in found.values()):
        numbered = {str(number): name for name, number in found.items()}  # as torchvision's class_to_idx
        found = numbered if len(numbered) == len(found) else {}
    if isinstance(found, dict):
        found = [found.get(str(index)) for index in range(len(found))]
    if isinstance(found, list):
        found = [each[-1] if isinstance(each, list) and each else each for each in found]
        if found and all(isinstance(each, str) and each.strip() for each in found):
            return tuple(each.strip() for each in found)
    raise DataError(f"{path} holds no names of classes", hint='A list of names, or {"0": "ant", "1": "bee"}.')
