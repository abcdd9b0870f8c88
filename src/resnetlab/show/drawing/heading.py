"""What stands above a drawing: a schematic's name, source and counts; the title of a comparison."""

from collections.abc import Sequence
from functools import lru_cache

from resnetlab.base.units import format_count, format_rounded
from resnetlab.network.catalog import changed_texts
from resnetlab.network.spec import ModelSpec
from resnetlab.show.drawing.frame import Block
from resnetlab.show.drawing.labels import Layout
from resnetlab.show.drawing.scene import Item, Role, Text
from resnetlab.show.drawing.theme import Theme
from resnetlab.show.drawing.typeface import printable, text_width

TITLE_SIZE, FACT_SIZE = 24.0, 12.0
_FIGURE_SIZE, _SUBTITLE_SIZE = 17.0, 11.0
_LINE = 18.0  # px from baseline to baseline
_CONVENTION = "multiply-adds: those of convolutions and classifier, shortcuts included, for one image"


@lru_cache(maxsize=1024)  # a layout asks again for every number of columns that it tries
def wrap(parts: tuple[str, ...], size: float, width: float, between: str = "  ·  ") -> tuple[str, ...]:
    """Return the parts set in lines of at most `width` px, as many in each as fit."""
    lines: list[str] = []
    for part in parts:
        if lines and text_width(lines[-1] + between + part, size) <= width:
            lines[-1] += between + part
        else:
            lines.extend(broken(part, size, width))
    return tuple(lines)


def broken(text: str, size: float, width: float, *, bold: bool = False) -> list[str]:
    """Return the text in lines of at most `width` px, unless a single word is longer."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size, bold) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _without_a_last_word_alone(text: str, size: float, width: float) -> list[str]:
    """Return the text as `broken` does, but for a last line of one word, if no line more avoids that."""
    lines = broken(text, size, width)
    fewer = lines
    while len(lines) > 1 and " " not in fewer[-1]:
        width = max(text_width(line, size) for line in fewer[:-1]) - 1
        fewer = broken(text, size, width)
        if len(fewer) > len(lines) or width <= 0:
            return lines
    return fewer


def changed_text(changed: Sequence[str]) -> str:
    """Return "here with classes=100, width=0.5"."""
    return printable(f"here with {', '.join(changed)}")


def sentence(text: str) -> str:
    """Return the text with a capital in front, the rest as it is."""
    return text[:1].upper() + text[1:]


def draw_heading(
    spec: ModelSpec, height: int, width: int, theme: Theme, layout: Layout, page: float
) -> Block:
    """Return the picture's heading, `page` px wide."""
    items: list[Item] = []
    y = TITLE_SIZE - 2
    for line in broken(printable(spec.name), TITLE_SIZE, page, bold=True):
        items.append(Text(x=0, y=y, text=line, size=TITLE_SIZE, bold=True, color=theme.ink, role="title"))
        y += 24
    changed = changed_texts(spec)
    said: tuple[tuple[Role, str, tuple[str, ...]], ...] = (
        ("note", theme.accent, (changed_text(changed),) if changed else ()),
        ("note", theme.faint, (printable(spec.source),)),
        ("count", theme.ink, facts(spec, height, width, layout)),
        ("note", theme.faint, (_CONVENTION,)),
    )
    for role, color, parts in said:
        for line in wrap(parts, FACT_SIZE, page):
            items.append(Text(x=0, y=y, text=line, size=FACT_SIZE, color=color, role=role))
            y += _LINE
    return Block(height=y - _LINE + 6, items=tuple(items))


def draw_figure_heading(title: str, subtitle: str, theme: Theme, page: float) -> Block:
    """Return a comparison's title and the line below it, in lines of `page` px where words allow."""
    items: list[Item] = []
    y = 0.0
    for line in broken(printable(title), _FIGURE_SIZE, page, bold=True):
        y += _FIGURE_SIZE + 4 * (y > 0)
        items.append(Text(x=0, y=y, text=line, size=_FIGURE_SIZE, bold=True, color=theme.ink, role="title"))
    y += 5
    for line in _without_a_last_word_alone(subtitle, _SUBTITLE_SIZE, page):
        y += 15
        items.append(Text(x=0, y=y, text=line, size=_SUBTITLE_SIZE, color=theme.faint))
    return Block(height=y, items=tuple(items))


def facts(spec: ModelSpec, height: int, width: int, layout: Layout) -> tuple[str, ...]:
    """Return the network's counts in words, beside the published ones where there are any."""
    parameters = f"{spec.num_parameters:,} parameters"
    if spec.published_parameters:
        parameters += f" (published: {format_rounded(spec.published_parameters)})"
    products = f"{format_count(spec.num_multiply_adds(height, width))} multiply-adds"
    if spec.published_multiply_adds and height == width == spec.input_size:
        products += f" (published: {format_rounded(spec.published_multiply_adds)})"
    sizes = (height, width, spec.in_channels) if layout == "NHWC" else (spec.in_channels, height, width)
    image = "×".join(map(str, sizes))
    return (
        parameters,
        products,
        f"{spec.depth} weighted layers",
        f"images {image}",
    )
