"""What every verb of the command line has: its flags, and code that is imported only when it runs."""

import argparse
import contextlib
import gc
import importlib
from collections.abc import Callable, Iterator
from typing import Any

from resnetlab.errors import UsageError


def later(module: str, function: str) -> Callable[[argparse.Namespace], None]:
    """Return a function that imports its own code when it is called."""

    def perform(options: argparse.Namespace) -> None:
        try:
            with _collecting_nothing():
                code = importlib.import_module(f"resnetlab.cli.verbs.{module}")
        except ImportError as error:
            if (error.name or "").startswith("resnetlab"):
                raise
            raise UsageError(
                f"this needs what cannot be imported: {error}",
                hint="`resnetlab doctor` says what is missing.",
            ) from error
        getattr(code, function)(options)

    return perform


@contextlib.contextmanager
def _collecting_nothing() -> Iterator[None]:
    """Look for no cycles in what torch defines as it is imported: 0.2 s."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def add_verb(
    verbs: Any, name: str, help_text: str, perform: Callable[[argparse.Namespace], None], examples: str = ""
) -> argparse.ArgumentParser:
    """Add a verb with the flags that all have, and return its parser."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=help_text,
        description=help_text[0].upper() + help_text[1:] + ".",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.set_defaults(perform=perform, parser=parser)
    return parser


def add_place(parser: Any) -> None:
    """Add what a user says of a weight file that holds more than one network."""
    parser.add_argument(
        "--prefix",
        metavar="NAME",
        help="of a file with several networks: the one under this prefix, as encoder_q",
    )
    parser.add_argument(
        "--ignore",
        metavar="PATTERN",
        action="append",
        default=[],
        help="tensors of the file that the network does without, as 'projection_head.*'; may be repeated",
    )


def add_set(parser: argparse.ArgumentParser, what: str = "the recipe or the model") -> None:
    """Add --set, which takes the values of these."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"set any value of {what}; may be repeated",
    )


def add_data_set(parser: argparse.ArgumentParser) -> None:
    """Add --data-set, which says how to read the data."""
    parser.add_argument(
        "--data-set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what the data leaves open, e.g. label_column=breed, train_split=train,extra (docs/data.md); "
        "may be repeated",
    )


def add_bad_samples(parser: argparse.ArgumentParser, default: str = "0") -> None:
    """Add --bad-samples."""
    parser.add_argument(
        "--bad-samples",
        metavar="X%",
        help=f"share of broken image files to leave out (default: {default})",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: auto)")


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add --workers."""
    parser.add_argument(
        "--workers",
        type=int,
        default=-1,
        metavar="N",
        help="processes that read image files (default: -1, auto)",
    )


def add_at_once(parser: argparse.ArgumentParser) -> None:
    """Add --at-once."""
    parser.add_argument(
        "--at-once",
        type=int,
        default=0,
        metavar="N",
        help="of several runs, how many at the same time (default: 0, by the device)",
    )
