"""The run directories at and below given paths."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from resnetlab.base.paths import user_path
from resnetlab.errors import ResnetlabError, UsageError


def find_runs(paths: Sequence[str | Path]) -> tuple[list[Path], list[ResnetlabError]]:
    """Return the runs at `paths` and below them, each once, and what is wrong with the paths.

    Folders are searched in the order of their names; a run is not searched, nor is a hidden folder.
    """
    found: dict[Path, Path] = {}
    problems: list[ResnetlabError] = []
    for path in map(user_path, paths):
        runs: list[Path] = []
        try:
            runs = [*_search(path)]
        except OSError as error:
            problems.append(UsageError(f"{error.filename or path}: cannot be read ({error.strerror})"))
        else:
            problems += [] if runs else [_nothing_at(path)]
        for run in runs:
            found.setdefault(run.resolve(), run)
    return [*found.values()], problems


def _search(path: Path) -> Iterator[Path]:
    if _is_run(path):
        yield path
        return
    if not os.path.isdir(path):
        return
    folders = [entry for entry in os.scandir(path) if entry.is_dir() and not entry.name.startswith(".")]
    for entry in sorted(folders, key=lambda entry: _by_number(entry.name)):
        folder = path / entry.name
        if not entry.is_symlink():
            yield from _search(folder)
        elif _is_run(folder):  # a link to a folder of runs could lead in a circle
            yield folder


def _is_run(path: Path) -> bool:
    return os.path.isfile(path / "recipe.json")


def _by_number(name: str) -> tuple[str | int, ...]:
    """Return a key that puts seed2 before seed10: texts and numbers in turn."""
    return tuple(int(part) if odd % 2 else part for odd, part in enumerate(re.split(r"([0-9]+)", name)))


def _nothing_at(path: Path) -> UsageError:
    if not os.path.lexists(path):
        return UsageError(f"no run at {path}: there is no such directory")
    if not path.is_dir():
        return UsageError(
            f"no run at {path}: it is a file", hint="Name a run's directory, or a folder of runs."
        )
    return UsageError(
        f"no run at {path} or below it: no directory there holds a recipe.json",
        hint="`resnetlab train` makes one with --out.",
    )
