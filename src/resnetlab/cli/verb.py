"""What every verb of the command line has: its flags, and its code that runs."""

import argparse
import contextlib
import gc
import importlib
from collections.abc import Callable, Iterator
from typing import Any

from resnetlab.errors import UsageError

Code = Callable[[argparse.Namespace], None]


def new_verb(verbs: Any, name: str, help_text: str) -> Any:
    """Add a verb to those of the command, or of another verb, and return its parser, which has no flags yet.

    Args:
        verbs: The verbs that there are.
        name: As it is typed.
        help_text: What it does, for the list of verbs and for its own help.
    """
    return verbs.add_parser(
        name,
        help=help_text,
        description=help_text[0].upper() + help_text[1:] + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def set_up(parser: argparse.ArgumentParser, perform: Code, examples: str = "", *, needs: str = "") -> None:
    """Give a verb's parser its code and the flags that all have.

    Args:
        parser: The verb's.
        perform: Its code. It imports what is heavy when it is called: the verb's help does without.
        examples: What its help ends with.
        needs: A module without which the verb does nothing, and which takes long to import.
    """
    parser.epilog = examples
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.set_defaults(perform=_telling_what_lacks(perform, needs), parser=parser)


def _telling_what_lacks(perform: Code, needs: str) -> Code:
    def told(options: argparse.Namespace) -> None:
        try:
            if needs:
                with _collecting_nothing():
                    importlib.import_module(needs)
            perform(options)
        except ModuleNotFoundError as error:
            from resnetlab.runs.environment import how_to_install

            if not (how := how_to_install(error.name or "")):
                raise
            raise UsageError(
                f"this needs {error.name}, which is not installed: {how}",
                hint="`resnetlab doctor` says what else is missing.",
            ) from error

    return told


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
