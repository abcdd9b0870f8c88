"""`resnetlab export`."""

import argparse
import sys
from pathlib import Path

from resnetlab.artefact import load_artefact
from resnetlab.cli.text import print_json
from resnetlab.export import export_model


def export(options: argparse.Namespace) -> None:
    """Write a trained network for another program."""
    artefact = load_artefact(Path(options.model), weights=options.weights)
    for note in artefact.notes:
        print(note, file=sys.stderr)
    done = export_model(artefact, options.to, options.out, takes_pixels=options.uint8, replaces=options.force)
    if options.json:
        print_json(done.to_json())
        return
    what = "probabilities" if options.uint8 else "logits"
    print(done.path)
    print(f"{artefact.spec.name} from {artefact.origin}, {len(artefact.class_names)} classes")
    print(f"{what} of batches of 1, 2 and 5 are PyTorch's within {done.difference:.1e}")
    for note in done.notes:
        print(note)
