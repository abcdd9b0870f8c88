"""An operation's box with its words, and words set in lines. For the schematic and whoever draws layers."""

from dataclasses import dataclass

from resnetlab.base.units import format_count
from resnetlab.network.layers import (
    Act,
    Conv,
    Dropout,
    Gate,
    Layer,
    Linear,
    Norm,
    PadChannels,
    Pool,
    Scale,
    multiply_adds,
    num_parameters,
)
from resnetlab.network.plan import Traced
from resnetlab.show.drawing.labels import (
    GATE,
    Layout,
    bias_text,
    kernel_text,
    name_text,
    padding_text,
    stride_text,
)
from resnetlab.show.drawing.scene import Box, Item, Role, Text
from resnetlab.show.drawing.theme import StageColors, Theme
from resnetlab.show.drawing.typeface import text_width

NAME_SIZE, DETAIL_SIZE = 11.5, 10.5
_LINE = 15.0  # px from baseline to baseline
_SPACE = 8.0  # px between the pieces of a line
_MARGIN = 8.0  # px between the words and the box's border


@dataclass(frozen=True, slots=True)
class Piece:
    """A word or two with a role of their own, set beside others in a line."""

    text: str
    role: Role = "note"
    bold: bool = False
    is_accent: bool = False

    @property
    def size(self) -> float:
        """The size of its letters in px."""
        return NAME_SIZE if self.role in ("name", "norm") else DETAIL_SIZE

    @property
    def width(self) -> float:
        """The width in px."""
        return text_width(self.text, self.size, self.bold)


Lines = tuple[tuple[Piece, ...], ...]


def operation_lines(layer: Layer, layout: Layout) -> Lines:
    """Return what a box says of a layer, line by line."""
    role: Role = "norm" if isinstance(layer, Norm) else "name"
    name = Piece(name_text(layer), role, bold=not isinstance(layer, Norm | Act | Scale | Dropout))
    match layer:
        case Conv():
            return (name, Piece(kernel_text(layer), "kernel")), (*_bias(layer), *_window(layer, layout))
        case Gate():
            return (
                (name,),
                (Piece(GATE),),
                (Piece(kernel_text(layer), "kernel"), *_bias(layer), *_stride(layer)),
            )
        case Linear():
            return (name, Piece(kernel_text(layer), "kernel")), _bias(layer)
        case Pool(kind="global"):
            return (name,), (Piece("over height and width"),)
        case Pool():
            return (name,), _window(layer, layout)
        case PadChannels():
            return (name,), (Piece(padding_text(layer, layout), "padding"),)
        case Norm() | Act() | Scale() | Dropout():
            return ((name,),)


def _bias(layer: Layer) -> tuple[Piece, ...]:
    text = bias_text(layer)
    return (Piece(text),) if text else ()


def _window(layer: Conv | Pool, layout: Layout) -> tuple[Piece, ...]:
    """Return stride and padding; a stride that shrinks the map must be seen."""
    stride = _stride(layer) or (Piece(stride_text(layer), "stride"),)
    return *stride, Piece(padding_text(layer, layout), "padding")


def _stride(layer: Conv | Gate | Pool) -> tuple[Piece, ...]:
    """Return a stride that shrinks the map; nothing where it is 1."""
    return () if layer.stride == 1 else (Piece(stride_text(layer), "stride", bold=True, is_accent=True),)


def operation_width(layer: Layer, layout: Layout) -> float:
    """Return the least width in px of the layer's box."""
    return max(map(_line_width, operation_lines(layer, layout))) + 2 * _MARGIN


def operation_height(layer: Layer) -> float:
    """Return the height in px of the layer's box."""
    lines = 1 if isinstance(layer, Norm | Act | Scale | Dropout) else 3 if isinstance(layer, Gate) else 2
    return 22.0 + (lines - 1) * _LINE


def draw_operation(
    row: Traced, center: float, top: float, width: float, colors: StageColors, theme: Theme, layout: Layout
) -> tuple[Item, ...]:
    """Return the box of a layer and its words; boxes with weights that multiply maps are filled."""
    layer = row.layer
    fill = colors.fill if isinstance(layer, Conv | Gate | Linear) else theme.paper
    box = Box(
        x=center - width / 2, y=top, width=width, height=operation_height(layer), radius=5,
        fill=fill, stroke=colors.stroke, about=row.path, tip=_tip(row),
    )  # fmt: skip
    texts = [
        text
        for index, line in enumerate(operation_lines(layer, layout))
        for text in _set_line(line, center, top + 15 + index * _LINE, theme, row.path)
    ]
    return box, *texts


def _line_width(line: tuple[Piece, ...]) -> float:
    return sum(piece.width for piece in line) + _SPACE * (len(line) - 1)


def _set_line(
    line: tuple[Piece, ...], center: float, baseline: float, theme: Theme, about: str
) -> list[Text]:
    """Return the pieces side by side, their line centred; a lone one stays so in any typeface."""
    if len(line) == 1:
        return [_set_piece(line[0], center, baseline, theme, about, is_centred=True)]
    texts, left = [], center - _line_width(line) / 2
    for piece in line:
        texts.append(_set_piece(piece, left, baseline, theme, about, is_centred=False))
        left += piece.width + _SPACE
    return texts


def _set_piece(
    piece: Piece, x: float, baseline: float, theme: Theme, about: str, *, is_centred: bool
) -> Text:
    return Text(
        x=x, y=baseline, text=piece.text, size=piece.size, bold=piece.bold, role=piece.role, about=about,
        color=theme.accent if piece.is_accent else theme.ink, anchor="middle" if is_centred else "start",
    )  # fmt: skip


def _tip(row: Traced) -> str:
    """Return the layer's path with its counts, for who points at the box."""
    parts = [f"{row.path}: {name_text(row.layer)}"]
    if parameters := num_parameters(row.layer):
        parts.append(f"{parameters:,} parameters")
    if products := multiply_adds(row.layer, row.output):
        parts.append(f"{format_count(products)} multiply-adds")
    return ", ".join(parts) + (f"; the first of {row.count} equal ones" if row.count > 1 else "")
