"""The runs below a folder, found again and again without searching what has not changed."""

import os
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from resnetlab.base.units import first_of
from resnetlab.board.glance import Glance, Glancing
from resnetlab.board.grouping import Rows, Shelf
from resnetlab.board.studies import Study
from resnetlab.errors import UsageError
from resnetlab.reporting.reading import by_number
from resnetlab.runs.directory import is_run

MOST_ENTRIES = 300_000
"""Names in folders that are looked at: below a home directory there may be millions."""

_TRUSTED_NS = 2 * 10**9
"""How old a folder's time of change must be: what was added within the clock's grain would not show."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What there is below a folder now."""

    root: Path
    rows: tuple[Rows, ...]
    """Runs that differ in nothing but the seed together."""
    notes: tuple[str, ...]
    """What was left out, and why."""

    @property
    def glances(self) -> list[Glance]:
        """Every run."""
        return [glance for rows in self.rows for glance in rows.glances]

    def only(self, states: Collection[str]) -> "Listing":
        """Return the runs that are in these states."""
        kept = [rows.of([each for each in rows.glances if each.state in states]) for rows in self.rows]
        return replace(self, rows=tuple(rows for rows in kept if rows.glances))


@dataclass(frozen=True)
class _Searched:
    """What a folder holds that is no run."""

    changed: int
    folders: tuple[str, ...]
    count: int
    has_study: bool
    links: tuple[str, ...]
    """Links to folders."""


@dataclass
class Folder:
    """A folder that is looked at again and again, by several threads if need be.

    Args:
        path: As the user wrote it.
        pause: Seconds for which what was seen is said again.

    Raises:
        UsageError: If there is no such folder.
    """

    path: Path
    pause: float = 1.0
    root: Path = field(init=False)
    """The folder without links: nothing is read that does not lie below it."""

    def __post_init__(self) -> None:
        if not self.path.is_dir():
            what = "it is a file" if self.path.exists() else "there is no such folder"
            raise UsageError(
                f"no runs in {self.path}: {what}",
                hint="Name the folder that holds them; `resnetlab train` makes them in runs/ unless --out "
                "says otherwise.",
            )
        self.root = self.path.resolve()
        self._is_a_run = is_run(self.root)
        self._searched: dict[str, _Searched] = {}
        self._glancing: dict[str, Glancing] = {}
        self._studies: dict[str, Study] = {}
        self._shelf = Shelf()
        self._lock = threading.Lock()
        self._last: tuple[float, Listing] | None = None

    def look(self) -> Listing:
        """Return what there is now."""
        with self._lock:
            now = time.monotonic()
            if self._last is None or now - self._last[0] >= self.pause:
                listing = self._look()
                self._last = (time.monotonic(), listing)
            return self._last[1]

    def _look(self) -> Listing:
        notes: list[str] = []
        found = [self.root.name] if self._is_a_run else self._find(notes)
        glances: dict[str, Glance] = {}
        for name in found:
            if name not in self._glancing:
                shown = self.path if self._is_a_run else self.path / name
                self._glancing[name] = Glancing(shown, name, self.root)
            glances[name] = self._glancing[name].look()
        for study in self._studies.values():
            glances |= study.waiting(glances)
        self._glancing = {name: self._glancing[name] for name in found}
        ordered = sorted(glances.values(), key=lambda glance: [*map(by_number, glance.name.split("/"))])
        return Listing(root=self.path, rows=self._shelf.sorted_in(ordered), notes=tuple(notes))

    def _find(self, notes: list[str]) -> list[str]:
        """Return the names of the runs, and note what was left out."""
        found: list[str] = []
        searched: dict[str, _Searched] = {}
        unread: list[str] = []
        waiting, entries = [""], 0
        while waiting and entries <= MOST_ENTRIES:
            name = waiting.pop()
            place = os.path.join(self.root, name) if name else str(self.root)
            if name and is_run(place):
                found.append(name)
                continue
            try:
                searched[name] = known = self._search(name, place)
            except OSError as error:
                unread.append(f"{name or self.path}: {error.strerror}")
                continue
            entries += known.count
            waiting += [f"{name}/{folder}" if name else folder for folder in reversed(known.folders)]
        if waiting:
            notes.append(
                f"Only the first {MOST_ENTRIES:,} names below {self.path} were looked at: name a folder that"
                " is nearer to the runs."
            )
        notes += [f"Not searched, as it cannot be read: {first_of(unread)}."] if unread else []
        notes += self._links_out(searched)
        self._searched = searched
        self._studies = {
            name: self._studies.get(name) or Study(self.path / name, name, self.root)
            for name, known in searched.items()
            if known.has_study
        }
        notes += [study.problem for study in self._studies.values() if study.problem]
        return found

    def _search(self, name: str, place: str) -> _Searched:
        changed, known = os.stat(place).st_mtime_ns, self._searched.get(name)
        if known and known.changed == changed and time.time_ns() - changed > _TRUSTED_NS:
            return known
        folders, links = list[str](), list[str]()
        count, has_study = 0, False
        with os.scandir(place) as entries:
            for entry in entries:
                count += 1
                has_study |= entry.name == "study.json"
                if entry.name.startswith(".") or not entry.is_dir():
                    continue
                (links if entry.is_symlink() else folders).append(entry.name)
                if count > MOST_ENTRIES:
                    break
        folders.sort(key=by_number)
        return _Searched(changed, tuple(folders), count, has_study, tuple(sorted(links)))

    def _links_out(self, searched: dict[str, _Searched]) -> list[str]:
        """Return what to say of links to folders elsewhere; those within are found where they lie."""
        found = [
            f"{name}/{link}" if name else link
            for name, known in searched.items()
            for link in known.links
            if not (self.root / name / link).resolve().is_relative_to(self.root)
        ]
        return [f"Links that lead out of {self.path} are not followed: {first_of(found)}."] if found else []
