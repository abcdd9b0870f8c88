"""A table of images: a CSV file with a path, a label and, if one likes, a split per row."""

import csv
import io
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from resnetlab.data.encoded import EncodedSource, FileReader, Names
from resnetlab.data.labelling import number_classes, numbering_notes, refuse
from resnetlab.data.parts import PARTS, divide_by_part, parts_of, source_from_parts
from resnetlab.errors import DataError

_PATH_TITLES = frozenset({"path", "file", "filename", "file_name", "filepath", "image", "image_path", "img"})
_LABEL_TITLES = frozenset({"label", "class", "class_name", "category", "target"})
_SPLIT_TITLES = frozenset({"split", "part", "subset", "set"})
_MOST_LINES_SHOWN = 5


class Row(NamedTuple):
    """A row of the table."""

    line: int
    place: str
    label: str
    part: str
    """The word for the split, as it is written."""


@dataclass(frozen=True)
class _Columns:
    path: int = 0
    label: int = 1
    split: int | None = None
    has_header: bool = False


def open_csv(path: Path, *, for_scoring: bool = False) -> EncodedSource:
    """Open a CSV of path,label or path,label,split, with or without a header.

    Paths are relative to the CSV's folder. Labels are class names, in sorted order, or whole
    numbers, in their order. The separator is whichever of , ; and tab the first line has most of.
    Without a column of splits (train, val, test) a fifth of each class is held out.

    Args:
        path: The file.
        for_scoring: Whether it is to be scored: see `source_from_parts`.

    Raises:
        DataError: If a row lacks something, a file is not there, or a path has two labels; the
            first five lines of each kind are named.
    """
    path = Path(path)
    rows, problems = _read_rows(path)
    problems += _group(_file_problems(path, rows))
    refuse(str(path), problems)
    refuse(str(path), ["has no rows"] if not rows else [])
    class_names, labels = number_classes([row.label for row in rows])
    said = parts_of(str(path), {row.part for row in rows})
    reader = FileReader(os.path.abspath(path.parent), Names.of(row.place for row in rows))
    return source_from_parts(
        name=path.stem,
        origin=str(path),
        class_names=class_names,
        parts=divide_by_part(reader, [said[row.part] for row in rows], labels),
        notes=numbering_notes(class_names),
        for_scoring=for_scoring,
    )


def _read_rows(path: Path) -> tuple[list[Row], list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}", hint="Save it as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows: list[Row] = []
    problems: list[tuple[str, int]] = []
    columns: _Columns | None = None
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if columns is None:
                columns = _columns(cells)
                if columns.has_header:
                    continue
            row, problem = _parse(cells, columns, reader.line_num)
            if problem:
                problems.append((problem, reader.line_num))
            else:
                rows.append(row)
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}") from error
    return rows, _group(problems)


def _columns(cells: Sequence[str]) -> _Columns:
    """Return the columns that the first row names; if it is no header, path, label and split."""
    place: dict[str, int] = {}
    for index, cell in enumerate(cells):
        for kind, titles in (("path", _PATH_TITLES), ("label", _LABEL_TITLES), ("split", _SPLIT_TITLES)):
            if cell.casefold() in titles:
                place.setdefault(kind, index)
    if "path" in place and "label" in place:
        return _Columns(place["path"], place["label"], place.get("split"), has_header=True)
    return _Columns(split=2 if len(cells) > 2 else None)


def _parse(cells: Sequence[str], columns: _Columns, line: int) -> tuple[Row, str]:
    """Return the row and what is wrong with it, or an empty string."""
    needed = max(columns.path, columns.label, columns.split or 0) + 1
    if len(cells) < needed:
        return Row(line, "", "", ""), f"has fewer than {needed} columns"
    word = "train" if columns.split is None else cells[columns.split]
    place, label = cells[columns.path].replace("\\", "/"), cells[columns.label]
    part = word if word.casefold() in PARTS else ""
    problem = ""
    if not place:
        problem = "has no path"
    elif not label:
        problem = "has no label"
    elif label.startswith("-") and label[1:].isdecimal():
        problem = "has a label below 0"
    elif not part:
        problem = "has a split that is none of train, val, test"
    return Row(line, place, label, part), problem


def _file_problems(path: Path, rows: Sequence[Row]) -> Iterator[tuple[str, int]]:
    known: dict[str, Row] = {}
    for row in rows:
        if not os.path.isfile(os.path.join(path.parent, row.place)):
            yield f"no such file in {path.parent}", row.line
        before = known.setdefault(row.place, row)
        if before.label != row.label:
            yield "gives an earlier line's path another label", row.line
        elif before is not row:
            yield "is an earlier line's path again", row.line


def _group(problems: Iterable[tuple[str, int]]) -> list[str]:
    """Return one text for each kind of problem, with the first few of its lines."""
    lines = defaultdict(list)
    for problem, line in problems:
        lines[problem].append(line)
    return [f"{_lines(numbers)}: {problem}" for problem, numbers in lines.items()]


def _lines(numbers: Sequence[int]) -> str:
    shown = ", ".join(f"{number:,}" for number in numbers[:_MOST_LINES_SHOWN])
    more = f" and {len(numbers) - _MOST_LINES_SHOWN:,} more" if len(numbers) > _MOST_LINES_SHOWN else ""
    return f"line{'s' * (len(numbers) > 1)} {shown}{more}"
