"""A table of images: a CSV file with a path, a label and, if one likes, a split per row."""

import csv
import io
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from resnetlab.base.reading.plain import parse_foreign_json, read_text
from resnetlab.base.units import first_of
from resnetlab.data.folders.table_columns import Columns, Line, find_columns
from resnetlab.data.folders.table_places import Finder
from resnetlab.data.sources.choices import FLAG, LEFT_OPEN, Choices
from resnetlab.data.sources.encoded import EncodedSource, FileReader, Names
from resnetlab.data.sources.labelling import name_classes, number_classes, numbering_notes, refuse
from resnetlab.data.sources.named_splits import SPLIT_CHOICES, named_splits
from resnetlab.data.sources.parts import PARTS, divide_by_part, parts_of, source_from_parts
from resnetlab.errors import DataError, UsageError

CHOICES = (
    "image_column", "label_column", "split_column", "image_folder", "suffix", "separator", "header",
    *SPLIT_CHOICES, "class_names",
)  # fmt: skip
LISTS = (".txt", ".lst", ".list")
"""Suffixes of tables whose columns may have blanks between them."""

SUFFIXES = (".csv", ".tsv", ".jsonl", *LISTS)
_SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "space": " ", "bar": "|"}
_MOST_LINES_SHOWN = 5
_MOST_BYTES = 2**30
"""Of a table: fourteen million images, as all of ImageNet has, with paths of 60 letters."""


class Row(NamedTuple):
    """A row of the table."""

    line: int
    place: str
    label: str
    part: str
    """The word for the split, as it is written."""


def open_csv(path: Path, *, for_scoring: bool = False, choices: Choices = LEFT_OPEN) -> EncodedSource:
    """Open a CSV of path,label or path,label,split, with or without a header, or with others' headers.

    Paths are relative to the CSV's folder; images that do not lie there are looked for below it by their
    names, with or without a suffix. Labels are class names, in sorted order, or whole numbers, in their
    order; or one column for each class, of zeros and a one. The separator is whichever of , ; | and tab the
    first line has most of, in a list also blanks. Without a column of splits (train, val, test, or is_valid)
    a fifth of each class is held out. A .jsonl file has an object a line.

    Args:
        path: The file.
        for_scoring: Whether it is to be scored: see `source_from_parts`.
        choices: See CHOICES.

    Raises:
        UsageError: If a column was chosen that is not there.
        DataError: If a row lacks something, a file is not there, or a path has two labels; the
            first five lines of each kind are named. If two columns could be the label.
    """
    path = Path(path)
    finder = Finder(path.parent, image_folder=choices.image_folder, suffix=choices.suffix)
    lines = _read_lines(path, choices.separator)
    refuse(str(path), ["has no rows"] if not lines else [])
    columns, data = find_columns(path, lines, choices, finder)
    refuse(str(path), ["has no rows"] if not data else [])
    is_chosen = any(getattr(choices, name) for name in SPLIT_CHOICES)
    parsed = [_parse(line, columns, is_lenient=is_chosen) for line in data]
    problems = _group((problem, row.line) for row, problem in parsed if problem)
    rows = [row for row, problem in parsed if not problem]
    rows, missing = _found(path, rows, finder)
    problems += _group([*missing, *_double_places(rows, os.path.abspath(path.parent))])
    refuse(str(path), problems, hint=_hint(problems))
    words = list(dict.fromkeys(row.part for row in rows))
    splits = named_splits(str(path), words, choices) if is_chosen else None
    said = splits.parts if splits else parts_of(str(path), words)
    rows = [row for row in rows if row.part in said]
    class_names, labels = number_classes(_plain_numbers([row.label for row in rows]))
    notes = [
        *columns.notes,
        *finder.notes(),
        *(splits.notes if splits else ()),
        *_notes_on_labels(class_names),
    ]
    if choices.class_names:
        class_names, labels, more = name_classes(class_names, labels, choices.naming)
        notes += more
    reader = _reader(path, [row.place for row in rows])
    return source_from_parts(
        name=path.stem,
        origin=str(path),
        class_names=class_names,
        parts=divide_by_part(reader, [said[row.part] for row in rows], labels),
        notes=[*notes, *numbering_notes(class_names)],
        for_scoring=for_scoring,
    )


def _read_lines(path: Path, asked: str) -> list[Line]:
    """Return the rows that are not empty, the header too."""
    try:
        text = read_text(path, most=_MOST_BYTES, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}", hint="Save it as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if path.suffix.lower() == ".jsonl":
        return _json_lines(path, text)
    first = text.partition("\n")[0]
    separator = _SEPARATORS.get(asked, asked) or max(",;\t|", key=first.count)
    if len(separator) != 1:
        raise UsageError(f"{FLAG} separator={asked}: a character, or {', '.join(_SEPARATORS)}")
    if separator == " " or (not asked and separator not in first and path.suffix.lower() in LISTS):
        rows = ((number, _by_blanks(row)) for number, row in enumerate(text.splitlines(), start=1))
        return [Line(number, cells) for number, cells in rows if cells]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    lines = []
    try:
        for row in reader:
            cells = tuple(cell.strip() for cell in row)
            if any(cells):
                lines.append(Line(reader.line_num, cells))
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}") from error
    return lines


def _by_blanks(row: str) -> tuple[str, ...]:
    """Return path and label of a line of a list; the path may have blanks in it, if it has a suffix."""
    cells = row.split()
    if len(cells) > 2 and "." not in cells[0] and "." in cells[-2]:
        return (" ".join(cells[:-1]), cells[-1])
    return tuple(cells)


def _json_lines(path: Path, text: str) -> list[Line]:
    """Return the objects of a .jsonl as rows under a header of the first one's keys."""
    lines: list[Line] = []
    keys: tuple[str, ...] = ()
    for number, row in enumerate(text.splitlines(), start=1):
        if not row.strip():
            continue
        try:
            value = parse_foreign_json(row)
        except ValueError as error:
            raise DataError(f"{path}: line {number}: no JSON ({error})") from error
        if not isinstance(value, dict):
            raise DataError(f"{path}: line {number}: no JSON object")
        value = _flat(value)
        if not keys:
            keys = tuple(value)
            lines.append(Line(0, keys))
        lines.append(Line(number, tuple(_cell(value.get(key)) for key in keys)))
    return lines


def _flat(value: Mapping[str, object]) -> dict[str, object]:
    """Return an object whose objects are laid out as keys of their own: "label.name"."""
    found: dict[str, object] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            found |= {f"{key}.{name}": each for name, each in _flat(inner).items()}
        else:
            found[key] = inner
    return found


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value).strip()


def _parse(line: Line, columns: Columns, *, is_lenient: bool) -> tuple[Row, str]:
    """Return the row and what is wrong with it, or an empty string; lenient takes any word for a split."""
    if len(line.cells) < columns.needed:
        return Row(line.number, "", "", ""), f"has fewer than {columns.needed} columns"
    place, label, word = line.cell(columns.image), columns.label(line), columns.part_word(line)
    problem = ""
    if not place:
        problem = "has no path"
    elif not label:
        problem = "has no label" if len(columns.labels) == 1 else "has not just one label"
    elif label.startswith("-") and label[1:].isdecimal():
        problem = "has a label below 0"
    elif not (is_lenient or word.casefold() in PARTS):
        problem = "has a split that is none of train, val, test"
    return Row(line.number, place.replace("\\", "/"), label, word), problem


def _hint(problems: Sequence[str]) -> str:
    if any("has a split that is none" in problem for problem in problems):
        return f"Choose the splits with {FLAG} train_split=A,B and test_split=C, or split_column=none."
    return ""


def _found(path: Path, rows: Sequence[Row], finder: Finder) -> tuple[list[Row], list[tuple[str, int]]]:
    """Return the rows with the places of their images, and the problems of those that are not there."""
    found: list[Row] = []
    problems: list[tuple[str, int]] = []
    folder = _folder_of_all(rows, finder)
    for row in rows:
        place = finder.find(row.place, folder)
        if place is None and len(several := finder.candidates(row.place)) > 1:
            problems.append((f"there are several images of that name, e.g. {first_of(several, 2)}", row.line))
        elif place is None:
            problems.append((f"no such file in {path.parent}", row.line))
        found.append(row._replace(place=place or row.place))
    return found, problems


def _folder_of_all(rows: Sequence[Row], finder: Finder) -> str | None:
    """Return the only folder that has an image of every row that does not lie where the table says."""
    unplaced = [row.place for row in rows if finder.path(row.place) is None]
    counts = Counter(
        folder
        for place in unplaced
        for folder in {os.path.dirname(each) for each in finder.candidates(place)}
    )
    full = [folder for folder, count in counts.items() if count == len(unplaced)]
    return full[0] if len(full) == 1 else None


def _double_places(rows: Sequence[Row], folder: str) -> Iterator[tuple[str, int]]:
    known: dict[str, Row] = {}
    for row in rows:
        before = known.setdefault(os.path.normpath(os.path.join(folder, row.place)), row)
        if before.label != row.label:
            yield "gives an earlier line's path another label", row.line
        elif before is not row:
            yield "is an earlier line's path again", row.line


def _plain_numbers(labels: list[str]) -> list[str]:
    """Return whole numbers that are written as 3.0, as tables of numbers with gaps are, as 3."""
    if all(label.endswith(".0") and label[:-2].isdecimal() for label in labels):
        return [label[:-2] for label in labels]
    return labels


def _notes_on_labels(class_names: Sequence[str]) -> list[str]:
    """Return a note if labels look like several in one cell: "clear primary" beside "clear"."""
    alone = set(class_names)
    for separator in ("|", ";", ",", " "):
        several = [name for name in class_names if len(name.split(separator)) > 1]
        if separator == " ":
            several = [name for name in several if alone & set(name.split())]
        if several:
            return [
                f"{several[0]!r} may be several labels in one cell: each combination is a class of its own"
            ]
    return []


def _reader(path: Path, places: Sequence[str]) -> FileReader:
    """Return the reader of the images, relative to the table's folder; absolute paths to their common one."""
    if not all(map(os.path.isabs, places)):
        return FileReader(os.path.abspath(path.parent), Names.of(places))
    root = os.path.commonpath([os.path.dirname(place) for place in places])
    prefix = root.rstrip("/") + "/"
    if not all(place.startswith(prefix) for place in places):  # a path that is not written plainly
        return FileReader(os.path.abspath(path.parent), Names.of(places))
    return FileReader(root, Names.of(place.removeprefix(prefix) for place in places), prefix)


def _group(problems: Iterable[tuple[str, int]]) -> list[str]:
    """Return one text for each kind of problem, with the first few of its lines."""
    lines = defaultdict(list)
    for problem, line in problems:
        lines[problem].append(line)
    return [f"{_lines(numbers)}: {problem}" for problem, numbers in lines.items()]


def _lines(numbers: Sequence[int]) -> str:
    shown = first_of([f"{number:,}" for number in numbers], _MOST_LINES_SHOWN)
    return f"line{'s' * (len(numbers) > 1)} {shown}"
