"""Paths as people write them."""

from os import PathLike
from pathlib import Path

from resnetlab.errors import UsageError


def user_path(text: str | PathLike[str]) -> Path:
    """Return the path that a person wrote, from Python or for a flag, `~` being their home.

    Raises:
        UsageError: If it names the home of somebody who is not known here.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{text}: there is no such home directory here") from error
