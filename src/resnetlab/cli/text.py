"""Small pieces of text that several verbs print."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def print_json(content: Any) -> None:
    """Print one JSON object on one line."""
    print(json.dumps(content, allow_nan=False))


def block(lines: Mapping[str, str], indent: str = "  ") -> str:
    """Return "title  text" lines with the texts aligned."""
    width = max((len(title) for title in lines), default=0)
    return "\n".join(f"{indent}{title:<{width}}  {text}" for title, text in lines.items())


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return rows in aligned columns; the first `left` columns to the left, the others right."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]

    def line(cells: Sequence[str]) -> str:
        parts = [
            f"{cell:<{width}}" if index < left else f"{cell:>{width}}"
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(parts).rstrip()

    return "\n".join([line(header), *map(line, rows)])


def command_name() -> str:
    """Return how this user types our command: resnetlab, or its path if it is not on PATH."""
    called = Path(sys.argv[0])
    if called.name != "resnetlab" or shutil.which("resnetlab") == str(called):
        return "resnetlab"
    try:
        return str(called.relative_to(Path.cwd()))
    except ValueError:
        return str(called)
