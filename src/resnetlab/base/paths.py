"""Paths as people write them."""

import difflib
import os
import re
import shlex
from os import PathLike
from pathlib import Path

from resnetlab.errors import ResnetlabError, UsageError


def user_path(text: str | PathLike[str]) -> Path:
    """Return the path that a person wrote, from Python or for a flag, `~` being their home, and `./~` none.

    Raises:
        UsageError: If it names the home of somebody who is not known here.
    """
    written = os.fspath(text)
    found = os.path.expanduser(written)  # pathlib's would take "./~" for "~"
    if found.startswith("~"):
        raise UsageError(
            f"{written}: there is no such home directory here", hint=f"A file of that name is ./{written}"
        )
    return Path(found)


def as_word(path: object) -> str:
    """Return a path as a word of a command to type: quoted for a shell, and no flag or home for its name."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith(("-", "~")) else text)


def meant_path(path: Path) -> str:
    """Return "Did you mean runs/first?" where something like it lies beside a path that is none, or ""."""
    try:
        beside = sorted(each.name for each in os.scandir(path.parent) if not each.name.startswith("."))
    except OSError:
        return ""
    found = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.7)
    return f"Did you mean {path.parent / found[0]}?" if found else ""


def refuse_endless(path: Path, kind: type[ResnetlabError]) -> None:
    """Raise `kind` if there is neither a file nor a directory: to read a pipe or a device may never end."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise kind(
            f"{path} is no file, but a pipe or a device", hint="Write what comes from it into a file first."
        )


_NOT_IN_NAMES = re.compile(r"[/\\:\x00]")


def is_plain_name(name: object) -> bool:
    """Whether it is the name of something in a directory, on any system."""
    if not isinstance(name, str) or name.strip(". ") == "" or _NOT_IN_NAMES.search(name):
        return False
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # half of a letter: no file can be called that
        return False
    return True


def with_name(path: Path) -> Path:
    """Return a path that ends in a name: as it is, or if it ends in none (`.`, `..`) resolved."""
    return path if path.name not in ("", "..") else path.resolve()
