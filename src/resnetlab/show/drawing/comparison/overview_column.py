"""One model of the overview: a chain of boxes, its shortcuts at the right, repeats bracketed at the left.

Drawn around x = 0, the chain's middle; the heights come from the grid that all models share.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from resnetlab.network.plan import Traced
from resnetlab.show.drawing.comparison import overview_grid as grids
from resnetlab.show.drawing.comparison.overview_grid import (
    ASIDE,
    BOX,
    BRACKET,
    EDGE,
    GAP,
    INSET,
    LEAD,
    RADIUS,
    REST,
    SIZE,
    SMALL,
)
from resnetlab.show.drawing.comparison.overview_rows import ColumnRows, UnitRows
from resnetlab.show.drawing.figure_parts import bent, middle, plus, role_of, row_text, shortcut_kind
from resnetlab.show.drawing.labels import Layout, is_flat, shape_text
from resnetlab.show.drawing.scene import Anchor, Box, Item, Path, Role, Text
from resnetlab.show.drawing.theme import StageColors, Theme


@dataclass(frozen=True, slots=True)
class Pen:
    """What all parts of a column are drawn with; `prefix` stands before every path of this model."""

    grid: grids.Grid
    theme: Theme
    layout: Layout
    prefix: str


def draw_column(column: ColumnRows, pen: Pen) -> Iterator[Item]:
    """Draw the model's heading, and its chain from the image to the logits."""
    yield from _heading(column, pen)
    yield from _stem(column, pen)
    bottom = pen.grid.image + grids.stem_height(len(column.stem))
    for index, stage in enumerate(column.stages):
        y, colors = pen.grid.stages[index], pen.theme.stage(index)
        for unit in stage:
            yield _arrow(bottom, y + LEAD, pen)
            yield from _unit(unit, y, pen, colors)
            y += grids.unit_height(unit)
            bottom = y if unit.shortcut is not None else y - REST - 2 * RADIUS
    for row, end in zip(column.ends, pen.grid.ends, strict=False):
        yield _shape(row, end - EDGE, pen)
    yield from _tail(column, bottom, pen)


def _heading(column: ColumnRows, pen: Pen) -> Iterator[Item]:
    left, y = -pen.grid.box_width / 2, grids.NAME
    name, *lines = grids.heading_lines(column)
    yield Text(
        x=left, y=y, text=name, size=grids.NAME, color=pen.theme.ink, bold=True, role="name", about=pen.prefix
    )
    for index, line in enumerate(lines, 1):
        yield _note(line, left, y + 2 + index * grids.LINE, pen, role="count", size=SIZE)
    for index, line in enumerate(grids.note_lines(column), len(lines) + 1):
        yield _note(line, left, y + 2 + index * grids.LINE, pen, role="note", size=SIZE)


def _stem(column: ColumnRows, pen: Pen) -> Iterator[Item]:
    y = pen.grid.image
    image = f"image {shape_text(column.image, pen.layout)}"
    yield _note(image, 0, middle(y, INSET - 3, SMALL), pen, role="shape", anchor="middle", about="image")
    yield from _spaced(column.stem, y + INSET, y + 2 * INSET, pen)


def _tail(column: ColumnRows, bottom: float, pen: Pen) -> Iterator[Item]:
    y = pen.grid.tail + LEAD
    yield from _spaced(column.tail, bottom, y, pen)
    y += len(column.tail) * (BOX + EDGE) - EDGE
    last = column.tail[-1]
    yield _arrow(y, y + INSET, pen)
    logits = f"logits {shape_text(last.output, pen.layout, flat=True)}"
    y = middle(y + INSET + 3, INSET - 3, SMALL)
    yield _note(logits, 0, y, pen, role="shape", anchor="middle", about=last.path)


def _spaced(rows: Sequence[Traced], bottom: float, y: float, pen: Pen) -> Iterator[Item]:
    """Draw boxes from y on with the map's size on the arrows between; `bottom` is where the first starts."""
    for index, row in enumerate(rows):
        yield _arrow(bottom, y, pen)
        if index:
            yield _shape(rows[index - 1], bottom, pen)
        yield from _box(row, 0, y, pen.grid.box_width, pen, pen.theme.neutral)
        bottom = y + BOX
        y = bottom + EDGE


def _unit(unit: UnitRows, y: float, pen: Pen, colors: StageColors) -> Iterator[Item]:
    """Draw the unit that starts at y, but not the arrow that leads to its first box."""
    about = pen.prefix + unit.name
    top = box_top = y + LEAD
    for index, row in enumerate(unit.rows):
        if index:
            yield _arrow(box_top - GAP, box_top, pen)
        yield from _box(row, 0, box_top, pen.grid.box_width, pen, colors)
        box_top += BOX + GAP
    end = y + grids.unit_height(unit)
    if unit.shortcut is not None:
        yield _arrow(box_top - GAP, end - 2 * RADIUS, pen, arrow=False)
        yield from _shortcut(unit, y + 4, end - RADIUS, pen, colors)
        yield from plus(0, end - RADIUS, RADIUS, pen.theme, about)
    if unit.count > 1:
        yield from _bracket(unit, top, box_top - GAP, pen)


def _shortcut(unit: UnitRows, top: float, bottom: float, pen: Pen, colors: StageColors) -> Iterator[Item]:
    """Draw the shortcut from the trunk at `top` to the addition at `bottom`, with its operations."""
    assert unit.shortcut is not None
    kind = shortcut_kind([row.layer for row in unit.shortcut])
    x, color, about = grids.lane_x(unit, pen.grid.box_width), pen.theme.shortcut, pen.prefix + unit.name
    centre = (top + bottom) / 2
    if kind != "projection":
        points = ((0.0, top), (x, top), (x, bottom), (RADIUS, bottom))
        yield bent(points, color, arrow=True, dashed=kind == "padded", about=about)
        y = centre - len(unit.shortcut) * grids.LINE / 2
        for row in unit.shortcut:
            baseline = middle(y, grids.LINE, SMALL)
            role = role_of(row.layer)
            yield _note(row_text(row.layer), x + ASIDE, baseline, pen, role=role, about=row.path)
            y += grids.LINE
        return
    boxes = len(unit.shortcut) * (BOX + GAP) - GAP
    y = centre - boxes / 2
    yield bent(((0.0, top), (x, top), (x, y)), color, arrow=True, about=about)
    for row in unit.shortcut:
        yield from _box(row, x, y, grids.label_width(unit), pen, colors, size=SMALL, stroke=color)
        y += BOX + GAP
    yield bent(((x, y - GAP), (x, bottom), (RADIUS, bottom)), color, arrow=True, about=about)


def _bracket(unit: UnitRows, top: float, bottom: float, pen: Pen) -> Iterator[Item]:
    """Draw a bracket at the left of the unit's boxes, and how often the unit stands there."""
    x, about = -pen.grid.box_width / 2 - BRACKET, pen.prefix + unit.name
    corners = ((x + 4, top), (x, top), (x, bottom), (x + 4, bottom))
    yield Path(
        start=corners[0],
        segments=tuple((corner,) for corner in corners[1:]),
        color=pen.theme.line,
        about=about,
    )
    yield Text(
        x=x - ASIDE,
        y=middle(top, bottom - top, SIZE),
        text=grids.repeat_text(unit),
        size=SIZE,
        color=pen.theme.ink,
        anchor="end",
        bold=True,
        role="count",
        about=about,
    )


def _box(
    row: Traced, x: float, y: float, width: float, pen: Pen, colors: StageColors,
    *, size: float = SIZE, stroke: str | None = None,
) -> Iterator[Item]:  # fmt: skip
    """Draw the operation's box around x."""
    about, words = pen.prefix + row.path, row_text(row.layer)
    yield Box(
        x=x - width / 2,
        y=y,
        width=width,
        height=BOX,
        radius=3,
        fill=colors.fill,
        stroke=stroke or colors.stroke,
        about=about,
        tip=f"{row.path}: {words}, output {shape_text(row.output, pen.layout, flat=is_flat(row.layer))}",
    )
    yield Text(
        x=x,
        y=middle(y, BOX, size),
        text=words,
        size=size,
        color=pen.theme.ink,
        anchor="middle",
        role=role_of(row.layer),
        about=about,
    )


def _shape(row: Traced, top: float, pen: Pen) -> Text:
    """Return the size of the row's output, beside the arrow that has `EDGE` px from `top` on."""
    text = shape_text(row.output, pen.layout, flat=is_flat(row.layer))
    return _note(text, ASIDE, middle(top, EDGE, SMALL), pen, role="shape", about=row.path)


def _note(
    text: str, x: float, y: float, pen: Pen,
    *, role: Role, anchor: Anchor = "start", about: str = "", size: float = SMALL,
) -> Text:  # fmt: skip
    about = pen.prefix + about
    return Text(x=x, y=y, text=text, size=size, color=pen.theme.faint, anchor=anchor, role=role, about=about)


def _arrow(top: float, bottom: float, pen: Pen, *, arrow: bool = True) -> Path:
    return Path(start=(0, top), segments=(((0, bottom),),), color=pen.theme.line, arrow=arrow)
