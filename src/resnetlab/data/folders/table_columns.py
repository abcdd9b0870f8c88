"""Which columns of a table are the image, the label and the split: by choice, title or content."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from resnetlab.base.units import first_of
from resnetlab.data.folders.table_places import Finder
from resnetlab.data.images.kinds import has_image_suffix
from resnetlab.data.sources.choices import FLAG, Choices
from resnetlab.data.sources.labelling import LABEL_TITLES
from resnetlab.data.sources.parts import split_name
from resnetlab.errors import DataError, UsageError, nearest

PATH_TITLES = frozenset(
    {
        "path", "file", "filename", "file_name", "filepath", "filepaths", "image", "images", "image_path",
        "imagepath", "image_file", "image_filename", "img", "img_path", "img_name", "image_name", "imagename",
        "fname",
    }
)  # fmt: skip
_ID_TITLES = frozenset({"id", "image_id", "imageid", "img_id", "name", "photo", "picture", "key", "uid"})
_SPLIT_TITLES = frozenset({"split", "part", "subset", "set", "partition", "data set", "usage", "phase"})
_FLAG_TITLES = {
    "is_valid": "val", "is_val": "val", "is_validation": "val", "is_test": "test", "is_train": "train",
    "is_training": "train",
}  # fmt: skip
"""Columns of true and false, and which split true means; false is train, or test of is_train."""

_TRUE, _FALSE = frozenset({"true", "1", "yes", "1.0", "t"}), frozenset({"false", "0", "no", "0.0", "f"})
_LOOKED_AT = 40


class Line(NamedTuple):
    """A row of the table, as it is written."""

    number: int
    cells: tuple[str, ...]

    def cell(self, column: int) -> str:
        """Return a cell, empty beyond the row's end."""
        return self.cells[column] if column < len(self.cells) else ""


@dataclass(frozen=True)
class Columns:
    """What the columns are, by their index."""

    image: int
    labels: tuple[int, ...]
    """One; or several of zeros and a one, whose titles are the classes."""

    split: int | None
    titles: tuple[str, ...]
    """Empty without a header."""

    notes: tuple[str, ...] = ()

    @property
    def needed(self) -> int:
        """How many cells a row needs at least."""
        return max(self.image, *self.labels, -1 if self.split is None else self.split) + 1

    def label(self, line: Line) -> str:
        """Return the label that a row has; of zeros and a one the title of the one, if there is just one."""
        if len(self.labels) == 1:
            return line.cell(self.labels[0])
        ones = [column for column in self.labels if line.cell(column).casefold() in _TRUE]
        return self.titles[ones[0]] if len(ones) == 1 else ""

    def part_word(self, line: Line) -> str:
        """Return the word for the split that a row has."""
        if self.split is None:
            return "train"
        word = line.cell(self.split)
        true = _FLAG_TITLES.get(self.titles[self.split].casefold()) if self.titles else None
        if true is None or word.casefold() not in _TRUE | _FALSE:
            return word
        false = "test" if true == "train" else "train"
        return true if word.casefold() in _TRUE else false


def find_columns(
    path: Path, lines: Sequence[Line], choices: Choices, finder: Finder
) -> tuple[Columns, Sequence[Line]]:
    """Return what the columns are, and the rows without the header.

    Raises:
        UsageError: If a column was chosen that is not there.
        DataError: If it is not clear which column is the image or the label.
    """
    has_header = _has_header(lines, choices.header, finder)
    table = _Table(path, lines[0].cells if has_header else (), lines[1:] if has_header else lines, finder)
    if not table.lines:
        return Columns(0, (1,), None, table.titles), ()
    split = table.split_column(choices.split_column)
    image = table.image_column(choices.image_column, {split})
    labels, notes = table.label_columns(choices.label_column, {image, split})
    if split is None and not has_header and table.width == 3 and not choices.label_column:
        split = _third_column(table, {image, *labels})
    return Columns(image, labels, split, table.titles, notes), table.lines


def _has_header(lines: Sequence[Line], asked: str, finder: Finder) -> bool:
    if asked:
        words = {"yes": True, "true": True, "no": False, "false": False}
        if asked.casefold() not in words:
            raise UsageError(f"{FLAG} header={asked}: is yes or no")
        return words[asked.casefold()]
    first, rest = lines[0].cells, lines[1:]
    low = {cell.casefold() for cell in first}
    if low & PATH_TITLES and low & LABEL_TITLES:
        return True
    if any(finder.path(cell) or has_image_suffix(cell) for cell in first):
        return False
    sample = _spread(rest)
    repeats = any(cell and any(line.cell(at) == cell for line in rest) for at, cell in enumerate(first))
    names_files = any(finder.find(cell) for line in sample for cell in line.cells)
    known = low & (PATH_TITLES | _ID_TITLES | LABEL_TITLES | _SPLIT_TITLES | _FLAG_TITLES.keys())
    return not any(finder.find(cell) for cell in first) and not repeats and bool(names_files or known)


def _third_column(table: "_Table", used: Collection[int]) -> int | None:
    """Return the third column of a table without titles, if it has words for splits."""
    free = next(column for column in range(table.width) if column not in used)
    return free if all(split_name(line.cell(free)) for line in table.lines) else None


def _spread(lines: Sequence[Line]) -> Sequence[Line]:
    """Return a few rows from everywhere in the table."""
    return lines[:: max(1, len(lines) // _LOOKED_AT)]


@dataclass(frozen=True)
class _Table:
    path: Path
    titles: tuple[str, ...]
    lines: Sequence[Line]
    finder: Finder

    @property
    def width(self) -> int:
        return len(self.titles) or max(len(line.cells) for line in self.lines)

    @property
    def low(self) -> list[str]:
        return [title.casefold() for title in self.titles] or [""] * self.width

    def said(self, columns: Iterable[int] | None = None) -> str:
        """Return the titles of columns, or their numbers, for a message."""
        chosen = range(self.width) if columns is None else columns
        return first_of([self.titles[at] if self.titles else at + 1 for at in chosen], most=12)

    def chosen(self, choice: str, asked: str) -> int:
        """Return the column of that title, or of that number from 1."""
        if asked in self.titles:
            return self.titles.index(asked)
        if asked.casefold() in self.low:
            return self.low.index(asked.casefold())
        if asked.isdecimal() and 1 <= int(asked) <= self.width:
            return int(asked) - 1
        raise UsageError(
            f"{self.path}: {FLAG} {choice}={asked}: no such column",
            hint=f"{nearest(asked, self.titles)} The columns are {self.said()}.".strip(),
        )

    def split_column(self, asked: str) -> int | None:
        if asked:
            return None if asked.casefold() == "none" else self.chosen("split_column", asked)
        titled = [at for at, title in enumerate(self.low) if title in _SPLIT_TITLES or title in _FLAG_TITLES]
        if len(titled) > 1:
            raise DataError(
                f"{self.path}: columns {self.said(titled)} could be the split",
                hint=f"Choose with {FLAG} split_column=NAME, or none.",
            )
        return titled[0] if titled else None

    def image_column(self, asked: str, used: Collection[int | None]) -> int:
        if asked:
            return self.chosen("image_column", asked)
        free = [at for at in range(self.width) if at not in used and self.low[at] not in LABEL_TITLES]
        sample = _spread(self.lines)

        def naming(find: object) -> list[int]:
            assert callable(find)
            hits = {at: sum(bool(find(line.cell(at))) for line in sample) for at in free}
            return [at for at, count in hits.items() if 2 * count >= len(sample)]

        naming_images = naming(self.finder.path) or naming(self.finder.find)
        titled = [at for at in free if self.low[at] in PATH_TITLES]
        for preferred in (titled, [at for at in free if self.low[at] in _ID_TITLES]):
            if found := [at for at in naming_images if at in preferred]:
                return self._only(found, "the image", "image_column")
        if naming_images:
            return self._only(naming_images, "the image", "image_column")
        if titled or not self.titles:
            return titled[0] if titled else 0
        raise DataError(
            f"{self.path}: no column names images in {self.path.parent}; the columns are {self.said()}",
            hint=f"{FLAG} image_column=NAME, image_folder=FOLDER and suffix=.jpg say where they are.",
        )

    def label_columns(
        self, asked: str, used: Collection[int | None]
    ) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Return the label's columns, and what to note."""
        if asked and asked.casefold() not in self.low and "," in asked:
            return tuple(self.chosen("label_column", each.strip()) for each in asked.split(",")), ()
        if asked:
            return (self.chosen("label_column", asked),), ()
        free = [at for at in range(self.width) if at not in used]
        titled = [at for at in free if self.low[at] in LABEL_TITLES]
        if titled:
            return (self._one_of(titled),), ()
        if not self.titles:
            return self._untitled(free), ()
        ones = [at for at in free if self._is_flag(at)]
        if len(ones) > 1:
            counts = {sum(line.cell(at).casefold() in _TRUE for at in ones) for line in self.lines}
            if counts == {1}:
                return tuple(ones), (f"the classes are the columns {self.said(ones)}",)
            if len(ones) == len(free):
                raise DataError(
                    f"{self.path}: rows have {first_of(sorted(counts))} of the labels {self.said(ones)}",
                    hint=f"One class for each image is needed: {FLAG} label_column=A,B takes some of them.",
                )
        if len(free) == 1 and not ones:
            distinct = {line.cell(free[0]) for line in self.lines}
            if 2 * len(distinct) <= len(self.lines) + 1:
                return (free[0],), (f"the labels are those of the column {self.said(free)}",)
        raise DataError(
            f"{self.path}: no column for the label; the columns are {self.said()}",
            hint=f"Choose with {FLAG} label_column=NAME.",
        )

    def _untitled(self, free: Sequence[int]) -> tuple[int, ...]:
        if not free:
            return (1,)
        words = [at for at in free if all(split_name(line.cell(at)) for line in self.lines)]
        labels = free if len(free) == 1 else [at for at in free if at not in words]
        if len(labels) == 1:
            return (labels[0],)
        if len(labels) == 2 and self.width == 3:
            return (labels[0],) if self._mostly_splits(labels[1]) else self._ask_for_label()
        return self._ask_for_label()

    def _mostly_splits(self, column: int) -> bool:
        words = [line.cell(column) for line in self.lines]
        return 2 * sum(bool(split_name(word)) for word in words) > len(words)

    def _ask_for_label(self) -> tuple[int, ...]:
        raise DataError(
            f"{self.path}: {self.width} columns without titles",
            hint=f"Choose with {FLAG} label_column=NUMBER, counted from 1; split_column likewise.",
        )

    def _is_flag(self, column: int) -> bool:
        return all(line.cell(column).casefold() in _TRUE | _FALSE for line in self.lines)

    def _one_of(self, titled: Sequence[int]) -> int:
        """Return which of the columns that are called so is the label.

        "label" goes before the others. Of a number and a name that go together it is the name.
        """
        if len(titled) == 1:
            return titled[0]
        if exact := [at for at in titled if self.low[at] == "label"]:
            return exact[0]
        pairs = {tuple(line.cell(at) for at in titled) for line in self.lines}
        if all(len({pair[side] for pair in pairs}) == len(pairs) for side in range(len(titled))):
            names = [at for at in titled if not all(line.cell(at).isdecimal() for line in self.lines)]
            return (names or titled)[0]
        return self._only(titled, "the label", "label_column")

    def _only(self, found: Sequence[int], what: str, choice: str) -> int:
        if len(found) > 1:
            raise DataError(
                f"{self.path}: columns {self.said(found)} could be {what}",
                hint=f"Choose with {FLAG} {choice}=NAME.",
            )
        return found[0]
