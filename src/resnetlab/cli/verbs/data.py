"""`resnetlab data` and the verbs under it."""

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from resnetlab.base.paths import user_path
from resnetlab.base.units import format_bytes
from resnetlab.cli.flags import add_data_set, add_set
from resnetlab.cli.output import block, print_json
from resnetlab.cli.resolve import split_settings
from resnetlab.cli.verb import Code, new_verb, set_up
from resnetlab.data.sources.choices import Choices
from resnetlab.data.sources.wanted import Wanted
from resnetlab.errors import DataError, UsageError
from resnetlab.recipe.named import default_recipe, named_recipe
from resnetlab.recipe.settings import Resolution
from resnetlab.show.tables.align import table

if TYPE_CHECKING:
    from resnetlab.data.sources.encoded import AnySource, EncodedSource

_EXAMPLES = """examples:
  resnetlab data fetch cifar10                      into the cache, resumable, checked
  resnetlab data describe photos/
  resnetlab data check photos/ --html check.html    broken, doubled, contradicting images
  resnetlab data show photos/ -o samples.png        training images, augmented
  resnetlab data unpack cifar10 cifar10-files/      any dataset as a folder of image files
  resnetlab data pack photos/ packed/ --size 256    a smaller copy, as WebDataset shards
  resnetlab data pack photos/ records/ --to tfrecord --size original     as ImageNet's TFRecords
  resnetlab data prepare imagenet TARS/ imagenet/   from ImageNet's original archives
"""
_LINES = 20
"""Findings of a kind that are printed; the page and --json have all."""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `data` its own verbs."""
    parser.epilog = _EXAMPLES
    actions = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    _add_fetch_and_describe(actions)
    _add_check(actions)
    _add_show(actions)
    _add_unpack(actions)
    _add_pack(actions)
    _add_prepare(actions)


def _add_verb(actions: Any, name: str, help_text: str, perform: Code) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = new_verb(actions, name, help_text)
    set_up(parser, perform)
    return parser


def _add_fetch_and_describe(actions: Any) -> None:
    for name, help_text, perform in (
        ("fetch", "download a dataset into the cache, if it is not there", fetch),
        ("describe", "check a dataset's form and count its images", describe),
    ):
        parser = _add_verb(actions, name, help_text, perform)
        parser.add_argument("source", help="a dataset's name or path")
        add_data_set(parser)


def fetch(options: argparse.Namespace) -> None:
    """Download a dataset if it is not in the cache, and describe it."""
    _describe(options, download=True)


def describe(options: argparse.Namespace) -> None:
    """Check a dataset's form and describe it."""
    _describe(options, download=False)


def _describe(options: argparse.Namespace, *, download: bool) -> None:
    facts = _open(options, Wanted(download=download)).describe()
    if options.json:
        print_json(facts)
    else:
        print(_text(facts))


def _text(facts: dict[str, Any]) -> str:
    samples = {part: f"{count:,} images" for part, count in facts["samples"].items()}
    size = "files, read as they are needed"
    if "height" in facts:
        size = f"{facts['height']}x{facts['width']}, {facts['channels']} channels"
    lines = {
        "data": facts["name"],
        **samples,
        "images": size,
        "fingerprint": facts["fingerprint"],
        **{f"note {number}": note for number, note in enumerate(facts["notes"], start=1)},
    }
    counts = facts["samples_per_class"]
    rows = [
        (name, *(f"{column[index]:,}" for column in counts.values()))
        for index, name in enumerate(facts["class_names"])
    ]
    return block(lines, indent="") + "\n\n" + table(("class", *counts), rows)


def _add_check(actions: Any) -> None:
    parser = _add_verb(
        actions,
        "check",
        "decode every image; find broken, doubled and contradicting ones (exit code 3 if there are)",
        check,
    )
    parser.add_argument("source", metavar="PATH", help="image files in any layout that `train` takes")
    add_data_set(parser)
    parser.add_argument("--html", metavar="FILE", help="write the findings as a page, with small pictures")


def check(options: argparse.Namespace) -> None:
    """Decode every image and say what is wrong.

    Raises:
        DataError: If an image is broken, in two splits or in two classes.
    """
    from resnetlab.data.tools.check import check_source
    from resnetlab.data.tools.check_page import write_check_page

    report = check_source(_open_files(options), progress=_progress("checked"))
    if options.html:
        write_check_page(report, user_path(options.html))
    if options.json:
        print_json(report.to_json())
    else:
        facts = {
            "data": report.name,
            **{part: f"{count:,} images" for part, count in report.samples.items()},
            "formats": ", ".join(f"{name} {count:,}" for name, count in report.formats.items()),
            "modes": ", ".join(f"{name} {count:,}" for name, count in report.modes.items()),
            "imbalance": f"the largest class has {report.imbalance:.1f} times the images of the smallest",
            **{f"note {number}": note for number, note in enumerate(report.notes, start=1)},
            **({"page": options.html} if options.html else {}),
        }
        print(block(facts, indent=""))
        for kind in dict.fromkeys(finding.kind for finding in report.findings):
            found = report.of_kind(kind)
            print(f"\n{kind}: {len(found):,}")
            for finding in found[:_LINES]:
                print(f"  {', '.join(finding.places)}: {finding.detail}")
            if len(found) > _LINES:
                print(f"  and {len(found) - _LINES:,} more")
    if not report.is_clean:
        raise DataError(f"{options.source} is not clean")
    if not options.json:
        print("\nNothing that would spoil training or its scores.")


def _open(options: argparse.Namespace, wanted: Wanted) -> "AnySource":
    from resnetlab.data.open import open_data

    return open_data(options.source, replace(wanted, choices=Choices.parse(options.data_set)))


def _open_files(options: argparse.Namespace) -> "EncodedSource":
    from resnetlab.data.sources.encoded import EncodedSource

    source = _open(options, Wanted(holds_small=False, download=False))
    if not isinstance(source, EncodedSource):
        raise UsageError(f"{options.source} holds {source.name}, which is no collection of image files")
    return source


def _add_show(actions: Any) -> None:
    parser = _add_verb(actions, "show", "draw training images as the network gets them, augmented", show)
    parser.add_argument("source", help="a dataset's name or path")
    parser.add_argument("-o", "--out", metavar="FILE", default="samples.png", help="(default: samples.png)")
    parser.add_argument("-n", "--number", type=int, metavar="N", help="images (default: 32, or all of fewer)")
    parser.add_argument("--recipe", metavar="NAME", help="whose augmentation (default: as `train`)")
    add_data_set(parser)
    add_set(parser)


def show(options: argparse.Namespace) -> None:
    """Draw training images as the network gets them."""
    from resnetlab.data.tools.samples import draw_samples

    source = _open(options, Wanted())
    default = default_recipe(options.source, reads_files=source.reads_files)
    texts, knobs = split_settings(options.set)
    if knobs:
        raise UsageError(f"{', '.join(knobs)} belongs to a model, and none is asked about here")
    resolution = Resolution(named_recipe(options.recipe or default))
    resolution.set_texts(texts, "flag")
    number = min(32, len(source.train)) if options.number is None else options.number
    draw_samples(source, resolution.recipe, user_path(options.out), number=number)
    facts = {"recipe": resolution.recipe.name, "number": number, "out": options.out}
    if options.json:
        print_json(facts)
    else:
        print(f"{number} training images as {facts['recipe']} augments them: {options.out}")


def _add_unpack(actions: Any) -> None:
    parser = _add_verb(
        actions,
        "unpack",
        "write any dataset as a folder of image files: OUT/{train,val,test}/CLASS/NUMBER.png",
        unpack,
    )
    parser.add_argument("source", help="a dataset's name or path; image files are copied as they are")
    parser.add_argument("out", metavar="OUT", help="a new or empty folder")
    add_data_set(parser)


def unpack(options: argparse.Namespace) -> None:
    """Write any dataset as a folder of image files."""
    from resnetlab.data.tools.unpack import unpack_source

    source = _open(options, Wanted(holds_small=False))
    unpacked = unpack_source(source, user_path(options.out), progress=_progress("unpacked"))
    if options.json:
        print_json({"out": options.out, **unpacked.to_json()})
        return
    counts = ", ".join(f"{count:,} {part}" for part, count in unpacked.images.items())
    kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in unpacked.suffixes.items())
    size = format_bytes(unpacked.bytes)
    print(f"{counts} images of {len(source.class_names)} classes, {size} ({kinds}): {options.out}")
    if unpacked.is_reordered:
        print("note: the folder's classes are in the order of their names, which is not the source's order")
    print(f"Train on it with --data {options.out}")


def _add_pack(actions: Any) -> None:
    parser = _add_verb(
        actions,
        "pack",
        "write a smaller copy of an image collection, as WebDataset shards (tar files of JPEGs) or TFRecords",
        pack,
    )
    parser.add_argument("source", metavar="PATH", help="image files in any layout that `train` takes")
    parser.add_argument("out", metavar="OUT", help="a new or empty folder")
    add_data_set(parser)
    parser.add_argument(
        "--to",
        choices=("webdataset", "tfrecord"),
        default="webdataset",
        help="tar files of JPEGs, or ImageNet's TFRecords as TensorFlow reads them (default: webdataset)",
    )
    parser.add_argument(
        "--size",
        default="256",
        metavar="N|original",
        help="largest shorter side in pixels (default: 256); original: every size and every JPEG as it is",
    )
    parser.add_argument(
        "--shards",
        type=int,
        metavar="N",
        help="tfrecord: of the training split, others have an eighth (default: 1024, fewer for few images)",
    )
    parser.add_argument("--quality", type=int, default=90, metavar="N", help="of the JPEGs (default: 90)")


def pack(options: argparse.Namespace) -> None:
    """Write a smaller copy of an image collection."""
    side = _read_size(options.size)
    if options.to == "webdataset" and options.shards is not None:
        raise UsageError("--shards is for --to tfrecord: WebDataset shards have 128 MiB each")
    asked: dict[str, Any] = {"side": side, "quality": options.quality, "progress": _progress("packed")}
    if options.to == "tfrecord":
        from resnetlab.data.tools.pack_tfrecord import pack_tfrecord

        packed = pack_tfrecord(_open_files(options), user_path(options.out), shards=options.shards, **asked)
    else:
        from resnetlab.data.tools.pack import pack_source

        packed = pack_source(_open_files(options), user_path(options.out), **asked)
    if options.json:
        print_json({"out": options.out, **packed.to_json()})
        return
    ratio = packed.bytes_after / packed.bytes_before
    print(
        f"{packed.images:,} images in {packed.shards} shards, {100 * ratio:.0f} % of the bytes: {options.out}"
    )
    for note in packed.notes:
        print(f"note: {note}")
    print(f"Train on it with --data {options.out}")


def _read_size(text: str) -> int | None:
    """Return the pixels that --size gives, None for "original".

    Raises:
        UsageError: If it is neither.
    """
    if text == "original":
        return None
    if not text.isdecimal() or not text.isascii():
        raise UsageError(f"--size {text}: a number of pixels, or original")
    return int(text)


def _add_prepare(actions: Any) -> None:
    parser = _add_verb(
        actions,
        "prepare",
        "unpack ImageNet's original archives into an image folder; goes on where it was stopped",
        prepare,
    )
    parser.add_argument("dataset", choices=("imagenet",))
    parser.add_argument("tars", metavar="TARS", help="the folder with the two tars and the devkit")
    parser.add_argument("out", metavar="OUT", help="the folder to make")
    parser.add_argument(
        "--subset", action="store_true", help="accept other numbers of images than the official ones"
    )


def prepare(options: argparse.Namespace) -> None:
    """Unpack ImageNet's original archives into an image folder."""
    from resnetlab.data.tools.imagenet_raw import prepare_imagenet

    def progress(part: str, done: int, total: int) -> None:
        _progress(f"{part} classes")(done, total)

    prepared = prepare_imagenet(
        user_path(options.tars), user_path(options.out), is_subset=options.subset, progress=progress
    )
    if options.json:
        print_json({"out": options.out, "images": dict(prepared.images), "written": prepared.written})
        return
    counts = ", ".join(f"{count:,} {part}" for part, count in prepared.images.items())
    print(f"{counts} images, {prepared.written:,} of them written now: {options.out}")


def _progress(what: str) -> Any:
    """Return a callback that keeps one line of a terminal up to date; elsewhere it says nothing."""

    def tell(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{what} {done:,} of {total:,}", end="\n" if done == total else "", file=sys.stderr)

    return tell
