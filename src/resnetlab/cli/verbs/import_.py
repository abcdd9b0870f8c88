"""`resnetlab import`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from resnetlab.cli.flags import add_place, add_set
from resnetlab.cli.output import command_name, print_json
from resnetlab.cli.verb import set_up
from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import parse_knob

_EXAMPLES = """examples:
  resnetlab import resnet50.pth -o resnet50 --classes imagenet_classes.txt
  resnetlab import resnet50_weights_tf_dim_ordering_tf_kernels.h5 -o keras50
  resnetlab import model.ckpt-250200 -o official
  resnetlab import saved_models/cifar10_ResNet20v1_model.183.h5 --mean-image cifar10
  resnetlab import cifar_resnet20.pt --mean 0.4914,0.4822,0.4465 --std 0.2023,0.1994,0.2010 -o net
  resnetlab import hf:timm/resnet50.a1_in1k                  from the Hugging Face hub
  resnetlab import torchvision:resnet50.IMAGENET1K_V2        downloaded, its hash checked
  resnetlab import tensorflow:resnet50v1                     and keras:resnet50v2
  resnetlab import https://example.org/net.tar.gz#sha256=HEX an archive, its hash as said
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `import` its flags."""
    set_up(parser, import_file, _EXAMPLES, needs="torch")
    parser.add_argument(
        "file",
        help="of torchvision, timm, Keras, TensorFlow, ...: a file, a folder, a checkpoint's prefix, or a"
        " .tar or .tar.gz with one of them; or published weights: hf:OWNER/NAME[@REVISION],"
        " torchvision:NAME, keras:NAME, tensorflow:NAME, https://...[#sha256=HEX]",
    )
    parser.add_argument("-o", "--out", metavar="FOLDER", help="the model folder (default: MODEL)")
    parser.add_argument(
        "--classes",
        metavar="FILE|A,B,...",
        help="the classes' names in their order: a file with one a line or a .json, written out as cat,dog,"
        " or cifar10, cifar100",
    )
    parser.add_argument("--model", metavar="NAME", help="load it as this network (default: it is recognised)")
    add_place(parser)
    add_set(parser, "the network that the file leaves open, as stride_on")
    _add_images(parser)


def _add_images(parser: argparse.ArgumentParser) -> None:
    """Add what a user may say of how the network's images were prepared."""
    group = parser.add_argument_group(
        "images", "how they were prepared in training, where the file tells it not, or wrong"
    )
    group.add_argument(
        "--like",
        metavar="NAME|RUN|FOLDER",
        help="as another's: torchvision, tf, caffe, kuangliu, cifar100, ..., or a network of yours",
    )
    group.add_argument(
        "--mean",
        metavar="R,G,B",
        help="of pixels from 0 to 1, or to 255 if a number of mean or std is above 1",
    )
    group.add_argument("--std", metavar="R,G,B", help="the standard deviations, likewise")
    group.add_argument(
        "--mean-image",
        metavar="DATA",
        help="less the mean image of this data's training images, as cifar10: for files of Keras' example and"
        " chao-ji's, which do not hold it",
    )
    group.add_argument("--resize", type=int, metavar="N", help="pixels of the shorter side before the cut")
    group.add_argument(
        "--crop", type=int, metavar="N", help="side of the square in the middle that is cut out"
    )
    group.add_argument("--interpolation", metavar="HOW", help="bilinear, bicubic or tf-bilinear")


def import_file(options: argparse.Namespace) -> None:
    """Make a model folder of a foreign weight file, and print what became of every tensor."""
    from resnetlab.cli.given_classes import given_class_names
    from resnetlab.trained.artefact import import_weights, write_folder
    from resnetlab.trained.artefact.loading import is_artefact
    from resnetlab.trained.artefact.places import default_name, refuse_taken

    if options.out:
        refuse_taken(Path(options.out))
    if is_artefact(Path(options.file)):
        raise UsageError(
            f"{options.file} is resnetlab's own, with its classes and its preprocessing: nothing to import",
            hint=f"predict, eval, export and finetune take it as it is; `{command_name()} export"
            " ... --to folder` makes a model folder.",
        )
    network = model_spec(options.model) if options.model else None
    names = given_class_names(options.classes) if options.classes else ()
    artefact, report = import_weights(
        options.file,
        network=network,
        class_names=names,
        prefix=options.prefix,
        ignore=options.ignore,
        knobs=_read_knobs(options.set),
        like=options.like or "",
        mean=_read_numbers("--mean", options.mean),
        std=_read_numbers("--std", options.std),
        resize=options.resize,
        crop=options.crop,
        interpolation=options.interpolation or "",
        mean_image=options.mean_image or "",
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


def _read_knobs(texts: Sequence[str]) -> dict[str, object]:
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


def _read_numbers(flag: str, text: str | None) -> tuple[float, ...]:
    """Return the numbers of "0.49,0.48,0.45"; none if there is no text.

    Raises:
        UsageError: If one is no number.
    """
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        raise UsageError(f"{flag} {text}: no numbers", hint=f"E.g. {flag} 0.485,0.456,0.406") from error
