"""Curves of error as text: two by four dots a letter in Braille where a terminal has it, else in ASCII.

`curve_text` draws the rows of metrics.jsonl, of a run in progress or of a finished one; `rate_text` the
losses of a learning-rate range test.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from resnetlab.base.lettering import Letters
from resnetlab.reporting.axes import FEW, SEEN_FROM, Axis, number, value_axis
from resnetlab.reporting.curves import RateCurve, training_rows
from resnetlab.runs.journal import KINDS

Points = Sequence[tuple[float, float]]
"""(step, error in %), by step; or where a rate lies, and the loss there."""

Role = Literal["", "axis", "test", "train"]
"""What a piece of text belongs to, for who colours it."""

Cell = tuple[str, Role]


_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Of a letter of Braille, by row and column. Source: Unicode 15, Braille Patterns, U+2800 to U+28FF."""
_BLANK = 0x2800
_FRAMES: dict[Letters, str] = {"braille": "┤│└─", "ascii": "||+-"}
_MARKS: dict[Letters, str] = {"braille": "▲", "ascii": "^"}
_EVALUATED = ("test", "val")
_WIDEST = 100
"""Letters of a curve, whatever the terminal has."""
_NARROW = 64
"""Columns below which the names stand under the curve."""


@dataclass(frozen=True)
class TextChart:
    """A chart in lines; as `str` it is plain text."""

    lines: tuple[tuple[Cell, ...], ...]
    """Each line in pieces, with what they belong to."""

    def __str__(self) -> str:
        return "\n".join("".join(text for text, _ in line).rstrip() for line in self.lines)

    @property
    def height(self) -> int:
        """Its number of lines."""
        return len(self.lines)


@dataclass(frozen=True)
class _Line:
    told: str
    """What stands beside it."""
    role: Role
    points: Points


@dataclass(frozen=True)
class _Below:
    """What stands below the axis of steps or rates: texts, each at a share of the axis."""

    texts: Sequence[tuple[float, str]]
    mark: tuple[float, str] | None = None
    """A place that is marked, and what it is."""


def curve_text(
    rows: Sequence[Mapping[str, Any]],
    *,
    width: int,
    height: int = 7,
    num_steps: int | None = None,
    letters: Letters = "braille",
) -> TextChart | None:
    """Return the errors of a run over its steps, or None if nothing was evaluated, or all just once.

    The test error, or that of the validation samples, is a line; that of training is dotted.

    Args:
        rows: Those of metrics.jsonl, in their order; of other kinds than train, val and test none is drawn.
        width: Columns that it may take.
        height: Lines of the curve itself, best an odd number; the axis comes below, and the names where it is
            narrow.
        num_steps: The length of the whole run, if the axis is to be that long.
        letters: What to draw with, see `letters_of`.
    """
    lines = [*_lines_of(rows)]
    if not any(line.role == "test" for line in lines) or all(len(line.points) == 1 for line in lines):
        return None
    every = [error for line in lines for _, error in line.points]
    axis = value_axis(_tail(lines), every, most=100, is_short=_is_short(lines))
    last = max(num_steps or 0, *(line.points[-1][0] for line in lines), 1)
    below = _Below([(0.0, "0"), (1.0, _length(rows, last))])
    return _drawn(lines, axis, last, below, width, height, letters)


def rate_text(curve: RateCurve, *, width: int, height: int = 9, letters: Letters = "braille") -> TextChart:
    """Draw the losses of a range test over its rates: smoothed as a line, those of the batches dotted.

    Args:
        curve: What was seen.
        width: As for `curve_text`.
        height: Likewise.
        letters: Likewise.
    """
    lines = [
        _Line("each batch", "train", [*zip(curve.places, curve.losses, strict=True)]),
        _Line("smoothed", "test", [*zip(curve.places, curve.smoothed, strict=True)]),
    ]
    ticks = [(curve.x.place(rate), f"{rate:g}") for rate in curve.x.ticks()]
    mark = (curve.x.place(curve.suggested), f"{curve.suggested:g}") if curve.suggested else None
    return _drawn(lines, curve.y, 1.0, _Below(ticks, mark), width, height, letters)


def _lines_of(rows: Sequence[Mapping[str, Any]]) -> Iterator[_Line]:
    evaluated = [row for row in rows if row["kind"] in _EVALUATED]
    if trained := [*_training_points(rows)]:
        yield _Line(_told("training", trained), "train", trained)
    if evaluated:
        points = [(row["step"], 100 * (1 - row["accuracy"])) for row in evaluated]
        yield _Line(_told(KINDS[evaluated[-1]["kind"]], points), "test", points)


def _told(name: str, points: Points) -> str:
    return f"{name} error {points[-1][1]:.2f} %"


def _training_points(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[float, float]]:
    """Yield the errors of training, each in the middle of the steps that it is of."""
    before = 0
    for row in training_rows(rows):
        if row["step"] > before:
            yield (before + row["step"]) / 2, 100 * (1 - row["train_accuracy"])
            before = row["step"]


def _tail(lines: Sequence[_Line]) -> list[float]:
    return [error for line in lines for step, error in line.points if step >= SEEN_FROM * line.points[-1][0]]


def _is_short(lines: Sequence[_Line]) -> bool:
    return all(len(line.points) <= FEW for line in lines if line.role == "test")


def _length(rows: Sequence[Mapping[str, Any]], last: float) -> str:
    """Return the length of the axis: in epochs, if the rows tell how many steps have how many."""
    told = next((row for row in reversed(rows) if row.get("epoch") and row["step"]), None)
    epochs = round(last * told["epoch"] / told["step"], 1) if told else 0.0
    return f"{number(epochs)} epoch{'s' * (epochs > 1)}" if epochs >= 1 else f"{last:,.0f} steps"


def _drawn(
    lines: Sequence[_Line], axis: Axis, last: float, below: _Below, width: int, height: int, letters: Letters
) -> TextChart:
    ticks = _ticks(axis, height)
    left = max(len(text) for text in ticks.values()) + 1
    names = [line.told for line in lines]
    is_beside = width >= _NARROW
    right = max(map(len, names)) + 2 if is_beside else 1
    columns = max(4, min(_WIDEST, width - left - 1 - right))
    frame = _FRAMES[letters]
    cells = _cells(lines, axis, last, columns, height, letters)
    beside = _beside(lines, axis, height) if is_beside else {}
    found: list[tuple[Cell, ...]] = []
    for row in range(height):
        tick = ticks.get(row, "")
        start: Cell = (f"{tick:>{left - 1}} {frame[0] if tick else frame[1]}", "axis")
        name = beside.get(row)
        found.append((start, *_runs(cells[row]), *([(f" {name.told}", name.role)] if name else [])))
    found.append(((f"{'':{left}}{frame[2]}{frame[3] * columns}", "axis"),))
    if below.mark:
        found.append(((f"{'':{left}} {_marked(*below.mark, columns, letters)}", "test"),))
    found.append(((f"{'':{left}} {_placed(below.texts, columns)}", "axis"),))
    if not is_beside:
        found += [((f"{'':{left + 1}}{line.told}", line.role),) for line in reversed(lines)]
    return TextChart(tuple(found))


def _placed(texts: Sequence[tuple[float, str]], columns: int) -> str:
    """Return texts in a line, each around its place, or within the line; those without room are left out."""
    line = ""
    for share, text in texts:
        start = min(max(round(share * (columns - 1)) - len(text) // 2, 0), columns - len(text))
        if start >= len(line) + bool(line):
            line = f"{line:<{start}}{text}"
    return line


def _marked(share: float, text: str, columns: int, letters: Letters) -> str:
    """Return a mark that points up at its place, with its text behind it, or before it where that ends."""
    mark, column = _MARKS[letters], round(share * (columns - 1))
    is_behind = column + 2 + len(text) <= columns
    return f"{'':{column}}{mark} {text}" if is_behind else f"{f'{text} {mark}':>{column + 1}}"


def _ticks(axis: Axis, height: int) -> dict[int, str]:
    """Return the numbers beside the lines: of both ends and, where a line is there, of the middle."""
    if axis.is_log:
        middle = (axis.low * axis.high) ** 0.5
        nearest = min(axis.ticks(), key=lambda value: abs(math.log(value / middle)))
        values = [axis.low, nearest, axis.high]
    else:
        values = [axis.low, *([axis.high / 2] if height % 2 else []), axis.high]
    return {_row(axis, value, height): number(value) for value in values}


def _row(axis: Axis, value: float, height: int) -> int:
    """Return the line of a value, from the top; values beyond the axis are at its ends."""
    return round((1 - min(1.0, max(0.0, axis.place(value)))) * (height - 1))


def _beside(lines: Sequence[_Line], axis: Axis, height: int) -> dict[int, _Line]:
    """Return which name stands in which line: that of its curve's end, or the next free one."""
    found: dict[int, _Line] = {}
    for line in sorted(lines, key=lambda line: line.role):  # the test error has the first choice
        wish = _row(axis, line.points[-1][1], height)
        free = [row for row in range(height) if row not in found]
        is_above = any(line.points[-1][1] > other.points[-1][1] for other in found.values())
        found[min(free, key=lambda row: (abs(row - wish), row > wish if is_above else row < wish))] = line
    return found


def _cells(
    lines: Sequence[_Line], axis: Axis, last: float, columns: int, height: int, letters: Letters
) -> list[list[Cell]]:
    """Return the letters of the curves, a list for each line; later curves lie on earlier ones."""
    wide, high = (2, 4) if letters == "braille" else (1, 1)
    masks = [[0] * columns for _ in range(height)]
    roles: list[list[Role]] = [[""] * columns for _ in range(height)]
    for line in lines:
        for x, y in _dots(line, axis, last, columns * wide, height * high, is_dense=wide == 1):
            row, column = y // high, x // wide
            masks[row][column] |= _DOTS[y % high][x % wide] if letters == "braille" else 1
            roles[row][column] = line.role

    def letter(mask: int, role: Role) -> str:
        if letters == "braille":
            return chr(_BLANK + mask)
        return "*" if role == "test" else "."

    return [
        [(letter(mask, role), role) if mask else (" ", "") for mask, role in zip(*each, strict=True)]
        for each in zip(masks, roles, strict=True)
    ]


def _dots(
    line: _Line, axis: Axis, last: float, columns: int, rows: int, *, is_dense: bool
) -> Iterator[tuple[int, int]]:
    """Yield (column, row from the top) of a curve's dots; the test error's hang together."""
    is_whole, before = line.role == "test", None
    if is_whole and len(line.points) == 1 and not is_dense:  # alone it would hardly be seen
        x, error = next(_by_column(line.points, last, columns - 1))
        y = min(rows - 2, max(0, round((1 - axis.place(error)) * (rows - 1))))
        yield from itertools.product((x, x + 1), (y, y + 1))
        return
    for x, error in _by_column(line.points, last, columns):
        y = min(rows - 1, round((1 - axis.place(error)) * (rows - 1)))  # below 0 beyond the axis
        if is_whole and before is not None:
            low, high = sorted((before, y))
            yield from ((x, between) for between in range(max(0, low + 1), high))
        if y >= 0 and (is_whole or is_dense or x % 2 == 0):
            yield x, y
        before = y


def _by_column(points: Points, last: float, columns: int) -> Iterator[tuple[int, float]]:
    """Yield the error in each column from the first point to the last: means, and lines between them."""

    def column(step: float) -> int:
        return min(columns - 1, math.floor(step / last * columns))

    means = []
    for x, those in itertools.groupby(points, key=lambda point: column(point[0])):
        errors = [error for _, error in those]
        means.append((x, math.fsum(errors) / len(errors)))
    yield means[0]
    for (x, error), (to, after) in itertools.pairwise(means):
        for between in range(x + 1, to + 1):
            yield between, error + (after - error) * (between - x) / (to - x)


def _runs(cells: Sequence[Cell]) -> Iterator[Cell]:
    """Yield neighbours of one role as one text."""
    for role, those in itertools.groupby(cells, key=lambda cell: cell[1]):
        yield "".join(text for text, _ in those), role
