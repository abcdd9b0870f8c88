"""What a stream can show."""

import os
from dataclasses import dataclass
from typing import TextIO

from resnetlab.base.lettering import Letters, letters_of

_WIDTH = 80
"""Columns where none are known, for what has to have some."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a stream can show."""

    is_live: bool
    """Whether lines can change after they were written: on a terminal that is not dumb."""
    columns: int | None
    """How wide it is; None in a file or a pipe, unless the variable COLUMNS says so."""
    letters: Letters

    @property
    def width(self) -> int:
        """Columns for what has to have some."""
        return self.columns or _WIDTH

    @property
    def rule(self) -> str:
        """The letter to draw a line with."""
        return "-" if self.letters == "ascii" else "\N{BOX DRAWINGS LIGHT HORIZONTAL}"


def sight_of(stream: TextIO) -> Sight:
    """Return what a stream can show, now: a terminal may change its width."""
    terminal = os.environ.get("TERM", "")
    is_terminal = hasattr(stream, "isatty") and stream.isatty()  # a script's own may only write
    return Sight(
        is_live=is_terminal and terminal not in ("dumb", "unknown"),
        columns=_columns(stream, is_terminal),
        letters=letters_of(getattr(stream, "encoding", None), terminal if is_terminal else ""),
    )


def _columns(stream: TextIO, is_terminal: bool) -> int | None:
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    if not is_terminal:
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH
    except (OSError, ValueError):  # a terminal by its own account alone
        return _WIDTH
