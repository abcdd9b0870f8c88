"""The overview: one to three models side by side, one box per weighted layer, aligned by stage.

Source of the form: He et al., 2015, arXiv:1512.03385, Figure 3.
"""

from collections.abc import Iterator, Sequence
from math import ceil

from resnetlab.drawing.figure_legend import Sample, draw_legend
from resnetlab.drawing.figure_parts import check_number, middle, names_text, prefix_of, shortcut_kind
from resnetlab.drawing.labels import Layout
from resnetlab.drawing.overview_column import Pen, draw_column
from resnetlab.drawing.overview_grid import LEAD, LINE, SIZE, SMALL, Grid, make_grid, reach
from resnetlab.drawing.overview_rows import ColumnRows, is_folded, read_rows
from resnetlab.drawing.scene import Box, Item, Scene, Text, moved
from resnetlab.drawing.theme import Theme
from resnetlab.drawing.typeface import printable, text_width
from resnetlab.spec import ModelSpec

MOST = 3
_EDGE, _BETWEEN = 28.0, 40.0  # around the page; between two columns
_TITLE = 17.0
_TITLE_TEXT = "One box per weighted layer"
_SUBTITLE = "Pooling has one too; BN and activations are left out. /2 is stride 2."


def draw_overview(
    specs: Sequence[ModelSpec], theme: Theme, layout: Layout, height: int | None, width: int | None
) -> Scene:
    """Return one to three models side by side, for images of that size; None is each one's nominal.

    Raises:
        UsageError: If there are none or more models, or if the strides do not allow the size.
    """
    check_number(specs, MOST, "overview")
    folded = is_folded(specs)
    columns = tuple(read_rows(spec, height, width, folded=folded) for spec in specs)
    grid = make_grid(columns, top=_EDGE + _TITLE + 2 * LINE + 10)
    margin = tuple(_margin(columns, grid, theme))
    items: list[Item] = []
    right = _EDGE + 12 + max(text_width(text.text, text.size, bold=text.bold) for text in margin)
    for column in columns:
        before, after = reach(column, grid.box_width, layout)
        pen = Pen(grid, theme, layout, prefix_of(column.spec, specs))
        items += moved(draw_column(column, pen), right + _BETWEEN + before, 0)
        right += _BETWEEN + before + after
    titles = tuple(_titles(theme))
    right = ceil(
        max(right + 12, *(_EDGE + text_width(text.text, text.size, bold=text.bold) for text in titles))
    )
    legend = draw_legend(_samples(columns), _EDGE, grid.bottom + 18, right, theme)
    return Scene(
        width=right + _EDGE,
        height=legend.bottom + _EDGE - 8,
        background=theme.background,
        title=f"{names_text(specs)}: overview",
        description=" ".join(map(_describe, columns)),
        items=(*titles, *_bands(grid, _EDGE, right, theme), *margin, *items, *legend.items),
    )


def _titles(theme: Theme) -> Iterator[Text]:
    y = _EDGE + _TITLE
    yield Text(x=_EDGE, y=y, text=_TITLE_TEXT, size=_TITLE, color=theme.ink, bold=True, role="title")
    yield Text(x=_EDGE, y=y + LINE + 5, text=_SUBTITLE, size=SIZE, color=theme.faint)


def _bands(grid: Grid, left: float, right: float, theme: Theme) -> Iterator[Item]:
    """Draw each stage's ground, from the margin to the last column."""
    for index, (top, bottom) in enumerate(zip(grid.stages, grid.ends[1:], strict=True)):
        colors = theme.stage(index)
        yield Box(
            x=left,
            y=top,
            width=right - left,
            height=bottom - top,
            radius=6,
            fill=colors.panel,
            stroke=colors.fill,
            about=f"stage {index + 1}",
        )


def _margin(columns: Sequence[ColumnRows], grid: Grid, theme: Theme) -> Iterator[Text]:
    """Give the names of stem, stages and head, and the size of each one's output."""
    tops = (grid.image, *grid.stages, grid.tail)
    names = ("stem", *(f"stage {index + 1}" for index in range(len(grid.stages))), "head")
    for index, (top, name) in enumerate(zip(tops, names, strict=True)):
        x, y = _EDGE + 12, middle(top + (LEAD if index else 0), 19, SIZE)
        yield Text(x=x, y=y, text=name, size=SIZE, color=theme.ink, bold=True, role="stage", about=name)
        sizes = dict.fromkeys(_size_text(column, index) for column in columns if index < len(column.ends))
        if len(sizes) == 1 and name != "head":
            text = f"output size: {next(iter(sizes))}"
            yield Text(x=x, y=y + LINE, text=text, size=SMALL, color=theme.faint, role="shape", about=name)


def _size_text(column: ColumnRows, index: int) -> str:
    """Return "56", or "56×48" where height and width differ."""
    _, height, width = column.ends[index].output
    return str(height) if height == width else f"{height}×{width}"


def _samples(columns: Sequence[ColumnRows]) -> Iterator[Sample]:
    units = [unit for column in columns for stage in column.stages for unit in stage]
    kinds = {
        shortcut_kind(None if unit.shortcut is None else [row.layer for row in unit.shortcut])
        for unit in units
    }
    order: tuple[Sample, ...] = ("identity", "padded", "projection")
    yield from (sample for sample in order if sample in kinds)
    if kinds != {"none"}:
        yield "addition"
    if any(unit.count > 1 for unit in units):
        yield "repeat"


def _describe(column: ColumnRows) -> str:
    """Return the network in words, for who cannot see the picture."""
    spec = column.spec
    stages = "; ".join(
        f"stage {index}: {count} units, output size {_size_text(column, index)}"
        for index, count in enumerate(spec.blocks, 1)
    )
    shortcuts = "no shortcuts" if spec.shortcut == "none" else f"shortcuts of option {spec.shortcut}"
    return f"{printable(spec.name)}, {spec.depth} weighted layers, {shortcuts}. {stages}."
