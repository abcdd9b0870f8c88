"""One unit drawn large: the shortcut straight down, the branch at its right, the addition, what follows.

Drawn around x = 0, where the shortcut runs; y counts from the unit's input.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from resnetlab.network.layers import Conv, Gate, Layer, PadChannels, Pool, Shape
from resnetlab.network.plan import Traced, Unit
from resnetlab.show.drawing.figure_parts import (
    bent,
    brief_text,
    middle,
    plus,
    role_of,
    shortcut_kind,
    stride_of,
)
from resnetlab.show.drawing.labels import Layout, shape_text, stride_text
from resnetlab.show.drawing.scene import Box, Item, Path, Point, Role, Text
from resnetlab.show.drawing.theme import StageColors, Theme
from resnetlab.show.drawing.typeface import text_width

BOX_WIDTH, RADIUS = 126.0, 9.0
_LINE, _TAG = 16.0, 18.0  # px of a line of text, and of the tag with the stride
_PAD = 5.0
_GAP = 15.0  # of an arrow
_END = 20.0  # of the lines x_l and x_(l+1)
_BETWEEN = 22.0  # between the boxes of the shortcut and those of the branch
_STEM, _FORK = 9.0, 25.0  # before the place where the shortcut leaves, and from there to the first box
_JOIN = 24.0  # from the branch's last box to the addition
_BESIDE_X = 27.0  # from the line to the size of x
_NARROW = 26.0  # reserved left of a shortcut that has no boxes
NAME, SMALL, SYMBOL = 11.5, 10.0, 15.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """A unit to draw: its layers with their shapes, and the colours of its stage."""

    unit: Unit
    rows: tuple[Traced, ...]
    colors: StageColors
    prefix: str

    def chain(self, place: str) -> tuple[Traced, ...]:
        """Return the rows at that place."""
        return tuple(row for row in self.rows if row.place == place)

    @property
    def input(self) -> Shape:
        """The shape of x_l."""
        return self.rows[0].input

    @property
    def output(self) -> Shape:
        """The shape of x_(l+1)."""
        return next(row.output for row in reversed(self.rows) if row.place != "shortcut")

    @property
    def trunk(self) -> tuple[Traced, ...]:
        """What stands before the shortcut leaves."""
        is_shared = self.unit.shortcut is not None and self.unit.shortcut_from == "preact"
        return self.chain("before") if is_shared else ()

    @property
    def branch(self) -> tuple[Traced, ...]:
        """What the shortcut passes by."""
        return (() if self.trunk else self.chain("before")) + self.chain("branch")


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a unit reaches left and right of x = 0, and at which x its branch runs."""

    left: float
    branch: float
    right: float


def reach(drawn: Drawn, layout: Layout) -> Reach:
    """Return the room that the unit takes."""
    half = BOX_WIDTH / 2
    shapes = [shape_text(row.output, layout) for row in drawn.rows]
    sizes = _BESIDE_X + max(text_width(text, SMALL) for text in shapes)
    if drawn.unit.shortcut is None:
        return Reach(half, 0.0, max(half, sizes))
    left = half if drawn.trunk or drawn.chain("after") or drawn.unit.shortcut else _NARROW
    branch = (half + _BETWEEN if drawn.unit.shortcut else _NARROW) + half
    return Reach(left, branch, max(branch + half, sizes))


def unit_height(drawn: Drawn) -> float:
    """Return the least px from the unit's input to the end of its output's line."""
    if drawn.unit.shortcut is None:
        return 2 * _END + _chain_height(drawn.rows) + 2 * _GAP
    ends = _STEM + _stack_height(drawn.trunk) + _stack_height(drawn.chain("after")) + 2 * _END + _GAP
    return ends + _FORK + _chain_height(drawn.branch) + _JOIN + RADIUS


def draw_unit(drawn: Drawn, branch: float, height: float, theme: Theme, layout: Layout) -> Iterator[Item]:
    """Draw the unit `height` px high, its branch at x = `branch`, from x_l to x_(l+1)."""
    pen = _Pen(drawn, theme, layout)
    yield from _end("l", drawn.input, 0, pen)
    if drawn.unit.shortcut is None:
        y = yield from _stack(drawn.rows, 0, _END, pen)
    else:
        split = yield from _stack(drawn.trunk, 0, _END, pen)
        fork = split + _STEM
        yield bent(((0, split), (0, fork)), theme.line, about=pen.unit_about)
        total = fork + _FORK + _chain_height(drawn.branch) + _JOIN
        yield from _branch(branch, fork, total, pen)
        yield from _shortcut(fork, total, pen)
        yield from plus(0, total, RADIUS, theme, pen.unit_about)
        y = yield from _stack(drawn.chain("after"), 0, total + RADIUS, pen)
    yield _line(((0, y), (0, height - _END)), theme.line, pen)
    yield from _end("l+1", drawn.output, height - _END, pen)


@dataclass(frozen=True, slots=True)
class _Pen:
    drawn: Drawn
    theme: Theme
    layout: Layout

    @property
    def unit_about(self) -> str:
        return self.drawn.prefix + self.drawn.unit.name


def _branch(x: float, fork: float, total: float, pen: _Pen) -> Iterator[Item]:
    """Draw the branch from the fork over its boxes to the addition."""
    y = fork + _FORK
    yield _line(((0, fork), (x, fork), (x, y)), pen.theme.line, pen)
    for index, row in enumerate(pen.drawn.branch):
        if index:
            yield _line(((x, y), (x, y + _GAP)), pen.theme.line, pen)
            y += _GAP
        yield from _box(row, x, y, pen)
        y += _box_height(row.layer)
    yield _line(((x, y), (x, total), (RADIUS, total)), pen.theme.line, pen)


def _shortcut(fork: float, total: float, pen: _Pen) -> Iterator[Item]:
    """Draw the shortcut straight down, its boxes in the middle of the way."""
    rows = pen.drawn.chain("shortcut")
    color, is_padded = pen.theme.shortcut, shortcut_kind([row.layer for row in rows]) == "padded"
    start, y = fork, (fork + total - RADIUS - _chain_height(rows)) / 2
    for row in rows:
        yield _line(((0, start), (0, y)), color, pen, dashed=is_padded, width=2.2)
        yield from _box(row, 0, y, pen)
        start = y + _box_height(row.layer)
        y = start + _GAP
    yield _line(((0, start), (0, total - RADIUS)), color, pen, dashed=is_padded, width=2.2)


def _stack(rows: Sequence[Traced], x: float, y: float, pen: _Pen) -> Generator[Item, None, float]:
    """Draw arrows and boxes from y on; return where the last box ends."""
    for row in rows:
        yield _line(((x, y), (x, y + _GAP)), pen.theme.line, pen)
        yield from _box(row, x, y + _GAP, pen)
        y += _GAP + _box_height(row.layer)
    return y


def _stack_height(rows: Sequence[Traced]) -> float:
    return sum(_GAP + _box_height(row.layer) for row in rows)


def _chain_height(rows: Sequence[Traced]) -> float:
    """Return the height of boxes with arrows between them."""
    return max(_stack_height(rows) - _GAP, 0.0)


def _box_height(layer: Layer) -> float:
    lines = 2 if _has_shape(layer) else 1
    return 2 * _PAD + lines * _LINE + (_TAG + 2 if stride_of(layer) > 1 else 0)


def _has_shape(layer: Layer) -> bool:
    """Return whether the layer may change the map's size, so that its box says what comes out."""
    return isinstance(layer, Conv | Pool | PadChannels)


def _box(row: Traced, x: float, y: float, pen: _Pen) -> Iterator[Item]:
    """Draw the operation's box around x: what it is, what comes out, and its stride if it has one."""
    layer, theme, colors = row.layer, pen.theme, pen.drawn.colors
    about, is_strided = pen.drawn.prefix + row.path, stride_of(layer) > 1
    yield Box(
        x=x - BOX_WIDTH / 2,
        y=y,
        width=BOX_WIDTH,
        height=_box_height(layer),
        radius=5,
        fill=colors.fill if isinstance(layer, Conv | Gate) else theme.paper,
        stroke=theme.accent if is_strided else colors.stroke,
        stroke_width=2.0 if is_strided else 1.0,
        about=about,
        tip=f"{row.path}: {brief_text(layer)}",
    )
    y += _PAD
    role = role_of(layer)
    yield _centred(brief_text(layer), x, middle(y, _LINE, NAME), NAME, theme.ink, role, about)
    if _has_shape(layer):
        y += _LINE
        text = shape_text(row.output, pen.layout)
        yield _centred(text, x, middle(y, _LINE, SMALL), SMALL, theme.faint, "shape", about)
    if isinstance(layer, Conv | Pool) and is_strided:
        yield from _tag(layer, x, y + _LINE + 1, pen, about)


def _tag(layer: Conv | Pool, x: float, y: float, pen: _Pen, about: str) -> Iterator[Item]:
    """Draw the stride where nobody can miss it: on a ground of its own."""
    text, theme = stride_text(layer), pen.theme
    width = text_width(text, SMALL, bold=True) + 14
    yield Box(x=x - width / 2, y=y, width=width, height=_TAG - 2, radius=(_TAG - 2) / 2, fill=theme.accent)
    baseline = middle(y, _TAG - 2, SMALL)
    yield _centred(text, x, baseline, SMALL, theme.background, "stride", about, bold=True)


def _end(index: str, shape: Shape, y: float, pen: _Pen) -> Iterator[Item]:
    """Draw x with its index below the line, and its size beside it."""
    theme, about = pen.theme, pen.unit_about
    baseline = y + 14
    yield Text(
        x=1,
        y=baseline,
        text="x",
        size=SYMBOL,
        color=theme.ink,
        anchor="end",
        bold=True,
        role="name",
        about=about,
    )
    yield Text(x=1.5, y=baseline + 4, text=index, size=SMALL, color=theme.ink, role="name", about=about)
    text = shape_text(shape, pen.layout)
    yield Text(x=_BESIDE_X, y=baseline, text=text, size=SMALL, color=theme.faint, role="shape", about=about)


def _centred(
    text: str, x: float, y: float, size: float, color: str, role: Role, about: str, *, bold: bool = False
) -> Text:
    return Text(
        x=x, y=y, text=text, size=size, color=color, anchor="middle", bold=bold, role=role, about=about
    )


def _line(
    points: Sequence[Point], color: str, pen: _Pen, *, dashed: bool = False, width: float = 1.5
) -> Path:
    return bent(points, color, arrow=True, dashed=dashed, width=width, about=pen.unit_about)
