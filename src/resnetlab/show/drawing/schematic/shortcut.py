"""The shortcut of a unit: from its fork past the branch, through its own operations, to the addition."""

from collections.abc import Sequence

from resnetlab.network.layers import Conv
from resnetlab.network.plan import Traced
from resnetlab.show.drawing.figure_parts import bent
from resnetlab.show.drawing.frame import BESIDE, CORNER, GAP, SUM, Flow, Frame, draw_size, leaving
from resnetlab.show.drawing.operation import DETAIL_SIZE, draw_operation, operation_height
from resnetlab.show.drawing.scene import Box, Item, Path, Point, Text
from resnetlab.show.drawing.theme import StageColors


def draw_shortcut(
    rows: Sequence[Traced], unit: str, source: Flow, fork: float, middle: float, colors: StageColors,
    frame: Frame,
) -> list[Item]:  # fmt: skip
    """Return the shortcut from the fork to the addition: plain, dashed without weights, or heavy with."""
    theme = frame.theme
    has_weights = any(isinstance(row.layer, Conv) for row in rows)
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
