"""The overview: one to three models side by side, one box per weighted layer, aligned by stage.

Source of the form: He et al., 2015, arXiv:1512.03385, Figure 3.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import ceil

from resnetlab.network.spec import ModelSpec
from resnetlab.show.drawing.comparison.overview_column import Pen, draw_column
from resnetlab.show.drawing.comparison.overview_grid import LEAD, LINE, SIZE, SMALL, Grid, make_grid, reach
from resnetlab.show.drawing.comparison.overview_rows import ColumnRows, is_folded, read_rows
from resnetlab.show.drawing.figure_parts import check_number, middle, names_text, side_by_side
from resnetlab.show.drawing.heading import draw_figure_heading
from resnetlab.show.drawing.labels import Layout
from resnetlab.show.drawing.legend import ADDITION, REPEAT, Entry, draw_legend, shortcut_entries
from resnetlab.show.drawing.scene import Box, Item, Scene, Text, moved
from resnetlab.show.drawing.theme import Theme
from resnetlab.show.drawing.typeface import printable, text_width
from resnetlab.show.tables.sentences import shortcut_text

MOST = 3
_EDGE, _BETWEEN = 28.0, 40.0  # around the page; between two columns
_SUBTITLE = (
    "One box per weighted layer; pooling has one too, BN and activations are left out. /2 is stride 2."
)


def draw_overview(
    specs: Sequence[ModelSpec], theme: Theme, layout: Layout, height: int | None, width: int | None,
    names: Sequence[str] | None = None,
) -> Scene:  # fmt: skip
    """Return one to three models side by side, for images of that size; None is each one's nominal.

    They go by their own names, or by these.

    Raises:
        UsageError: If there are none or more models, or if the strides do not allow the size.
    """
    check_number(specs, MOST, "overview")
    folded = is_folded(specs)
    models = side_by_side(specs, names)
    columns = tuple(read_rows(model, height, width, folded=folded) for model in models)
    grid = make_grid(columns)
    margin = tuple(_margin(columns, grid, theme))
    body: list[Item] = []
    right = 12 + _widest(margin)
    for column in columns:
        before, after = reach(column, grid.box_width, layout)
        pen = Pen(grid, theme, layout, column.model.prefix)
        body += moved(draw_column(column, pen), right + _BETWEEN + before, 0)
        right += _BETWEEN + before + after
    heading = draw_figure_heading(names_text(models), _SUBTITLE, theme, right + 12)
    page = ceil(max(right + 12, _widest(heading.items)))
    legend = draw_legend(_entries(columns), theme, page)
    y = _EDGE + heading.height + 22
    return Scene(
        width=page + 2 * _EDGE,
        height=y + grid.bottom + 18 + legend.height + _EDGE - 8,
        background=theme.background,
        title=f"{names_text(models)}: overview",
        description=" ".join(map(_describe, columns)),
        items=(
            *moved(heading.items, _EDGE, _EDGE),
            *moved((*_bands(grid, page, theme), *margin, *body), _EDGE, y),
            *moved(legend.items, _EDGE, y + grid.bottom + 18),
        ),
    )


def _widest(items: Iterable[Item]) -> float:
    """Return the width of the widest text."""
    return max(text_width(item.text, item.size, item.bold) for item in items if isinstance(item, Text))


def _bands(grid: Grid, width: float, theme: Theme) -> Iterator[Item]:
    """Draw each stage's ground, from the margin to the last column."""
    for index, (top, bottom) in enumerate(zip(grid.stages, grid.ends[1:], strict=True)):
        colors = theme.stage(index)
        yield Box(
            x=0,
            y=top,
            width=width,
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
        x, y = 12, middle(top + (LEAD if index else 0), 19, SIZE)
        yield Text(x=x, y=y, text=name, size=SIZE, color=theme.ink, bold=True, role="stage", about=name)
        sizes = dict.fromkeys(_size_text(column, index) for column in columns if index < len(column.ends))
        if len(sizes) == 1 and name != "head":
            text = f"output size: {next(iter(sizes))}"
            yield Text(x=x, y=y + LINE, text=text, size=SMALL, color=theme.faint, role="shape", about=name)


def _size_text(column: ColumnRows, index: int) -> str:
    """Return "56", or "56×48" where height and width differ."""
    _, height, width = column.ends[index].output
    return str(height) if height == width else f"{height}×{width}"


def _entries(columns: Sequence[ColumnRows]) -> Iterator[Entry]:
    units = [unit for column in columns for stage in column.stages for unit in stage]
    shortcuts = [None if unit.shortcut is None else [row.layer for row in unit.shortcut] for unit in units]
    yield from shortcut_entries(shortcuts)
    if any(shortcut is not None for shortcut in shortcuts):
        yield ADDITION
    if any(unit.count > 1 for unit in units):
        yield REPEAT


def _describe(column: ColumnRows) -> str:
    """Return the network in words, for who cannot see the picture."""
    model, spec = column.model, column.model.spec
    stages = "; ".join(
        f"stage {index}: {count} units, output size {_size_text(column, index)}"
        for index, count in enumerate(spec.blocks, 1)
    )
    called = printable(model.name) + (f" ({model.note})" if model.note else "")
    shortcuts = "no shortcuts" if spec.shortcut == "none" else f"shortcuts of option {shortcut_text(spec)}"
    return f"{called}, {spec.depth} weighted layers, {shortcuts}. {stages}."
