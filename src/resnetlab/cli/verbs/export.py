"""`resnetlab export`."""

import argparse
import re
import sys
from typing import Literal

from resnetlab.cli.text import print_json
from resnetlab.errors import UsageError
from resnetlab.trained.artefact.opening import open_artefact
from resnetlab.trained.export.exporting import export_model


def read_size(text: str | None) -> int | Literal["any"] | None:
    """Return the size that --size gives.

    Raises:
        UsageError: If it is neither a number of pixels nor "any".
    """
    if text is None:
        return None
    if text == "any":
        return "any"
    if not re.fullmatch(r"[1-9]\d{0,5}", text):
        raise UsageError(f"--size {text}: a number of pixels, or any")
    return int(text)


def export(options: argparse.Namespace) -> None:
    """Write a trained network for another program."""
    artefact = open_artefact(options.model, weights=options.weights)
    for note in artefact.notes:
        print(note, file=sys.stderr)
    done = export_model(
        artefact,
        options.to,
        options.out,
        takes_pixels=options.uint8,
        replaces=options.force,
        size=read_size(options.size),
    )
    if options.json:
        print_json(done.to_json())
        return
    what = "probabilities" if options.uint8 else "logits"
    print(done.path)
    print(f"{artefact.spec.name} from {artefact.origin}, {len(artefact.class_names)} classes")
    print(f"{what} of batches of 1, 2 and 5 are PyTorch's within {done.difference:.1e}")
    for note in done.notes:
        print(note)
