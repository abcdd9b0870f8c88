"""A unit seen from its shortcut: its steps large, the branch beside them in a box."""

from collections.abc import Sequence
from dataclasses import replace

from resnetlab.network.layers import Conv, Gate
from resnetlab.network.plan import Traced, Unit
from resnetlab.show.drawing.figure_parts import bent, plus, row_text
from resnetlab.show.drawing.frame import (
    BESIDE,
    CORNER,
    EDGE,
    GAP,
    SUM,
    Block,
    Flow,
    Frame,
    draw_size,
    leaving,
)
from resnetlab.show.drawing.operation import NAME_SIZE, draw_operation, operation_height, operation_width
from resnetlab.show.drawing.scene import Box, Item, Path, Point, Text
from resnetlab.show.drawing.theme import StageColors
from resnetlab.show.drawing.typeface import text_width

BRANCH = "the branch"
_LINE, _SIZE = 15.0, 10.5
_APART = 46.0  # px between the branch's box and those of the shortcut
_LEAST = 128.0  # px of a shortcut's box


def frame_for(frame: Frame, unit: Unit, rows: Sequence[Traced]) -> Frame:
    """Return a frame with room for the branch at the left of the shortcut's steps."""
    own = [row.layer for row in rows if row.place != "branch"]
    box = max([_LEAST, *(operation_width(layer, frame.layout) for layer in own)])
    lane_box = _branch_width(_branch_lines(unit, rows))
    trunk = EDGE + lane_box + _APART + box / 2
    beside = max(frame.card - frame.trunk, box / 2 + EDGE)
    card = trunk + beside
    return replace(
        frame, box=box, lane_box=lane_box, lane=EDGE + lane_box / 2, trunk=trunk, card=card, width=card
    )


def draw_from_shortcut(
    unit: Unit, rows: Sequence[Traced], entry: Flow, colors: StageColors, frame: Frame
) -> Block:
    """Return the unit with the shortcut as its trunk; `frame` is from `frame_for`."""
    items: list[Item] = []
    is_shared = unit.shortcut_from == "preact"
    own, shortcut, after = (
        [row for row in rows if row.place == place] for place in ("before", "shortcut", "after")
    )
    flow, y = entry, 0.0
    for row in own if is_shared else []:
        y = _edge(items, flow, y, frame)
        items += draw_operation(row, frame.trunk, y, frame.box, colors, frame.theme, frame.layout)
        flow, y = leaving(row), y + operation_height(row.layer)
    y = _edge(items, flow, y, frame, is_open=True)
    fork, lines = y, _branch_lines(unit, rows)
    steps = sum(operation_height(row.layer) + GAP for row in shortcut) + GAP
    total = fork + max(steps, len(lines) * _LINE + 2 * GAP + 24) + SUM / 2
    items += _branch(lines, fork, total, unit.name, frame)
    _shortcut(items, unit.name, shortcut, flow, fork, total, colors, frame)
    items += plus(
        frame.trunk, total, SUM / 2, frame.theme, unit.name, f"{unit.name}: the branch plus the shortcut"
    )
    out = next(row.output for row in reversed(rows) if row.place != "shortcut")
    flow, y = Flow(shape=out, about=unit.name), total + SUM / 2
    for row in after:
        y = _edge(items, flow, y, frame)
        items += draw_operation(row, frame.trunk, y, frame.box, colors, frame.theme, frame.layout)
        flow, y = leaving(row), y + operation_height(row.layer)
    return Block(height=y, items=tuple(items))


def _branch_lines(unit: Unit, rows: Sequence[Traced]) -> list[str]:
    places = ("branch",) if unit.shortcut_from == "preact" else ("before", "branch")
    return [row_text(row.layer) for row in rows if row.place in places]


def _branch_width(lines: Sequence[str]) -> float:
    words = max(text_width(line, _SIZE) for line in lines)
    return max(words, text_width(BRANCH, NAME_SIZE, bold=True)) + 22


def _edge(items: list[Item], flow: Flow, y: float, frame: Frame, *, is_open: bool = False) -> float:
    """Draw the trunk a step further down, the size beside it; return where it ends."""
    end = y + GAP
    items.append(
        Path(
            start=(frame.trunk, y),
            segments=(((frame.trunk, end),),),
            color=frame.theme.line,
            arrow=not is_open,
        )
    )
    items.append(draw_size(flow, frame.trunk + BESIDE, (y + end) / 2 + 3, frame))
    return end


def _branch(lines: Sequence[str], fork: float, total: float, unit: str, frame: Frame) -> list[Item]:
    theme, x = frame.theme, frame.lane
    height = len(lines) * _LINE + 24
    top = (fork + total - height) / 2
    left = x - frame.lane_box / 2
    words = [
        Text(
            x=left + 11, y=top + 32 + index * _LINE, text=line, size=_SIZE, color=theme.faint, about=unit,
            role="note",
        )
        for index, line in enumerate(lines)
    ]  # fmt: skip
    return [
        bent(((frame.trunk, fork), (x, fork), (x, top)), theme.line, arrow=True, about=unit, radius=CORNER),
        Box(
            x=left, y=top, width=frame.lane_box, height=height, radius=6, fill=theme.paper,
            stroke=theme.neutral.stroke, dashed=True, about=f"{unit} branch",
        ),
        Text(
            x=left + 11, y=top + 17, text=BRANCH, size=NAME_SIZE, bold=True, color=theme.ink, about=unit,
            role="name",
        ),
        *words,
        bent(
            ((x, top + height), (x, total), (frame.trunk - SUM / 2, total)), theme.line, arrow=True,
            about=unit, radius=CORNER,
        ),
    ]  # fmt: skip


def _shortcut(
    items: list[Item], unit: str, rows: Sequence[Traced], flow: Flow, fork: float, total: float,
    colors: StageColors, frame: Frame,
) -> None:  # fmt: skip
    theme = frame.theme
    has_weights = any(isinstance(row.layer, Conv | Gate) for row in rows)
    width, dashed = (2.2 if has_weights else 1.6), bool(rows) and not has_weights

    def line(*points: Point) -> Path:
        return bent(points, theme.shortcut, width=width, dashed=dashed, arrow=True, about=unit)

    x, end = frame.trunk, total - SUM / 2
    steps = sum(operation_height(row.layer) for row in rows) + GAP * max(len(rows) - 1, 0)
    gap = (end - fork - steps) / 2
    y = fork
    if not rows:
        items.append(line((x, fork), (x, end)))
        middle = (fork + end) / 2
        items.append(
            Text(
                x=x + BESIDE,
                y=middle - 4,
                text="identity",
                size=_SIZE,
                color=theme.ink,
                about=unit,
                role="note",
            )
        )
        items.append(draw_size(flow, x + BESIDE, middle + 11, frame))
    for index, row in enumerate(rows):
        step = GAP if index else gap
        items.append(line((x, y), (x, y + step)))
        if index:
            items.append(draw_size(flow, x + BESIDE, y + step / 2 + 3, frame))
        items += draw_operation(row, x, y + step, frame.box, colors, theme, frame.layout)
        flow, y = leaving(row), y + step + operation_height(row.layer)
    if rows:
        items.append(line((x, y), (x, end)))
        items.append(draw_size(flow, x + BESIDE, (y + end) / 2 + 3, frame))
    items.append(Box(x=x - 3, y=fork - 3, width=6, height=6, radius=3, fill=theme.shortcut, about=unit))
