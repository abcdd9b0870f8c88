"""`resnetlab export`."""

import argparse
import re
import sys
from typing import Literal

from resnetlab.base.units import format_bytes
from resnetlab.cli.flags import add_data_set, add_weights
from resnetlab.cli.output import print_json
from resnetlab.cli.verb import set_up
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import UsageError
from resnetlab.trained.export.targets import TARGETS

_EXAMPLES = """examples:
  resnetlab export runs/RUN --to onnx -o model.onnx
  resnetlab export runs/RUN --to onnx --uint8 -o app.onnx    pixels in, probabilities out
  resnetlab export runs/RUN --to onnx --int8 -o small.onnx   in 8 bits: small, and fast on CPUs
  resnetlab export runs/RUN --to folder -o mynet             to keep, to pass on
  resnetlab export mynet --to hf -o hub                      as timm and the Hugging Face hub have it
  resnetlab export mynet --to onnx --size 288 -o larger.onnx      for images of another size, or of any
  resnetlab export mynet --to keras -o mynet.h5
  resnetlab export mynet --to triton -o models/mynet              a version more each time, for a server
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `export` its flags."""
    set_up(parser, export, _EXAMPLES, needs="torch")
    parser.add_argument(
        "model",
        metavar="RUN|FOLDER|FILE",
        help="a run, a checkpoint, a model folder, or weights of another program, as `import` takes them",
    )
    parser.add_argument(
        "--to", required=True, choices=TARGETS, metavar="FORMAT", help=f"for whom: {', '.join(TARGETS)}"
    )
    parser.add_argument(
        "-o",
        "--out",
        metavar="PATH",
        help="the file or folder (default: named after the run, or else the network)",
    )
    parser.add_argument(
        "--uint8",
        action="store_true",
        help="onnx, torch-export: uint8 images (N, H, W, C) in, probabilities out",
    )
    parser.add_argument(
        "--size",
        metavar="N|any",
        help="for images of N x N pixels (default: the network's size); onnx: any height and width",
    )
    parser.add_argument(
        "--unfolded",
        action="store_true",
        help="onnx, torch-export: every layer and tensor as the network has it; else BN after a convolution"
        " lies in its weights and bias, which is faster",
    )
    parser.add_argument(
        "--int8",
        action="store_true",
        help="onnx: in whole numbers of 8 bits, calibrated on images and compared on others",
    )
    parser.add_argument(
        "--calibrate",
        metavar="DATA",
        help="int8: whose images, as `eval` takes data (default: a run's own training images)",
    )
    parser.add_argument(
        "--calibration-images",
        type=int,
        metavar="N",
        help="int8: how many calibrate (default: 512); up to 2,000 others are what it is compared on",
    )
    add_data_set(parser)
    parser.add_argument("--force", action="store_true", help="replace the file if it is there already")
    add_weights(parser)


def export(options: argparse.Namespace) -> None:
    """Write a trained network for another program."""
    from resnetlab.trained.artefact.opening import open_artefact
    from resnetlab.trained.export.exporting import export_model
    from resnetlab.trained.quantised.calibration import IMAGES
    from resnetlab.trained.quantised.exporting import export_int8, open_network, refuse_without_int8

    size = _read_size(options.size)
    given = {
        "--calibrate": options.calibrate,
        "--calibration-images": options.calibration_images,
        "--data-set": options.data_set,
    }
    refuse_without_int8(options.to, int8=options.int8, given=given)
    if options.int8 and options.unfolded:
        raise UsageError("--unfolded: int8 is for convolutions that hold their BN")
    if options.int8:
        opened = open_network(options.model, options.weights)
        artefact = opened.artefact
        _tell(artefact.notes)
        done = export_int8(
            opened,
            options.out,
            calibrate=options.calibrate,
            data_set=Choices.parse(options.data_set).to_json(),
            calibration_images=IMAGES if options.calibration_images is None else options.calibration_images,
            takes_pixels=options.uint8,
            size=size,
            replaces=options.force,
            is_timed=True,
        )
    else:
        artefact = open_artefact(options.model, weights=options.weights)
        _tell(artefact.notes)
        done = export_model(
            artefact,
            options.to,
            options.out,
            takes_pixels=options.uint8,
            replaces=options.force,
            size=size,
            folds=not options.unfolded,
            is_timed=True,
        )
    if options.json:
        print_json(done.to_json())
        return
    what = "probabilities" if options.uint8 or options.to == "triton" else "logits"
    print(done.path)
    print(f"{artefact.spec.name} from {artefact.origin}, {len(artefact.class_names)} classes")
    of_what = " in fp32" if options.int8 else ""
    print(f"{what} of batches of 1, 2 and 5 are PyTorch's within {done.difference:.1e}{of_what}")
    print("; ".join([format_bytes(done.bytes), *([str(done.speed)] if done.speed else [])]))
    for note in done.notes:
        print(note)
    print("\nHow to use it, in Python:")
    print("".join(f"  {line}\n" for line in done.usage), end="")


def _tell(notes: tuple[str, ...]) -> None:
    for note in notes:
        print(note, file=sys.stderr)


def _read_size(text: str | None) -> int | Literal["any"] | None:
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
