"""How large the parts of the overview are, and where its stages stand. All in px."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from resnetlab.base.units import format_count
from resnetlab.show.drawing.comparison.overview_rows import ColumnRows, UnitRows
from resnetlab.show.drawing.figure_parts import row_text, shortcut_kind
from resnetlab.show.drawing.heading import broken
from resnetlab.show.drawing.labels import Layout, shape_text
from resnetlab.show.drawing.typeface import printable, text_width

BOX, GAP = 19.0, 12.0
"""Height of a box, and of the arrow to the next one in the unit."""
LEAD, REST, RADIUS = 16.0, 9.0, 5.0
"""In a unit, what stands above the first box and below the last, and the addition's radius."""
EDGE = 24.0
"""An arrow with the map's size beside it."""
INSET = 14.0
"""The lines "image" and "logits", and the arrow between them and the chain."""
BETWEEN = 8.0
"""What lies between two stages."""
NAME, SIZE, SMALL, LINE = 14.0, 11.0, 10.0, 15.0
"""Sizes of the texts: names, boxes, notes; and the height of a line."""
_NOTE = 170.0
"""The width of a note's lines."""
LANE, BRACKET, ASIDE = 16.0, 9.0, 7.0
"""From the boxes' side to an identity's line and to a bracket; and from a line to its text."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where things start and end in all columns, counted from the top of the models' names.

    `ends` are those of the stem and of each stage.
    """

    image: float
    stages: tuple[float, ...]
    ends: tuple[float, ...]
    tail: float
    bottom: float
    box_width: float


def make_grid(columns: Sequence[ColumnRows]) -> Grid:
    """Return the grid in which every stage starts at the same height in all columns."""
    lines = max(len(heading_lines(column)) + len(note_lines(column)) - 1 for column in columns)
    image = NAME + lines * LINE + 18
    ends = [image + stem_height(max(len(column.stem) for column in columns)) + EDGE]
    stages: list[float] = []
    for units in zip_longest(*(column.stages for column in columns), fillvalue=()):
        stages.append(ends[-1] + BETWEEN)
        ends.append(stages[-1] + max(sum(map(unit_height, stage)) for stage in units) + EDGE)
    tail = ends[-1] + BETWEEN
    rows = max(len(column.tail) for column in columns)
    bottom = tail + LEAD + rows * (BOX + EDGE) - EDGE + 2 * INSET
    return Grid(image, tuple(stages), tuple(ends), tail, bottom, _box_width(columns))


def stem_height(count: int) -> float:
    """Return the px from the image's text to the bottom of the stem's last box."""
    return 2 * INSET + count * (BOX + EDGE) - EDGE


def unit_height(unit: UnitRows) -> float:
    """Return the px from where a unit starts to where the next one does."""
    count = len(unit.rows)
    return LEAD + count * BOX + (count - 1) * GAP + REST + 2 * RADIUS


def heading_lines(column: ColumnRows) -> tuple[str, ...]:
    """Return the lines of a heading, the name first."""
    spec, (_, height, width) = column.model.spec, column.image
    return (
        printable(column.model.name),
        f"{spec.depth} weighted layers",
        f"{format_count(spec.num_parameters)} parameters",
        f"{format_count(spec.num_multiply_adds(height, width))} multiply-adds",
    )


def note_lines(column: ColumnRows) -> tuple[str, ...]:
    """Return the lines below those: what the model is, where its name does not say it."""
    return tuple(broken(column.model.note, SIZE, _NOTE)) if column.model.note else ()


def repeat_text(unit: UnitRows) -> str:
    """Return "× 17"."""
    return f"× {unit.count}"


def reach(column: ColumnRows, box_width: float, layout: Layout) -> tuple[float, float]:
    """Return how far the column reaches to the left and to the right of its chain's middle."""
    half = box_width / 2
    units = [unit for stage in column.stages for unit in stage]
    repeats = [text_width(repeat_text(unit), SIZE, bold=True) for unit in units if unit.count > 1]
    left = half + (BRACKET + ASIDE + max(repeats) if repeats else 0)
    name, *lines = *heading_lines(column), *note_lines(column)
    heading = max(text_width(name, NAME, bold=True), *(text_width(line, SIZE) for line in lines)) - half
    shapes = [ASIDE + text_width(shape_text(row.output, layout), SMALL) for row in column.ends]
    lanes = [half + _lane_width(unit) for unit in units]
    return left, max(half, heading, *shapes, *lanes)


def lane_x(unit: UnitRows, box_width: float) -> float:
    """Return how far right of the chain's middle the unit's shortcut runs."""
    layers = [row.layer for row in unit.shortcut or ()]
    is_projection = shortcut_kind(layers) == "projection"
    return box_width / 2 + (LANE + label_width(unit) / 2 if is_projection else LANE)


def label_width(unit: UnitRows) -> float:
    """Return the width of the box of a projection."""
    return max(text_width(row_text(row.layer), SMALL) for row in unit.shortcut or ()) + 12


def _lane_width(unit: UnitRows) -> float:
    """Return the px from the boxes' side to the far side of the shortcut and its texts."""
    if not unit.shortcut:
        return 0.0 if unit.shortcut is None else LANE + 1
    is_projection = shortcut_kind([row.layer for row in unit.shortcut]) == "projection"
    return LANE + label_width(unit) + (0 if is_projection else ASIDE - 12)


def _box_width(columns: Sequence[ColumnRows]) -> float:
    """Return the width that fits every box of every column."""
    rows = [row for column in columns for row in (*column.stem, *column.tail)]
    rows += [row for column in columns for stage in column.stages for unit in stage for row in unit.rows]
    return max(text_width(row_text(row.layer), SIZE) for row in rows) + 18
