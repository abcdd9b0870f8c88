"""Blocks of the schematic: a residual unit, the stem, the head. A block is never split.

The trunk runs down through every block at the same x, from the block's top edge to its bottom edge;
the shortcut runs beside it on the left. What leaves a block is named where it enters the next one.
"""

from collections.abc import Sequence
from dataclasses import replace

from resnetlab.network.layers import Conv, Gate
from resnetlab.network.plan import Traced
from resnetlab.show.drawing.figure_parts import bent, plus
from resnetlab.show.drawing.frame import (  # fmt: skip
    BESIDE,
    BRACKET,
    CORNER,
    COUNT_SIZE,
    EDGE,
    GAP,
    SUM,
    Block,
    Flow,
    Frame,
    draw_size,
    leaving,
    times_text,
)
from resnetlab.show.drawing.operation import DETAIL_SIZE, NAME_SIZE, draw_operation, operation_height
from resnetlab.show.drawing.scene import Box, Item, Path, Point, Segment, Text
from resnetlab.show.drawing.theme import StageColors
from resnetlab.show.drawing.typeface import text_width


def draw_shortcut(
    rows: Sequence[Traced], unit: str, source: Flow, fork: float, middle: float, colors: StageColors,
    frame: Frame,
) -> list[Item]:  # fmt: skip
    """Return the shortcut from the fork to the addition: plain, dashed without weights, or heavy with."""
    theme = frame.theme
    has_weights = any(isinstance(row.layer, Conv | Gate) for row in rows)
    width, dashed = (2.2 if has_weights else 1.6), bool(rows) and not has_weights

    def path(*points: Point) -> Path:
        return bent(points, theme.shortcut, width=width, dashed=dashed, arrow=True, about=unit, radius=CORNER)

    x = frame.lane if rows else frame.trunk - frame.box / 2 - CORNER
    target: Point = (frame.trunk - SUM / 2, middle)
    dot = Box(x=frame.trunk - 3, y=fork - 3, width=6, height=6, radius=3, fill=theme.shortcut, about=unit)
    start: Point = (frame.trunk, fork)
    if not rows:
        whole = path(start, (x, fork), (x, middle), target)
        baseline = (fork + middle) / 2
        words = Text(
            x=x - BESIDE, y=baseline - 4, text="identity", size=DETAIL_SIZE, anchor="end", about=unit,
            color=theme.ink, role="note",
        )  # fmt: skip
        return [whole, dot, words, draw_size(source, x - BESIDE, baseline + 11, frame, is_left=True)]
    height = sum(operation_height(row.layer) for row in rows) + GAP * (len(rows) - 1)
    top = (fork + middle - height) / 2
    items: list[Item] = [path(start, (x, fork), (x, top)), dot]
    flow = source
    for index, row in enumerate(rows):
        items.append(draw_size(flow, x + BESIDE, top - 9, frame))
        if index:
            items.append(path((x, top - GAP), (x, top)))
        items += draw_operation(row, x, top, frame.lane_box, colors, theme, frame.layout)
        flow = leaving(row)
        top += operation_height(row.layer) + GAP
    bottom = top - GAP
    items.append(draw_size(flow, x + BESIDE, bottom + 15, frame))
    items.append(path((x, bottom), (x, middle), target))
    return items


TERMINAL = 22.0
"""Height in px of the box of what goes in or comes out."""


def draw_unit(
    rows: Sequence[Traced], label: str, entry: Flow, colors: StageColors, frame: Frame, *, is_plain: bool,
    is_from_preact: bool,
) -> Block:  # fmt: skip
    """Return the block of the residual unit (or, plain, without addition) that these layers make."""
    unit = rows[0].unit
    before, branch, shortcut, after = (
        [row for row in rows if row.place == place] for place in ("before", "branch", "shortcut", "after")
    )
    forks = [] if is_plain else [18 + EDGE]
    items: list[Item] = []
    top = 34.0 if is_plain else 44.0
    items += _enter(entry, top, frame)
    items.append(_label(label, unit, frame))
    flow, bottom = entry, top
    if before:
        flow, bottom = _chain(items, before, top, colors, frame)
    source = replace(flow if is_from_preact else entry, changed=False)
    if is_from_preact and before:
        forks = [bottom + 8]
    if before and branch:
        items += _edge(flow, bottom, bottom + GAP, frame)
        bottom += GAP
    flow, bottom = _chain(items, branch, bottom, colors, frame)
    if not is_plain:
        middle = bottom + GAP + SUM / 2
        items += _edge(flow, bottom, bottom + GAP, frame)
        tip = f"{unit}: the branch plus the shortcut"
        items += plus(frame.trunk, middle, SUM / 2, frame.theme, unit, tip)
        items += draw_shortcut(shortcut, unit, source, forks[0], middle, colors, frame)
        flow, bottom = Flow(shape=flow.shape, about=unit), middle + SUM / 2
    if after:
        items += _edge(flow, bottom, bottom + GAP, frame)
        flow, bottom = _chain(items, after, bottom + GAP, colors, frame)
    count = rows[0].count
    return _closed([*items, *_bracket(unit, count, bottom, frame)], bottom, colors, frame)


def _bracket(unit: str, count: int, bottom: float, frame: Frame) -> list[Item]:
    """Return the bracket beside a block that stands for several, and how many they are."""
    if count == 1:
        return []
    left, right, top, low = frame.card + 5, frame.card + 11, 4.0, bottom + 8
    corners: tuple[Segment, ...] = (((right, top),), ((right, low),), ((left, low),))
    return [
        Path(start=(left, top), segments=corners, color=frame.theme.ink, about=unit),
        Text(
            x=frame.card + BRACKET, y=(top + low) / 2 + 5, text=times_text(count), size=COUNT_SIZE, bold=True,
            color=frame.theme.ink, role="count", about=unit,
        ),
    ]  # fmt: skip


def draw_ends(
    rows: Sequence[Traced], entry: Flow, colors: StageColors, frame: Frame, *,
    first: str = "", last: str = "",
) -> Block:  # fmt: skip
    """Return the stem or the head, with a terminal before (`first`) or after (`last`) it.

    It is no unit, and has no card around it.
    """
    items: list[Item] = []
    top = GAP
    if first:
        items += _terminal(first, 0, colors, frame)
        items += _edge(entry, TERMINAL, TERMINAL + GAP, frame)
        top += TERMINAL
    else:
        items += _edge(entry, 0, top, frame)
    flow, bottom = _chain(items, rows, top, colors, frame)
    if last:
        items += _edge(flow, bottom, bottom + GAP, frame)
        items += _terminal(last, bottom + GAP, colors, frame)
        bottom += GAP + TERMINAL
    return Block(height=bottom, items=tuple(items))


def _closed(items: list[Item], bottom: float, colors: StageColors, frame: Frame) -> Block:
    """Return the block around the items, the trunk led out of it."""
    height = bottom + 12
    card = Box(
        x=0, y=0, width=frame.card, height=height, radius=6, fill=frame.theme.background,
        stroke=colors.stroke, stroke_width=0.5,
    )  # fmt: skip
    return Block(height=height, items=(card, *items, _line(frame, bottom, height)))


def _chain(
    items: list[Item], rows: Sequence[Traced], top: float, colors: StageColors, frame: Frame
) -> tuple[Flow, float]:
    """Draw operations one below the other; return what leaves the last one, and its bottom."""
    flow: Flow | None = None
    for row in rows:
        if flow is not None:
            items += _edge(flow, top, top + GAP, frame)
            top += GAP
        items += draw_operation(row, frame.trunk, top, frame.box, colors, frame.theme, frame.layout)
        top += operation_height(row.layer)
        flow = leaving(row, was_flat=flow is not None and flow.flat)
    assert flow is not None, "a chain without layers"
    return flow, top


def _enter(entry: Flow, top: float, frame: Frame) -> list[Item]:
    """Return the trunk from the block's upper edge to its first operation, the size high up beside it."""
    return [_line(frame, 0, top, arrow=True), draw_size(entry, frame.trunk + BESIDE, 17, frame)]


def _edge(flow: Flow, top: float, bottom: float, frame: Frame) -> list[Item]:
    beside = draw_size(flow, frame.trunk + BESIDE, (top + bottom) / 2 + 3, frame)
    return [_line(frame, top, bottom, arrow=True), beside]


def _line(frame: Frame, top: float, bottom: float, *, arrow: bool = False) -> Path:
    segments = (((frame.trunk, bottom),),)
    return Path(start=(frame.trunk, top), segments=segments, color=frame.theme.line, arrow=arrow)


def _label(label: str, unit: str, frame: Frame) -> Text:
    return Text(
        x=EDGE, y=17, text=label, size=NAME_SIZE, bold=True, color=frame.theme.ink, role="name", about=unit
    )


def _terminal(label: str, top: float, colors: StageColors, frame: Frame) -> list[Item]:
    """Return the rounded box of what goes in or comes out."""
    width = text_width(label, NAME_SIZE, bold=True) + 36
    return [
        Box(
            x=frame.trunk - width / 2, y=top, width=width, height=TERMINAL, radius=TERMINAL / 2,
            fill=frame.theme.paper, stroke=colors.stroke, about=label,
        ),
        Text(
            x=frame.trunk, y=top + 15, text=label, size=NAME_SIZE, bold=True, color=frame.theme.ink,
            anchor="middle", role="name", about=label,
        ),
    ]  # fmt: skip
