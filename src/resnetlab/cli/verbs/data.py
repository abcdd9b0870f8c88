"""The verbs under `resnetlab data`."""

import argparse
import sys
from dataclasses import replace
from typing import Any

from resnetlab.base.paths import user_path
from resnetlab.base.units import format_bytes
from resnetlab.cli.resolve import split_settings
from resnetlab.cli.text import block, print_json
from resnetlab.data.open import open_data
from resnetlab.data.sources.choices import Choices
from resnetlab.data.sources.encoded import AnySource, EncodedSource
from resnetlab.data.sources.wanted import Wanted
from resnetlab.errors import DataError, UsageError
from resnetlab.show.tables.align import table

_LINES = 20
"""Findings of a kind that are printed; the page and --json have all."""


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


def _open(options: argparse.Namespace, wanted: Wanted) -> AnySource:
    return open_data(options.source, replace(wanted, choices=Choices.parse(options.data_set)))


def _open_files(options: argparse.Namespace) -> EncodedSource:
    source = _open(options, Wanted(holds_small=False, download=False))
    if not isinstance(source, EncodedSource):
        raise UsageError(f"{options.source} holds {source.name}, which is no collection of image files")
    return source


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


def show(options: argparse.Namespace) -> None:
    """Draw training images as the network gets them."""
    from resnetlab.data.tools.samples import draw_samples
    from resnetlab.recipe.named import default_recipe, named_recipe
    from resnetlab.recipe.settings import Resolution

    source = _open(options, Wanted())
    default = default_recipe(options.source, reads_files=source.reads_files)
    texts, knobs = split_settings(options.set)
    if knobs:
        raise UsageError(f"{', '.join(knobs)} belongs to a model, and none is asked about here")
    resolution = Resolution(named_recipe(options.recipe or default))
    resolution.set_texts(texts, "flag")
    draw_samples(source, resolution.recipe, user_path(options.out), number=options.number)
    facts = {"recipe": resolution.recipe.name, "number": options.number, "out": options.out}
    if options.json:
        print_json(facts)
    else:
        print(f"{options.number} training images as {facts['recipe']} augments them: {options.out}")


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


def pack(options: argparse.Namespace) -> None:
    """Write a smaller copy of an image collection."""
    from resnetlab.data.tools.pack import pack_source

    packed = pack_source(
        _open_files(options),
        user_path(options.out),
        side=options.size,
        quality=options.quality,
        progress=_progress("packed"),
    )
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
