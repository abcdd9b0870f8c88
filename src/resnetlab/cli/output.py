"""What a command prints, whatever stands behind it: another encoding, a full disk, nobody at all."""

import argparse
import codecs
import contextlib
import io
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO, TypeVar

from resnetlab.base.lettering import without_commands
from resnetlab.base.paths import as_word
from resnetlab.errors import UsageError
from resnetlab.watching.fitting import block as block
from resnetlab.watching.streams import why_unwritten as why_unwritten

_AS_IT_CAN = "resnetlab.as-it-can"
_SPELT = {"±": "+-"}

Stream = TypeVar("Stream", bound=io.TextIOWrapper)


def _as_it_can(error: UnicodeError) -> tuple[str | bytes, int]:
    r"""Write a character that an encoding lacks.

    A byte of a name that is no text stays that byte, as `ls` shows it; others become \xe9 or \u4f60.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character, after = error.object[error.start], error.start + 1
    has_bytes_for_letters = not error.encoding.lower().startswith(("utf-16", "utf-32", "utf_16", "utf_32"))
    if "\udc80" <= character <= "\udcff" and has_bytes_for_letters:
        return character.encode("ascii", "surrogateescape"), after
    return _SPELT.get(character) or character.encode("ascii", "backslashreplace").decode(), after


codecs.register_error(_AS_IT_CAN, _as_it_can)


class Output(io.TextIOWrapper):
    """Standard output; it shows every text, obeys none, and remembers why it could not be written."""

    problem: OSError | None = None

    def write(self, text: str, /) -> int:
        """Write the text.

        Raises:
            OSError: If that cannot be; `problem` is the same.
        """
        return self.write_as_it_is(without_commands(text))

    def write_as_it_is(self, text: str) -> int:
        """Write the text and what a terminal obeys in it; raises as `write`."""
        try:
            return super().write(text)
        except OSError as error:
            self.problem = error
            raise

    def flush(self) -> None:
        """Write what is held back; raises as `write`."""
        try:
            super().flush()
        except OSError as error:
            self.problem = error
            raise


class Remarks(io.TextIOWrapper):
    """Standard error: what cannot be written there is lost, and the work goes on."""

    def write(self, text: str, /) -> int:
        """Write the text if that can be."""
        head = "\r" if text.startswith("\r") else ""  # a count that goes on in its line
        with contextlib.suppress(OSError):
            super().write(head + without_commands(text.removeprefix("\r")))
        return len(text)

    def flush(self) -> None:
        """Write what is held back if that can be."""
        with contextlib.suppress(OSError):
            super().flush()


@contextlib.contextmanager
def standard_streams() -> Iterator[Output | None]:
    """Print through `Output`, which is returned, and `Remarks` while inside.

    Standard streams that are closed are opened, so that no other file takes their numbers. An output
    that is no file, a notebook's, stays as it is: then None is returned.
    """
    before = sys.stdin, sys.stdout, sys.stderr
    opened = [_open_closed(name) for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    output, remarks = _anew(sys.stdout, Output, _AS_IT_CAN), _anew(sys.stderr, Remarks, "backslashreplace")
    sys.stdout, sys.stderr = output or sys.stdout, remarks or sys.stderr
    try:
        yield output
    finally:
        for ours in (output, remarks):
            if ours:
                _give_back(ours)
        sys.stdin, sys.stdout, sys.stderr = before
        for stream in opened:
            stream.close()


def _open_closed(name: str) -> TextIO:
    """Open the standard stream: an output that cannot be written, or remarks that lead nowhere."""
    descriptor = os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY)
    stream = os.fdopen(descriptor, "r" if name == "stdin" else "w", encoding="utf-8")
    setattr(sys, name, stream)
    return stream


def _anew(stream: TextIO, kind: type[Stream], errors: str) -> Stream | None:
    """Return the stream as one of our kind, which writes into the same file; None if it is no file."""
    if not isinstance(stream, io.TextIOWrapper):
        return None
    with contextlib.suppress(OSError):
        stream.flush()
    return kind(
        stream.buffer,
        encoding=stream.encoding,
        errors=errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _give_back(ours: io.TextIOWrapper) -> None:
    """Leave the file to the stream that had it; if it failed, lead it nowhere: Python would try again."""
    try:
        io.TextIOWrapper.flush(ours)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, ours.fileno())
        os.close(nowhere)
        io.TextIOWrapper.flush(ours)
    ours.detach()


def progress_stream(options: argparse.Namespace) -> TextIO:
    """Return where a command shows how far it is; that of a process that is not the first goes nowhere."""
    return sys.stderr if options.json and options.world.is_first else sys.stdout


def tell_beside(text: str) -> None:
    """Say what takes some seconds before there is anything to show."""
    print(text, file=sys.stderr, flush=True)


def print_json(content: Any) -> None:
    """Print one JSON object on one line."""
    print(json.dumps(content, allow_nan=False))


FORMS = ("json", "markdown", "latex")
"""Flags that say how a table is printed."""


class Table(Protocol):
    """What can be printed in each of the forms."""

    def to_json(self) -> dict[str, Any]:
        """Return its content."""

    def markdown(self) -> str:
        """Return it in GitHub's Markdown."""

    def latex(self) -> str:
        """Return it in LaTeX."""


def chosen_form(options: argparse.Namespace) -> str:
    """Return which of FORMS was given; empty if none was.

    Raises:
        UsageError: If several were.
    """
    given = [form for form in FORMS if getattr(options, form, False)]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(f'--{form}' for form in given)} exclude each other")
    return "".join(given)


def print_table(
    table: Table, form: str, files: Sequence[str], *, text: str | None = None, between: str = ""
) -> None:
    """Print a table in one of FORMS, or as text, and then which files were written, `between` before each."""
    if form == "json":
        print_json(table.to_json() | {"files": [*files]})
        return
    print(table.markdown() if form == "markdown" else table.latex() if form == "latex" else text or table)
    if not form:
        print("".join(f"{between}written: {file}\n" for file in files), end="")


COMMAND = "RESNETLAB_COMMAND"
"""Variable that tells the processes of a command how it was typed."""


def command_name() -> str:
    """Return how this user types our command: resnetlab, or its path if it is not on PATH."""
    if typed := os.environ.get(COMMAND):
        return typed
    called = Path(sys.argv[0])
    if called.name != "resnetlab" or shutil.which("resnetlab") == str(called):
        return "resnetlab"
    try:
        return str(called.relative_to(Path.cwd()))
    except ValueError:
        return str(called)


def opening(path: Path) -> str:
    """Return the command that opens a file in the program that people have for it."""
    opener = {"darwin": "open", "win32": "start"}.get(sys.platform, "xdg-open")
    return f"{opener} {as_word(path)}"
