"""The unit figure: one unit large, of one to six models side by side, the place of the stride marked.

Source of the form: He et al., 2016, arXiv:1603.05027, Figure 4.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil

from resnetlab.drawing.figure_legend import Sample, draw_legend
from resnetlab.drawing.figure_parts import (
    brief_text,
    check_number,
    names_text,
    order_text,
    prefix_of,
    shortcut_kind,
    stride_of,
)
from resnetlab.drawing.heading import wrap
from resnetlab.drawing.labels import Layout
from resnetlab.drawing.scene import Box, Item, Scene, Text, moved
from resnetlab.drawing.theme import Theme
from resnetlab.drawing.typeface import printable, text_box, text_width
from resnetlab.drawing.unit_panel import Drawn, Reach, draw_unit, reach, unit_height
from resnetlab.drawing.unit_words import shortcut_words, stride_words, units_words
from resnetlab.plan import Repeat
from resnetlab.spec import ModelSpec

MOST = 6
_EDGE, _BETWEEN, _PAD = 28.0, 16.0, 18.0  # around the page, between two columns, within a panel
_TITLE, _HEAD, _SIZE, _SMALL, _LINE = 17.0, 13.0, 11.0, 10.5, 15.0
_TITLE_TEXT = "Inside a unit"
_SUBTITLE = "Shortcuts run straight down, branches beside them."


@dataclass(frozen=True, slots=True)
class _Column:
    """A model: its stage's units by the place of the row that shows them; the words under each."""

    spec: ModelSpec
    units: dict[int, Drawn]
    captions: dict[int, tuple[str, ...]]
    space: Reach
    width: float


def draw_units(
    specs: Sequence[ModelSpec], theme: Theme, layout: Layout, height: int | None, width: int | None
) -> Scene:
    """Return one to six models' units, for images of that size; None is each one's nominal.

    Raises:
        UsageError: If there are none or more models, or if the strides do not allow the size.
    """
    check_number(specs, MOST, "unit")
    columns = [_column(spec, specs, theme, layout, height, width) for spec in specs]
    y = _EDGE + _TITLE + _LINE + 24
    items: list[Item] = [*_titles(specs, theme)]
    for column, x in _places(columns):
        items += _head(column, x, y, prefix_of(column.spec, specs), theme)
    y += _HEAD + _LINE + 34
    for index, title in _row_titles(columns).items():
        drawn = [(column, x) for column, x in _places(columns) if index in column.units]
        items.append(Text(x=_EDGE, y=y, text=title, size=_HEAD, color=theme.ink, bold=True))
        y += 12
        inner = max(unit_height(column.units[index]) for column, _ in drawn)
        lines = max(len(column.captions[index]) for column, _ in drawn)
        panel = inner + lines * _LINE + 2 * _PAD + 2
        for column, x in drawn:
            items += moved(_panel(column, index, inner, panel, theme, layout), x, y)
        y += panel + 34
    last, x = _places(columns)[-1]
    right = ceil(max(x + last.width, *(text_box(text)[2] for text in items if isinstance(text, Text))))
    legend = draw_legend(_samples(columns), _EDGE, y - 18, right, theme)
    return Scene(
        width=right + _EDGE,
        height=ceil(legend.bottom + _EDGE - 8),
        background=theme.background,
        title=f"{names_text(specs)}: inside a unit",
        description=" ".join(map(_describe, columns)),
        items=(*items, *legend.items),
    )


def _column(
    spec: ModelSpec, specs: Sequence[ModelSpec], theme: Theme, layout: Layout,
    height: int | None, width: int | None,
) -> _Column:  # fmt: skip
    stage = min(1, len(spec.blocks) - 1)
    repeats = spec.plan().stages[stage]
    rows = spec.plan().trace(height or spec.input_size, width or spec.input_size, folded=True)
    # Of several kinds that one row would show, it shows the first.
    stood = {_row_of(repeat, index): repeat for index, repeat in reversed(list(enumerate(repeats)))}
    units = {
        place: Drawn(
            repeat.unit,
            tuple(row for row in rows if row.unit == repeat.unit.name),
            theme.stage(stage),
            prefix_of(spec, specs),
        )
        for place, repeat in stood.items()
    }
    spaces = [reach(unit, layout) for unit in units.values()]
    space = Reach(
        max(space.left for space in spaces),
        max(space.branch for space in spaces),
        max(space.right for space in spaces),
    )
    names = (text_width(units_words(repeat), _SMALL, bold=True) for repeat in repeats)
    head = max(text_width(printable(spec.name), _HEAD, bold=True), text_width(order_text(spec), _SIZE))
    inner = max(space.left + space.right, head, *names)
    captions = {place: _captions(repeat, inner) for place, repeat in stood.items()}
    return _Column(spec, units, captions, space, inner + 2 * _PAD)


def _row_of(repeat: Repeat, index: int) -> int:
    """Return the place of the row: first units; what follows; last units where those stride instead."""
    if index == 0:
        return 0
    return 2 if any(stride_of(layer) > 1 for layer in repeat.unit.branch) else 1


def _captions(repeat: Repeat, width: float) -> tuple[str, ...]:
    """Return the lines under a unit: its name, and what is said of it."""
    words = [text for text in (stride_words(repeat.unit), shortcut_words(repeat.unit)) if text]
    return units_words(repeat), *(line for text in words for line in wrap([text], _SMALL, width))


def _places(columns: Sequence[_Column]) -> list[tuple[_Column, float]]:
    """Return each column with the x where it starts."""
    starts = accumulate((column.width + _BETWEEN for column in columns), initial=_EDGE)
    return list(zip(columns, starts, strict=False))


def _titles(specs: Sequence[ModelSpec], theme: Theme) -> Iterator[Text]:
    y = _EDGE + _TITLE
    yield Text(x=_EDGE, y=y, text=_TITLE_TEXT, size=_TITLE, color=theme.ink, bold=True, role="title")
    have_second = all(len(spec.blocks) > 1 for spec in specs)
    text = "Units of stage 2." if have_second else "Units of stage 2, or of the only one."
    if any(spec.shortcut != "none" for spec in specs):
        text += f" {_SUBTITLE}"
    yield Text(x=_EDGE, y=y + _LINE + 5, text=text, size=_SIZE, color=theme.faint)


def _row_titles(columns: Sequence[_Column]) -> dict[int, str]:
    """Return the title of each row that there is, by its place."""
    changes = all(column.units[0].input[1:] != column.units[0].output[1:] for column in columns)
    first = "First unit: the size changes" if changes else "First unit"
    titles = {0: first, 1: "The units after it", 2: "Last unit: the size changes"}
    return {place: title for place, title in titles.items() if any(place in c.units for c in columns)}


def _head(column: _Column, x: float, y: float, prefix: str, theme: Theme) -> Iterator[Text]:
    name, order = printable(column.spec.name), order_text(column.spec)
    x += _PAD
    yield Text(x=x, y=y + _HEAD, text=name, size=_HEAD, color=theme.ink, bold=True, role="name", about=prefix)
    yield Text(x=x, y=y + _HEAD + _LINE + 1, text=order, size=_SIZE, color=theme.faint, about=prefix)


def _panel(
    column: _Column, index: int, inner: float, height: float, theme: Theme, layout: Layout
) -> Iterator[Item]:
    """Draw the panel with the unit, `inner` px high, and its caption."""
    drawn, space = column.units[index], column.space
    about = drawn.prefix + drawn.unit.name
    yield Box(
        x=0,
        y=0,
        width=column.width,
        height=height,
        radius=8,
        fill=drawn.colors.panel,
        stroke=drawn.colors.fill,
        about=about,
    )
    middle = (column.width - space.left - space.right) / 2 + space.left
    yield from moved(draw_unit(drawn, space.branch, inner, theme, layout), middle, _PAD)
    for line, text in enumerate(column.captions[index]):
        y = _PAD + inner + 8 + (line + 1) * _LINE - 4
        color = theme.faint if line else theme.ink
        yield Text(x=_PAD, y=y, text=text, size=_SMALL, color=color, bold=not line, about=about)


def _samples(columns: Sequence[_Column]) -> Iterator[Sample]:
    units = [drawn.unit for column in columns for drawn in column.units.values()]
    kinds = {shortcut_kind(unit.shortcut) for unit in units}
    order: tuple[Sample, ...] = ("identity", "padded", "projection")
    yield from (sample for sample in order if sample in kinds)
    if kinds != {"none"}:
        yield "addition"
    if any(stride_of(layer) > 1 for unit in units for layer in unit.branch):
        yield "stride"


def _describe(column: _Column) -> str:
    """Return the units in words, for who cannot see the picture."""
    units = " ".join(
        f"{drawn.unit.name}: {', '.join(brief_text(row.layer) for row in drawn.branch)};"
        f" {stride_words(drawn.unit) or 'no stride'}; {shortcut_words(drawn.unit)}."
        for _, drawn in sorted(column.units.items())
    )
    return f"{printable(column.spec.name)}, {order_text(column.spec)}. {units}"
