"""Small pieces of text that several verbs print."""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def print_json(content: Any) -> None:
    """Print one JSON object on one line."""
    print(json.dumps(content, allow_nan=False))


def block(lines: Mapping[str, str], indent: str = "  ", *, width: int = 0) -> str:
    """Return "title  text" lines with the texts aligned, after titles of at least this width."""
    width = max([width, *map(len, lines)])
    return "\n".join(f"{indent}{title:<{width}}  {text}" for title, text in lines.items())


def command_name() -> str:
    """Return how this user types our command: resnetlab, or its path if it is not on PATH."""
    called = Path(sys.argv[0])
    if called.name != "resnetlab" or shutil.which("resnetlab") == str(called):
        return "resnetlab"
    try:
        return str(called.relative_to(Path.cwd()))
    except ValueError:
        return str(called)
