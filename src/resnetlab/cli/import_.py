"""`resnetlab import`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from resnetlab.artefact import import_weights, write_folder
from resnetlab.artefact.loading import is_artefact
from resnetlab.artefact.places import default_name, looking_at, refuse_taken
from resnetlab.catalog import model_spec
from resnetlab.cli.text import command_name, print_json
from resnetlab.errors import DataError, UsageError
from resnetlab.spec import parse_knob


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


def class_names(text: str) -> tuple[str, ...]:
    """Return the names that --classes gives: a file's, or those written out, as cat,dog.

    Raises:
        UsageError: If there is no such file, or a name is empty.
        DataError: As `read_class_names`.
    """
    path = Path(text)
    with looking_at(text):
        if "," not in text or path.expanduser().exists():
            return read_class_names(path)
    names = tuple(name.strip() for name in text.split(","))
    if "" in names:
        raise UsageError(f"--classes {text}: name {names.index('') + 1} is empty")
    return names


def read_class_names(path: Path) -> tuple[str, ...]:
    """Return the names in a text file, one a line; empty lines at the end do not count.

    Raises:
        UsageError: If there is no such file.
        DataError: If it is no text, or a line is empty.
    """
    try:
        text = path.expanduser().read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8") from error
    names = tuple(line.strip() for line in text.rstrip().splitlines())
    if "" in names:
        raise DataError(f"{path}: line {names.index('') + 1} is empty")
    return names
