"""Records from files and folders."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from resnetlab.base.paths import user_path
from resnetlab.errors import ResnetlabError, UsageError
from resnetlab.reporting.reading import refuse
from resnetlab.reproducing.results.record import Record, read_record


@dataclass(frozen=True, kw_only=True)
class Found:
    """A record, and where it lies."""

    record: Record
    path: Path


def read_records_at(paths: Iterable[str | Path]) -> list[Found]:
    """Return the records in these files, and in folders and below them, by path.

    Raises:
        UsageError: If there is no such file or folder.
        DataError: If one is damaged, or no record; all problems are named at once.
    """
    found: dict[Path, Found] = {}
    problems: list[ResnetlabError] = []
    for place in map(user_path, paths):
        if not place.exists():
            problems.append(UsageError(f"no records at {place}: there is no such file or folder"))
        files = sorted(place.rglob("*.json")) if place.is_dir() else [place] * place.exists()
        for path in files:
            try:
                found[path.resolve()] = Found(record=read_record(path), path=path)
            except ResnetlabError as error:
                problems.append(error)
    refuse(problems)
    return [*found.values()]
