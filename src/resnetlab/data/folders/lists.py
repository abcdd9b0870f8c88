"""Lists that lie among pictures, in a folder or an archive, and what they say of each picture."""

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from resnetlab.base.reading.plain import read_plain
from resnetlab.data.sources.leftovers import is_hidden

SUFFIXES = (".txt", ".csv", ".tsv", ".lst", ".list")
MOST_BYTES = 2**28


class Shelf:
    """The files beside the pictures of a folder; see `Archived` for those of an archive."""

    def __init__(self, root: str = "") -> None:
        self.root = root
        """The folder; empty for an archive."""

    def names(self, folder: str) -> Sequence[str]:
        """Return the names of the files in a folder, sorted; nothing if it cannot be read."""
        try:
            with os.scandir(os.path.join(self.root, folder)) as entries:
                return sorted(each.name for each in entries if each.is_file() and not is_hidden(each.name))
        except OSError:
            return []

    def folders(self, folder: str) -> Sequence[str]:
        """Return the names of the folders in a folder, sorted; nothing if it cannot be read."""
        try:
            with os.scandir(os.path.join(self.root, folder)) as entries:
                return sorted(each.name for each in entries if each.is_dir() and not is_hidden(each.name))
        except OSError:
            return []

    def content(self, place: str) -> bytes:
        """Return a file's content; nothing if it is too large for a list, or cannot be read."""
        path = os.path.join(self.root, place)
        try:
            return read_plain(Path(path), most=MOST_BYTES)
        except (OSError, ValueError):
            return b""

    def lists(self, folder: str) -> Sequence[str]:
        """Return the names of those files in a folder that may be lists."""
        return [name for name in self.names(folder) if os.path.splitext(name)[1].lower() in SUFFIXES]

    def lines(self, place: str) -> list[str]:
        """Return the lines of a text in UTF-8; nothing of other files."""
        try:
            return self.content(place).decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            return []


class Archived(Shelf):
    """The files beside the pictures of an archive."""

    def __init__(self, files: Mapping[str, Callable[[], bytes]]) -> None:
        """Remember each file's content, by its path with "/"."""
        super().__init__()
        self._files = {plain_path(place): read for place, read in files.items()}
        self._inside: dict[str, list[str]] = defaultdict(list)
        self._folders: dict[str, set[str]] = defaultdict(set)
        for place in sorted(self._files):
            folder, _, name = place.rpartition("/")
            self._inside[folder].append(name)
            while folder:
                folder, _, inner = folder.rpartition("/")
                self._folders[folder].add(inner)

    def names(self, folder: str) -> Sequence[str]:
        """Return the names of the files in a folder, sorted."""
        return self._inside.get(folder, [])

    def folders(self, folder: str) -> Sequence[str]:
        """Return the names of the folders in a folder that hold such files, sorted."""
        return sorted(self._folders.get(folder, ()))

    def content(self, place: str) -> bytes:
        """Return a file's content."""
        return self._files[place]() if place in self._files else b""


def plain_path(place: str) -> str:
    """Return a path without its ./ and //."""
    return "/".join(name for name in place.split("/") if name not in ("", "."))


def cells_of(lines: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the cells of each line, which tabs, commas or semicolons divide, or else blanks."""
    separator = next((each for each in "\t,;" if lines and each in lines[0]), None)
    yield from csv.reader(lines, delimiter=separator) if separator else (line.split() for line in lines)


class Pictures:
    """Finds pictures by what a list calls them: a path, with or without its suffix, or a name alone."""

    def __init__(self, places: Sequence[str], folder: str) -> None:
        """Remember the pictures.

        Args:
            places: Their paths.
            folder: The one that the class folders lie in.
        """
        by_path: dict[str, set[int]] = defaultdict(set)
        by_name: dict[str, set[int]] = defaultdict(set)
        start = len(folder) + 1 if folder else 0
        for index, place in enumerate(places):
            below = place[start:]
            for path in (below, os.path.splitext(below)[0]):
                by_path[path].add(index)
                by_name[path.rpartition("/")[2]].add(index)
        self._by_path, self._by_name = _sure(by_path), _sure(by_name)

    def find(self, text: str) -> int | None:
        """Return the index of the picture that is meant; None if it is none, or may be several."""
        path = text.strip().strip('"').replace("\\", "/").strip("/")
        names = [name for name in path.split("/") if name not in ("", ".")]
        for at in range(len(names) - 1):
            found = self._by_path.get("/".join(names[at:]))
            if found is not None:
                return found
        return self._by_name.get(names[-1]) if names else None


def _sure(found: Mapping[str, set[int]]) -> dict[str, int]:
    return {text: next(iter(indices)) for text, indices in found.items() if len(indices) == 1}


def labels_by_name(lines: Sequence[str]) -> dict[str, str]:
    """Return the second cell of each line by the first, a picture's name; nothing if one has two."""
    found: dict[str, str] = {}
    for name, label, *_ in (cells for cells in cells_of(lines) if len(cells) > 1):
        if found.setdefault(PurePosixPath(name.strip()).name, label.strip()) != label.strip():
            return {}  # a name with two classes: this is another kind of list
    return found
