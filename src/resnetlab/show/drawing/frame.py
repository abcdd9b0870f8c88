"""The measures that all blocks of a schematic share, and what runs along its edges."""

from collections.abc import Sequence
from dataclasses import dataclass

from resnetlab.network.layers import Shape
from resnetlab.network.plan import Traced
from resnetlab.show.drawing.labels import Layout, is_flat, shape_text
from resnetlab.show.drawing.operation import DETAIL_SIZE, NAME_SIZE, operation_width
from resnetlab.show.drawing.scene import Item, Text
from resnetlab.show.drawing.theme import Theme
from resnetlab.show.drawing.typeface import text_width

EDGE = 10.0
"""Px between a block's border and what is in it."""
BESIDE = 7.0
"""Px from a line to the words beside it."""
BRACKET = 17.0
"""Px from a block's card to the number beside its bracket."""
GAP = 24.0
"""Px between two operations: room for an arrow and the size beside it."""
SUM = 20.0
"""Diameter in px of the circle where branch and shortcut meet."""
CORNER = 14.0
"""Radius in px of a shortcut's bends."""
COUNT_SIZE = 13.0
"""Size in px of the number beside a bracket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The measures in px that all blocks of a picture share, so that their trunks meet."""

    theme: Theme
    layout: Layout
    box: float
    """Width of the trunk's boxes."""
    lane_box: float
    """Width of the shortcut's boxes."""
    lane: float
    """x of the shortcut through boxes."""
    trunk: float
    """x of the trunk."""
    card: float
    """Width of a block's card."""
    width: float
    """Width of a block, with the room for the brackets of repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A drawn block, its left upper corner at (0, 0)."""

    height: float
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What runs along an edge: its shape, what made it (a layer, a unit, "image"), whether it changed."""

    shape: Shape
    about: str
    flat: bool = False
    changed: bool = False


def make_frame(rows: Sequence[Traced], theme: Theme, layout: Layout, *, has_shortcuts: bool) -> Frame:
    """Return measures wide enough for every word of these layers."""
    shapes = [shape for row in rows for shape in (row.input, row.output)]
    beside = BESIDE + max(_shape_width(shape, layout) for shape in shapes) + 8
    trunk_layers = [row.layer for row in rows if row.place != "shortcut"]
    lane_layers = [row.layer for row in rows if row.place == "shortcut"]
    box = max(operation_width(layer, layout) for layer in trunk_layers)
    lane_box = max((operation_width(layer, layout) for layer in lane_layers), default=0.0)
    left = 0.0
    if has_shortcuts:  # beside an identity's line stands its size
        left = max(lane_box / 2 + max(lane_box / 2 + 18, beside), beside + 2 * CORNER)
    label = text_width("units 0000-0000", NAME_SIZE, bold=True)
    trunk = EDGE + max(left + box / 2, beside, label)
    card = trunk + max(box / 2 + EDGE, beside)
    count = max(row.count for row in rows)
    bracket = BRACKET + text_width(times_text(count), COUNT_SIZE, bold=True) if count > 1 else 0
    return Frame(
        theme=theme, layout=layout, box=box, lane_box=lane_box, lane=EDGE + lane_box / 2,
        trunk=trunk, card=card, width=card + bracket,
    )  # fmt: skip


def times_text(count: int) -> str:
    """Return "× 8"."""
    return f"× {count}"


def _shape_width(shape: Shape, layout: Layout) -> float:
    return text_width(shape_text(shape, layout), DETAIL_SIZE, bold=True)


def draw_size(flow: Flow, x: float, baseline: float, frame: Frame, *, is_left: bool = False) -> Text:
    """Return the size of what flows, starting at x or, left of a line, ending there; bold where new."""
    color = frame.theme.ink if flow.changed else frame.theme.faint
    return Text(
        x=x, y=baseline, text=shape_text(flow.shape, frame.layout, flat=flow.flat), size=DETAIL_SIZE,
        color=color, bold=flow.changed, role="shape", about=flow.about, anchor="end" if is_left else "start",
    )  # fmt: skip


def leaving(row: Traced, *, was_flat: bool = False) -> Flow:
    """Return what leaves a layer; after a flat row of numbers nothing is a map again."""
    flat = was_flat or is_flat(row.layer)
    return Flow(shape=row.output, about=row.path, flat=flat, changed=row.input != row.output)
