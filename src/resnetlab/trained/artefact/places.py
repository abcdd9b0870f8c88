"""Where an artefact may be written and read: what is there already is not lost unawares."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from resnetlab.errors import UsageError
from resnetlab.runs.manifest import NAME

_LONGEST_NAME = 100  # characters of a name made here
_NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f\ud800-\udfff]')


@contextlib.contextmanager
def looking_at(path: Path | str) -> Iterator[None]:
    """Turn what the operating system has against a path into a UsageError: a name too long, no right."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error


def refuse_taken(path: Path) -> None:
    """Raise UsageError if there is something at `path` already; an empty directory does not count."""
    with looking_at(path):
        is_taken = path.is_symlink() or path.exists()
        if is_taken and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(f"{path} is there already", hint="Choose another with -o, or remove it.")


def refuse_file(path: Path, *, replaces: bool) -> None:
    """Raise UsageError if a new file at `path` would destroy something.

    Args:
        path: Where the file shall be.
        replaces: Whether a file that is there may be replaced; one in a checkpoint or a model folder
            never is, for these are whole only as they were written.
    """
    with looking_at(path):
        if path.is_dir():
            raise UsageError(f"{path} is a directory, and this is one file", hint="Name the file with -o.")
        if (path.absolute().parent / NAME).exists():
            raise UsageError(
                f"{path} lies in a checkpoint or a model folder, which stay as they were written",
                hint="Choose another place with -o.",
            )
        if not replaces and (path.exists() or path.is_symlink()):
            raise UsageError(
                f"{path} is there already", hint="Choose another with -o, or replace it with --force."
            )


def default_name(name: str) -> str:
    """Return a run's or network's name as that of a file or folder here: it may come from a file of others.

    Names of the catalog stay as they are; no result is a path, hidden, or empty.
    """
    return _NOT_IN_NAMES.sub("-", name).strip(". ")[:_LONGEST_NAME] or "model"
