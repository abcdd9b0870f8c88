"""Lists that say which pictures train and which test, as those who published a collection divided it."""

import functools
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from resnetlab.base.units import first_of
from resnetlab.data.folders.lists import Pictures, Shelf, cells_of
from resnetlab.data.sources.choices import FLAG
from resnetlab.data.sources.parts import PARTS, parts_of, split_name
from resnetlab.errors import DataError, UsageError

CHOICE = "split_list"
_FOLDERS = frozenset({
    "meta", "metadata", "list", "lists", "split", "splits", "annotation", "annotations", "label", "labels",
    "imagesets", "partition", "partitions", "info",
})  # fmt: skip
"""Where lists lie, beside the folder of the pictures."""

_UNREAD = (".mat", ".json", ".pkl", ".npy", ".npz", ".xml", ".yaml", ".yml", ".parquet", ".xlsx")
_MEANINGLESS = re.compile(
    r"[\s_.-]*(lists?|files?|filenames|images|ids|names|paths|labels|annotations|annos?)(?=[\W\d_]|$)", re.I
)
_PATHS, _IS_TRAINING = "images.txt", "train_test_split.txt"
"""CUB-200's: a number and a path a line; a number and whether that picture trains."""

_LOOKED_AT = 200
_WHOLE, _BUT_LAST = -1, -2
"""Columns: all of a line, or all but its last word, as one path with blanks in it."""
_MOST_LISTS = 50
_NOT_THIS = f"{FLAG} {CHOICE}=none does without them."


_TRAIN_ALONE = "{} names {:,} of the {:,} pictures, and no list names what tests: not used to divide them"


class ListedSplits(NamedTuple):
    """What lists say of pictures."""

    parts: list[str]
    """The split of each picture; empty for one that is left out."""

    notes: list[str]


class _Said(NamedTuple):
    """Which pictures some lists name."""

    of: Mapping[str, set[int]]
    """By split."""

    misses: int
    """Lines that name none."""

    files: Sequence[str]


def listed_splits(
    shelf: Shelf, where: str, folder: str, places: Sequence[str], asked: str = ""
) -> ListedSplits:
    """Return which split each picture belongs to, if lists beside the class folders say so; else train.

    They are a list for each split, as meta/train.txt and meta/test.txt, of paths below the class folders or
    of names, with or without their suffix; CUB-200's images.txt and train_test_split.txt; or one list of
    pictures with a split's word beside each. Where no list says what trains, it is all the rest.

    Args:
        shelf: The files beside the pictures.
        where: The data, for errors.
        folder: The one that the class folders lie in.
        places: The pictures' paths.
        asked: Which lists, by their number ("3" for train3.txt and test3.txt); "none" for none.

    Raises:
        UsageError: If there are no such lists.
        DataError: If a picture is in two of them, or they name less than half of the pictures.
    """
    if asked.casefold() == "none":
        return ListedSplits(["train"] * len(places), [])
    if asked and not asked.isdecimal():
        hint = 'It is the number of the lists, as 3 of train3.txt and test3.txt, or "none".'
        raise UsageError(f"{FLAG} {CHOICE}={asked}: no such lists", hint=hint)
    reader = _Lists(shelf, folder, places, asked)
    notes: list[str] = []
    for within in _folders(shelf, folder):
        for said in (reader.by_numbers(within), reader.by_names(within), reader.by_words(within)):
            if said is None:
                continue
            named = [len(indices) for indices in said.of.values() if indices]
            if [*said.of] == ["train"]:
                if 0 < sum(named) < len(places):
                    notes.append(_TRAIN_ALONE.format(said.files[0], sum(named), len(places)))
                continue
            if len(named) > 1 or 0 < sum(named) < len(places):
                return _divided(where, said, places)
            if not named and not within.startswith(".."):
                notes.append(
                    f"none of the pictures is named in {first_of(said.files)}: not used to divide them"
                )
        notes += _unread(shelf, within)
    if asked:
        raise UsageError(f"{where}: {FLAG} {CHOICE}={asked}: there are no such lists")
    return ListedSplits(["train"] * len(places), notes)


def unused_note(asked: str) -> list[str]:
    """Return what to say of lists that were asked for where the folders are the splits."""
    is_unused = asked and asked.casefold() != "none"
    return [f"{FLAG} {CHOICE}={asked} is not used: the folders are the splits"] if is_unused else []


def _folders(shelf: Shelf, folder: str) -> Iterator[str]:
    """Yield where lists may lie: beside the class folders and in all folders above them."""
    above = [folder]
    while above[-1]:
        above.append(os.path.dirname(above[-1]))
    if not folder and shelf.root:
        above.append("..")
    for each in above:
        yield each
        inside = [name for name in shelf.folders(each) if name.casefold() in _FOLDERS]
        yield from (f"{each}/{name}".lstrip("/") for name in inside)


class _Lists:
    """Reads the lists in a folder, in the several forms that there are."""

    def __init__(self, shelf: Shelf, folder: str, places: Sequence[str], number: str) -> None:
        self._shelf, self._folder, self._places, self._number = shelf, folder, places, number

    @functools.cached_property
    def _pictures(self) -> Pictures:
        return Pictures(self._places, self._folder)

    def by_numbers(self, within: str) -> _Said | None:
        """Return what CUB-200's two lists say, if they are here."""
        if not {_PATHS, _IS_TRAINING} <= {*self._shelf.lists(within)} or self._number:
            return None
        files = [f"{within}/{name}".lstrip("/") for name in (_PATHS, _IS_TRAINING)]
        paths, trains = (
            {cells[0]: " ".join(cells[1:]) for cells in map(str.split, self._shelf.lines(file)) if cells}
            for file in files
        )
        of: dict[str, set[int]] = {"train": set(), "test": set()}
        misses = 0
        for number, path in paths.items():
            found = self._pictures.find(path)
            if found is None or trains.get(number) not in ("0", "1"):
                misses += 1
            else:
                of["train" if trains[number] == "1" else "test"].add(found)
        return _Said(of, misses, files)

    def by_names(self, within: str) -> _Said | None:
        """Return what lists say whose names are those of splits, if there are any."""
        groups: dict[int, dict[str, str]] = defaultdict(dict)
        for name in sorted(self._shelf.lists(within), key=lambda each: (not each.endswith(".txt"), each)):
            stem = os.path.splitext(name)[0]
            plain = _MEANINGLESS.sub(" ", re.sub(r"\d+", " ", stem)).strip()
            if (said := split_name(plain)) and not said.rest:
                number = "".join(re.findall(r"\d+", stem)[:1])
                groups[int(number or -1)].setdefault(plain, name)
        if self._number:
            groups = {key: group for key, group in groups.items() if key == int(self._number)}
        found: list[dict[str, str]] = []
        for _, group in sorted(groups.items()):
            part_of = parts_of(within or "the lists", group)
            shortest = {part_of[stem]: stem for stem in sorted(group, key=len, reverse=True)}
            found.append({part: f"{within}/{group[stem]}".lstrip("/") for part, stem in shortest.items()})
        chosen = next((files for files in found if {*files} != {"train"}), found[0] if found else None)
        return self._named(chosen) if chosen else None

    def _named(self, files: Mapping[str, str]) -> _Said:
        of: dict[str, set[int]] = {}
        misses = 0
        for part in (part for part in dict.fromkeys(PARTS.values()) if part in files):
            rows = [*cells_of(self._shelf.lines(files[part]))]
            at = self._column(rows)
            found = [self._pictures.find(_cell(row, at)) for row in rows if row]
            of[part] = {index for index in found if index is not None}
            misses += sum(index is None for index in found[1:])  # the first may be a header
        return _Said(of, misses, [*files.values()])

    def by_words(self, within: str) -> _Said | None:
        """Return what a list says that has a split's word beside each picture, if there is one."""
        names = self._shelf.lists(within)
        for name in names if len(names) <= _MOST_LISTS else ():  # else there is one for each picture
            file = f"{within}/{name}".lstrip("/")
            rows = [row for row in cells_of(self._shelf.lines(file)) if len(row) > 1]
            some = rows[1:_LOOKED_AT]
            columns = [at for at in range(min(map(len, some), default=0)) if _are_words(some, at)]
            if len(columns) != 1 or self._number:
                continue
            at, words = self._column(rows), [_cell(row, columns[0]).strip() for row in rows]
            part_of = parts_of(file, dict.fromkeys(words))
            of: dict[str, set[int]] = defaultdict(set)
            misses = 0
            for number, (row, word) in enumerate(zip(rows, words, strict=True)):
                found = self._pictures.find(_cell(row, at))
                if found is None or word not in part_of:
                    misses += number > 0
                else:
                    of[part_of[word]].add(found)
            if any(of.values()):
                return _Said(of, misses, [file])
        return None

    def _column(self, rows: Sequence[Sequence[str]]) -> int:
        """Return the column that names most pictures, or `_WHOLE` or `_BUT_LAST`."""
        some = rows[:_LOOKED_AT]
        columns: list[int] = [*range(max(map(len, some), default=0)), _WHOLE, _BUT_LAST]
        hits = [sum(self._pictures.find(_cell(row, at)) is not None for row in some) for at in columns]
        return columns[hits.index(max(hits))]


def _cell(row: Sequence[str], at: int) -> str:
    """Return a cell, empty beyond the row's end, or several as one path."""
    if at < 0:
        return " ".join(row if at == _WHOLE else row[:-1])
    return row[at] if at < len(row) else ""


def _are_words(rows: Sequence[Sequence[str]], at: int) -> bool:
    words = {row[at].strip().casefold() for row in rows}
    return len(words) > 1 and words <= PARTS.keys()


def _divided(where: str, said: _Said, places: Sequence[str]) -> ListedSplits:
    """Return the splits that lists say.

    Raises:
        DataError: If a picture is in two of them, or they name less than half of the pictures.
    """
    files = " and ".join(said.files)
    parts = [""] * len(places)
    for part, named in said.of.items():
        for index in named:
            if parts[index]:
                raise DataError(
                    f"{where}: {places[index]} is in two splits by {files}: {parts[index]} and {part}",
                    hint=_NOT_THIS,
                )
            parts[index] = part
    rest = [index for index, part in enumerate(parts) if not part]
    notes = [f"the splits are those of {files}"]
    if "train" in said.of and not all(said.of.values()):
        none = ", ".join(part for part, named in said.of.items() if not named)
        raise DataError(f"{where}: {files}: no picture is named for {none}", hint=_NOT_THIS)
    if "train" not in said.of:
        notes[0] += ", and the rest trains"
        parts = [part or "train" for part in parts]
    elif 2 * len(rest) > len(places):
        number = f"{len(places) - len(rest):,} of the {len(places):,} pictures"
        raise DataError(f"{where}: {files} divide {number} only, not e.g. {places[rest[0]]}", hint=_NOT_THIS)
    elif rest:
        notes.append(
            f"pictures that these lists do not name, left out: {len(rest):,} (e.g. {places[rest[0]]})"
        )
    if said.misses:
        notes.append(f"lines of these lists that name no picture here: {said.misses:,}")
    return ListedSplits(parts, notes)


def _unread(shelf: Shelf, within: str) -> list[str]:
    """Return what to say of files that may divide the pictures too, but are not read."""
    stems = [os.path.splitext(name) for name in shelf.names(within) if not within.startswith("..")]
    named = [
        f"{within}/{stem}{suffix}".lstrip("/")
        for stem, suffix in stems
        if suffix.lower() in _UNREAD and _is_split(_MEANINGLESS.sub(" ", re.sub(r"\d+", " ", stem)))
    ]
    how = "as train.txt and test.txt, with the path of a picture in each line, they would be"
    return [f"{first_of(named)} may say which pictures train, and are not read: {how}"] * (len(named) > 1)


def _is_split(name: str) -> bool:
    said = split_name(name)
    return said is not None and not said.rest
