"""The unit figure: one unit large, of one to six models side by side, the place of the stride marked.

Source of the form: He et al., 2016, arXiv:1603.05027, Figure 4.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil

from resnetlab.network.layers import image_size
from resnetlab.network.plan import Repeat
from resnetlab.network.spec import ModelSpec
from resnetlab.show.drawing.comparison.unit_panel import Drawn, Reach, draw_unit, reach, unit_height
from resnetlab.show.drawing.comparison.unit_words import shortcut_words, stride_words, units_words
from resnetlab.show.drawing.figure_parts import (
    Model,
    brief_text,
    check_number,
    listed,
    names_text,
    order_text,
    side_by_side,
    stride_of,
)
from resnetlab.show.drawing.frame import Block
from resnetlab.show.drawing.heading import broken, draw_figure_heading, wrap
from resnetlab.show.drawing.labels import Layout
from resnetlab.show.drawing.legend import ADDITION, STRIDE, Entry, draw_legend, shortcut_entries
from resnetlab.show.drawing.scene import Box, Item, Path, Scene, Text, moved
from resnetlab.show.drawing.theme import Theme
from resnetlab.show.drawing.typeface import printable, text_box, text_width

MOST = 6
_EDGE, _BETWEEN, _PAD = 28.0, 16.0, 18.0  # around the page, between two columns, within a panel
_HEAD, _SIZE, _SMALL, _LINE = 13.0, 11.0, 10.5, 15.0
_LEAST = 440.0  # px that title and subtitle may take above a single narrow column


@dataclass(frozen=True, slots=True)
class _Column:
    """A model: the lines of its head, its stage's units by the row that shows them, the words under each."""

    model: Model
    head: tuple[str, ...]
    units: dict[int, Drawn]
    captions: dict[int, tuple[str, ...]]
    space: Reach
    width: float


def draw_units(
    specs: Sequence[ModelSpec], theme: Theme, layout: Layout, height: int | None, width: int | None,
    names: Sequence[str] | None = None,
) -> Scene:  # fmt: skip
    """Return one to six models' units, for images of that size; None is each one's nominal.

    They go by their own names, or by these.

    Raises:
        UsageError: If there are none or more models, or if the strides do not allow the size.
    """
    check_number(specs, MOST, "unit")
    models = side_by_side(specs, names)
    columns = [_column(model, theme, layout, height, width) for model in models]
    body = _body(columns, theme, layout)
    right = _right(body.items)
    heading = draw_figure_heading(
        f"Inside a unit of {listed(models)}", _subtitle(specs), theme, max(right, _LEAST)
    )
    page = ceil(max(right, _right(heading.items)))
    legend = draw_legend(_entries(columns), theme, page)
    y = _EDGE + heading.height + 24
    items = (
        *moved(heading.items, _EDGE, _EDGE),
        *moved(body.items, _EDGE, y),
        *moved(legend.items, _EDGE, y + body.height + 16),
    )
    return Scene(
        width=page + 2 * _EDGE,
        height=ceil(y + body.height + 16 + legend.height + _EDGE - 8),
        background=theme.background,
        title=f"{names_text(models)}: inside a unit",
        description=" ".join(map(_describe, columns)),
        items=items,
    )


def _body(columns: Sequence[_Column], theme: Theme, layout: Layout) -> Block:
    """Return the models' names and under them their panels, row by row."""
    items: list[Item] = []
    for column, x in _places(columns):
        items += _head(column, x, theme)
    y = _HEAD + max(len(column.head) for column in columns) * _LINE + 34
    for index, title in _row_titles(columns).items():
        drawn = [(column, x) for column, x in _places(columns) if index in column.units]
        items.append(Text(x=0, y=y, text=title, size=_HEAD, color=theme.ink, bold=True))
        y += 12
        inner = max(unit_height(column.units[index]) for column, _ in drawn)
        lines = max(len(column.captions[index]) for column, _ in drawn)
        panel = inner + lines * _LINE + 2 * _PAD + 2
        for column, x in drawn:
            items += moved(_panel(column, index, inner, panel, theme, layout), x, y)
        y += panel + 34
    return Block(height=y - 34, items=tuple(items))


def _right(items: Sequence[Item]) -> float:
    """Return where the rightmost box or text ends."""
    return max(
        text_box(item)[2] if isinstance(item, Text) else item.x + item.width
        for item in items
        if not isinstance(item, Path)
    )


def _column(model: Model, theme: Theme, layout: Layout, height: int | None, width: int | None) -> _Column:
    spec = model.spec
    stage = min(1, len(spec.blocks) - 1)
    repeats = spec.plan().stages[stage]
    rows = spec.plan().trace(*image_size(spec.input_size, height, width), folded=True)
    # Of several kinds that one row would show, it shows the first.
    stood = {_row_of(repeat, index): repeat for index, repeat in reversed(list(enumerate(repeats)))}
    units = {
        place: Drawn(
            repeat.unit,
            tuple(row for row in rows if row.unit == repeat.unit.name),
            theme.stage(stage),
            model.prefix,
        )
        for place, repeat in stood.items()
    }
    spaces = [reach(unit, layout) for unit in units.values()]
    space = Reach(
        max(space.left for space in spaces),
        max(space.branch for space in spaces),
        max(space.right for space in spaces),
    )
    captions = (text_width(units_words(stage + 1, repeat), _SMALL, bold=True) for repeat in repeats)
    head = max(text_width(printable(model.name), _HEAD, bold=True), text_width(order_text(spec), _SIZE))
    inner = max(space.left + space.right, head, *captions)
    return _Column(
        model,
        (order_text(spec), *(broken(model.note, _SIZE, inner) if model.note else ())),
        units,
        {place: _captions(stage + 1, repeat, inner) for place, repeat in stood.items()},
        space,
        inner + 2 * _PAD,
    )


def _row_of(repeat: Repeat, index: int) -> int:
    """Return the place of the row: first units; what follows; last units where those stride instead."""
    if index == 0:
        return 0
    return 2 if any(stride_of(layer) > 1 for layer in repeat.unit.branch) else 1


def _captions(stage: int, repeat: Repeat, width: float) -> tuple[str, ...]:
    """Return the lines under a unit: its name, and what is said of it."""
    words = [text for text in (stride_words(repeat.unit), shortcut_words(repeat.unit)) if text]
    return units_words(stage, repeat), *(line for text in words for line in wrap((text,), _SMALL, width))


def _places(columns: Sequence[_Column]) -> list[tuple[_Column, float]]:
    """Return each column with the x where it starts."""
    starts = accumulate((column.width + _BETWEEN for column in columns), initial=0.0)
    return list(zip(columns, starts, strict=False))


def _subtitle(specs: Sequence[ModelSpec]) -> str:
    have_second = all(len(spec.blocks) > 1 for spec in specs)
    text = "Units of stage 2." if have_second else "Units of stage 2, or of the only one."
    has_shortcut = any(spec.shortcut != "none" for spec in specs)
    return f"{text} Shortcuts run straight down, branches beside them." if has_shortcut else text


def _row_titles(columns: Sequence[_Column]) -> dict[int, str]:
    """Return the title of each row that there is, by its place."""
    changes = all(column.units[0].input[1:] != column.units[0].output[1:] for column in columns)
    first = "First unit: the size changes" if changes else "First unit"
    titles = {0: first, 1: "The units after it", 2: "Last unit: the size changes"}
    return {place: title for place, title in titles.items() if any(place in c.units for c in columns)}


def _head(column: _Column, x: float, theme: Theme) -> Iterator[Text]:
    name, prefix = printable(column.model.name), column.model.prefix
    x += _PAD
    yield Text(x=x, y=_HEAD, text=name, size=_HEAD, color=theme.ink, bold=True, role="name", about=prefix)
    for index, line in enumerate(column.head, 1):
        y = _HEAD + index * _LINE + 1
        yield Text(x=x, y=y, text=line, size=_SIZE, color=theme.faint, about=prefix)


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


def _entries(columns: Sequence[_Column]) -> Iterator[Entry]:
    units = [drawn.unit for column in columns for drawn in column.units.values()]
    yield from shortcut_entries(unit.shortcut for unit in units)
    if any(unit.shortcut is not None for unit in units):
        yield ADDITION
    if any(stride_of(layer) > 1 for unit in units for layer in unit.branch):
        yield STRIDE


def _describe(column: _Column) -> str:
    """Return the units in words, for who cannot see the picture."""
    units = " ".join(
        f"{drawn.unit.name}: {', '.join(brief_text(row.layer) for row in drawn.branch)};"
        f" {stride_words(drawn.unit) or 'no stride'}; {shortcut_words(drawn.unit)}."
        for _, drawn in sorted(column.units.items())
    )
    return f"{printable(column.model.name)}, {' '.join(column.head)}. {units}"
