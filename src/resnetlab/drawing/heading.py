"""What stands above and below a schematic: name, source and counts; the legend of what occurs in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from resnetlab.drawing.frame import Block
from resnetlab.drawing.scene import Box, Item, Path, Role, Text, moved
from resnetlab.drawing.theme import Theme
from resnetlab.drawing.typeface import printable, text_width
from resnetlab.layers import Conv
from resnetlab.plan import Plan
from resnetlab.spec import ModelSpec
from resnetlab.units import format_count

TITLE_SIZE, FACT_SIZE = 24.0, 12.0
_LEGEND_SIZE = 11.0
_SYMBOL = 34.0  # px of a legend's symbol
_LINE = 18.0  # px from baseline to baseline
_CONVENTION = "multiply-adds: those of convolutions and classifier, shortcuts included, for one image"


def wrap(parts: Sequence[str], size: float, width: float, between: str = "  ·  ") -> list[str]:
    """Return the parts set in lines of at most `width` px, as many in each as fit."""
    lines: list[str] = []
    for part in parts:
        if lines and text_width(lines[-1] + between + part, size) <= width:
            lines[-1] += between + part
        else:
            lines.extend(_broken(part, size, width))
    return lines


def _broken(part: str, size: float, width: float) -> list[str]:
    """Return a part that is longer than a line in several, broken between its words."""
    lines = [""]
    for word in part.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def draw_heading(spec: ModelSpec, height: int, width: int, theme: Theme, page: float) -> Block:
    """Return the picture's heading, `page` px wide."""
    items: list[Item] = []
    y = TITLE_SIZE - 2
    for line in _broken(printable(spec.name), TITLE_SIZE * 1.1, page):  # bold is a tenth wider
        items.append(Text(x=0, y=y, text=line, size=TITLE_SIZE, bold=True, color=theme.ink, role="title"))
        y += 24
    said: tuple[tuple[Role, str, list[str]], ...] = (
        ("note", theme.faint, [printable(spec.source)]),
        ("count", theme.ink, facts(spec, height, width)),
        ("note", theme.faint, [_CONVENTION]),
    )
    for role, color, parts in said:
        for line in wrap(parts, FACT_SIZE, page):
            items.append(Text(x=0, y=y, text=line, size=FACT_SIZE, color=color, role=role))
            y += _LINE
    return Block(height=y - _LINE + 6, items=tuple(items))


def facts(spec: ModelSpec, height: int, width: int) -> list[str]:
    """Return the network's counts in words, beside the published ones where there are any."""
    parameters = f"{spec.num_parameters:,} parameters"
    if spec.published_parameters:
        parameters += f" (published: {format_count(spec.published_parameters)})"
    products = f"{format_count(spec.num_multiply_adds(height, width))} multiply-adds"
    if spec.published_multiply_adds and height == width == spec.input_size:
        products += f" (published: {format_count(spec.published_multiply_adds)})"
    return [
        parameters,
        products,
        f"{spec.depth} weighted layers",
        f"images {height}×{width}×{spec.in_channels}",
    ]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of the legend: its symbol, 18 px high, and what it means."""

    symbol: tuple[Item, ...]
    text: str


def draw_legend(plan: Plan, theme: Theme, page: float) -> Block:
    """Return the legend of what occurs in the network, `page` px wide."""
    items: list[Item] = []
    x, y = 0.0, 0.0
    for entry in _entries(plan, theme):
        width = _SYMBOL + text_width(entry.text, _LEGEND_SIZE)
        if x and x + width > page:
            x, y = 0.0, y + _LINE + 2
        items += moved(entry.symbol, x, y)
        for index, line in enumerate(_broken(entry.text, _LEGEND_SIZE, page - _SYMBOL)):
            y += _LINE * (index > 0)
            items.append(
                Text(x=x + _SYMBOL, y=y + 13, text=line, size=_LEGEND_SIZE, color=theme.faint, role="legend")
            )
        x += width + 26
    return Block(height=y + 18, items=tuple(items))


def _entries(plan: Plan, theme: Theme) -> Iterator[_Entry]:
    repeats = [repeat for stage in plan.stages for repeat in stage]
    shortcuts = [repeat.unit.shortcut for repeat in repeats if repeat.unit.shortcut is not None]
    grey = theme.neutral
    filled = Box(x=2, y=2, width=24, height=14, radius=4, fill=grey.fill, stroke=grey.stroke)
    empty = Box(x=2, y=2, width=24, height=14, radius=4, fill=theme.paper, stroke=grey.stroke)
    yield _Entry((filled,), "with weights W=[height, width, in, out]")
    yield _Entry((empty,), "normalisation, activation, pooling")
    if any(not layers for layers in shortcuts):
        yield _Entry((_stroke(theme, 1.6),), "identity shortcut")
    if any(layers and not _has_weights(layers) for layers in shortcuts):
        yield _Entry(
            (_stroke(theme, 1.6, dashed=True),), "shortcut without weights, widened by zero channels"
        )
    if any(_has_weights(layers) for layers in shortcuts):
        yield _Entry((_stroke(theme, 2.2),), "projection shortcut")
    if any(repeat.count > 1 for repeat in repeats):
        bracket = Path(start=(10, 2), segments=(((17, 2),), ((17, 16),), ((10, 16),)), color=theme.ink)
        yield _Entry((bracket,), "equal units in a row, drawn once")


def _has_weights(layers: Sequence[object]) -> bool:
    return any(isinstance(layer, Conv) for layer in layers)


def _stroke(theme: Theme, width: float, *, dashed: bool = False) -> Path:
    return Path(
        start=(0, 9), segments=(((28, 9),),), color=theme.shortcut, width=width, dashed=dashed, arrow=True
    )
