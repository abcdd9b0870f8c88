"""A picture as plain data: boxes, texts and paths in pixels, y downwards. No torch.

Layouts make scenes (schematic.py, overview.py, unit_figure.py); svg.py and raster.py write them;
tests read them: every text knows the layer it speaks of.
"""

from dataclasses import dataclass
from typing import Literal

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
