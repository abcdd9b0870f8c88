"""The verbs under `resnetlab data` and their flags."""

import argparse
from typing import Any

from resnetlab.cli.verb import add_data_set, add_set, add_verb, later
from resnetlab.cli.verbs import examples


def add_data(verbs: Any) -> None:
    """Add `data` with its own verbs."""
    text = "fetch, describe, check, show, unpack, pack and prepare datasets"
    data = verbs.add_parser(
        "data",
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=examples.DATA_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = data.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, help_text in (
        ("fetch", "download a dataset into the cache, if it is not there"),
        ("describe", "check a dataset's form and count its images"),
    ):
        action = add_verb(actions, name, help_text, later("data", name))
        action.add_argument("source", help="a dataset's name or path")
        add_data_set(action)
    _add_check(actions)
    _add_show(actions)
    _add_unpack(actions)
    _add_pack(actions)
    _add_prepare(actions)


def _add_check(actions: Any) -> None:
    check = add_verb(
        actions,
        "check",
        "decode every image; find broken, doubled and contradicting ones (exit code 3 if there are)",
        later("data", "check"),
    )
    check.add_argument("source", metavar="PATH", help="image files in any layout that `train` takes")
    add_data_set(check)
    check.add_argument("--html", metavar="FILE", help="write the findings as a page, with small pictures")


def _add_show(actions: Any) -> None:
    show = add_verb(
        actions, "show", "draw training images as the network gets them, augmented", later("data", "show")
    )
    show.add_argument("source", help="a dataset's name or path")
    show.add_argument("-o", "--out", metavar="FILE", default="samples.png", help="(default: samples.png)")
    show.add_argument("-n", "--number", type=int, default=32, metavar="N", help="images (default: 32)")
    show.add_argument("--recipe", metavar="NAME", help="whose augmentation (default: as `train`)")
    add_data_set(show)
    add_set(show)


def _add_unpack(actions: Any) -> None:
    unpack = add_verb(
        actions,
        "unpack",
        "write any dataset as a folder of image files: OUT/{train,val,test}/CLASS/NUMBER.png",
        later("data", "unpack"),
    )
    unpack.add_argument("source", help="a dataset's name or path; image files are copied as they are")
    unpack.add_argument("out", metavar="OUT", help="a new or empty folder")
    add_data_set(unpack)


def _add_pack(actions: Any) -> None:
    pack = add_verb(
        actions,
        "pack",
        "write a smaller copy of an image collection, as WebDataset shards (tar files of JPEGs)",
        later("data", "pack"),
    )
    pack.add_argument("source", metavar="PATH", help="image files in any layout that `train` takes")
    pack.add_argument("out", metavar="OUT", help="a new or empty folder")
    add_data_set(pack)
    pack.add_argument(
        "--size", type=int, default=256, metavar="N", help="largest shorter side in pixels (default: 256)"
    )
    pack.add_argument("--quality", type=int, default=90, metavar="N", help="of the JPEGs (default: 90)")


def _add_prepare(actions: Any) -> None:
    prepare = add_verb(
        actions,
        "prepare",
        "unpack ImageNet's original archives into an image folder; goes on where it was stopped",
        later("data", "prepare"),
    )
    prepare.add_argument("dataset", choices=("imagenet",))
    prepare.add_argument("tars", metavar="TARS", help="the folder with the two tars and the devkit")
    prepare.add_argument("out", metavar="OUT", help="the folder to make")
    prepare.add_argument(
        "--subset", action="store_true", help="accept other numbers of images than the official ones"
    )
