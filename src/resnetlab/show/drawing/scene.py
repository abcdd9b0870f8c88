"""A picture as plain data: boxes, texts and paths in pixels, y downwards. No torch.

Layouts make scenes (schematic.py, overview.py, unit_figure.py); svg.py and raster.py write them;
tests read them: every text knows the layer it speaks of.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import hypot
from typing import Literal, cast

Point = tuple[float, float]
Segment = tuple[Point] | tuple[Point, Point, Point]
Anchor = Literal["start", "middle", "end"]
Role = Literal[
    "title", "note", "legend", "name", "kernel", "stride", "padding", "norm", "shape", "count", "stage",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle with rounded corners. `about` is the path of the layer that it stands for."""

    x: float
    y: float
    width: float
    height: float
    fill: str | None = None
    stroke: str | None = None
    stroke_width: float = 1.0
    radius: float = 0.0
    dashed: bool = False
    about: str = ""
    tip: str = ""
    """What a reader who points at it, or cannot see it, is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One line of text; (x, y) is the anchor on its baseline.

    `about` is the path of the layer (Traced.path), the unit's name, "stage 1" ..., or "" for the
    whole network; `role` says what of it is told.
    """

    x: float
    y: float
    text: str
    size: float
    color: str
    anchor: Anchor = "start"
    bold: bool = False
    role: Role = "note"
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A line from `start`: a segment of one point is straight, one of three a cubic Bezier curve."""

    start: Point
    segments: tuple[Segment, ...]
    color: str
    width: float = 1.5
    dashed: bool = False
    arrow: bool = False
    about: str = ""


Item = Box | Text | Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One page. Items are painted in their order. Title and description are for who cannot see."""

    width: float
    height: float
    background: str
    title: str
    description: str
    items: tuple[Item, ...]


def moved(items: Iterable[Item], right: float, down: float) -> tuple[Item, ...]:
    """Return the items, each shifted by so many px."""
    return tuple(_moved(item, right, down) for item in items)


def _moved(item: Item, right: float, down: float) -> Item:
    if isinstance(item, Path):
        start = (item.start[0] + right, item.start[1] + down)
        segments = tuple(
            tuple((x + right, y + down) for x, y in segment)  # of the same number of points
            for segment in item.segments
        )
        return replace(item, start=start, segments=cast(tuple[Segment, ...], segments))
    return replace(item, x=item.x + right, y=item.y + down)


def scaled(items: Iterable[Item], by: float) -> tuple[Item, ...]:
    """Return the items so many times as large, seen from (0, 0)."""
    return tuple(_scaled(item, by) for item in items)


def _scaled(item: Item, by: float) -> Item:
    if isinstance(item, Path):
        start = (item.start[0] * by, item.start[1] * by)
        segments = tuple(tuple((x * by, y * by) for x, y in segment) for segment in item.segments)
        return replace(item, start=start, segments=cast(tuple[Segment, ...], segments), width=item.width * by)
    if isinstance(item, Text):
        return replace(item, x=item.x * by, y=item.y * by, size=item.size * by)
    return replace(
        item, x=item.x * by, y=item.y * by, width=item.width * by, height=item.height * by,
        stroke_width=item.stroke_width * by, radius=item.radius * by,
    )  # fmt: skip


def arrowhead(path: Path, *, length: float = 6.0, half_width: float = 3.2) -> tuple[Point, Point, Point]:
    """Return the triangle at the path's end: its tip, which is the end, and its two corners, in px."""
    points = [path.start, *(point for segment in path.segments for point in segment)]
    (x, y), before = points[-1], next(point for point in reversed(points[:-1]) if point != points[-1])
    distance = hypot(x - before[0], y - before[1])
    right, down = (x - before[0]) / distance, (y - before[1]) / distance
    back = x - length * right, y - length * down
    return (
        (x, y),
        (back[0] - half_width * down, back[1] + half_width * right),
        (back[0] + half_width * down, back[1] - half_width * right),
    )
