"""From sections to pages: columns of panels, as many as suit the page, and connectors between them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, groupby
from math import ceil, log

from resnetlab.show.drawing.figure_parts import bent
from resnetlab.show.drawing.frame import Block, Frame
from resnetlab.show.drawing.scene import Item, Path, Scene, Text, moved
from resnetlab.show.drawing.schematic.panels import (
    PAD,
    Column,
    Section,
    column_height,
    draw_column,
    draw_trunk,
    panel_width,
    told,
)

_MARGIN = 32.0  # px around the page
_COLUMN_GAP = 44.0
_CONNECTOR = 26.0  # px above and below the columns
_RATIO = 1.35  # of a comfortable page, width to height
_SPLIT = 0.12  # what a section in two columns counts, as much as a page an eighth too wide
_A4 = 297 / 210
_A4_WIDTH = 1150.0  # px of the widest page of several: at 10 px, letters of 5 points on paper
_MOST_COLUMNS = 8
_FOOT = 16.0  # px of the line that numbers the pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What all pages share; heading and legend are drawn for a width in px.

    The description is the first page's; what stands on a page, its columns tell.
    """

    name: str
    title: str
    description: str
    heading: Callable[[float], Block]
    legend: Callable[[float], Block]


def one_page(sections: Sequence[Section], frame: Frame, sheet: Sheet, columns: int | None) -> Scene:
    """Return everything on one page of `columns` columns, or of a comfortable number of them."""
    blocks = [(piece,) for piece in _pieces(sections)]
    wholes = [tuple(group) for _, group in groupby(_pieces(sections), key=lambda piece: piece[0])]
    counts = range(1, _MOST_COLUMNS + 1) if columns is None else (min(columns, len(blocks)),)
    splits = [
        _balanced(groups, sections, frame, count)
        for groups in (wholes, blocks)
        for count in counts
        if count <= len(groups)
    ]
    return _draw_page(sections, min(splits, key=partial(_discomfort, sections, frame, sheet)), frame, sheet)


def several_pages(
    sections: Sequence[Section], frame: Frame, sheet: Sheet, columns: int | None
) -> tuple[Scene, ...]:
    """Return everything on as many pages of A4's proportions as it takes."""
    fitting = [count for count in range(1, _MOST_COLUMNS) if _page_width(frame, count) <= _A4_WIDTH]
    count = columns or max(fitting, default=1)
    least = _page_width(frame, count)
    widths = range(ceil(least), max(ceil(least), round(_A4_WIDTH)) + 1, 10)
    layouts = [(width, *_filled(sections, frame, sheet, count, width)) for width in widths]
    width, height, pages = min(layouts, key=lambda layout: len(layout[2]) * layout[0] * layout[1])
    return tuple(
        _draw_page(sections, page, frame, sheet, number, len(pages), (width, height), count)
        for number, page in enumerate(pages, 1)
    )


def _filled(
    sections: Sequence[Section], frame: Frame, sheet: Sheet, count: int, width: float
) -> tuple[float, list[list[Column]]]:
    """Return the height of pages so wide, and the pages: columns filled one after another."""
    inner = width - 2 * _MARGIN
    furniture = 2 * _MARGIN + 2 * _CONNECTOR + 2 * _FOOT
    first = furniture + sheet.heading(inner).height + sheet.legend(inner).height
    tallest = max(column_height(sections, (piece,), frame) for piece in _pieces(sections))
    height = max(width * _A4, first + tallest)
    pages: list[list[Column]] = [[]]
    column: Column = ()
    for piece in _pieces(sections):
        room = height - (first if len(pages) == 1 else furniture)
        if column and column_height(sections, (*column, piece), frame) > room:
            pages[-1].append(column)
            column = ()
            if len(pages[-1]) == count:
                pages.append([])
        column += (piece,)
    pages[-1].append(column)
    return height, pages


def _pieces(sections: Sequence[Section]) -> Column:
    return tuple(
        (index, block) for index, section in enumerate(sections) for block in range(len(section.blocks))
    )


def _balanced(
    groups: Sequence[Column], sections: Sequence[Section], frame: Frame, count: int
) -> list[Column]:
    """Return the groups, none of them divided, in `count` columns, the tallest as low as can be."""

    def joined(start: int, end: int) -> Column:
        return tuple(chain(*groups[start:end]))

    @cache
    def split(start: int, columns: int) -> tuple[float, tuple[int, ...]]:
        if columns == 1:
            return column_height(sections, joined(start, len(groups)), frame), (len(groups),)
        found = []
        for end in range(start + 1, len(groups) - columns + 2):
            rest, ends = split(end, columns - 1)
            found.append((max(rest, column_height(sections, joined(start, end), frame)), (end, *ends)))
        return min(found)

    ends = split(0, count)[1]
    return [joined(start, end) for start, end in zip((0, *ends), ends, strict=False)]


def _discomfort(sections: Sequence[Section], frame: Frame, sheet: Sheet, columns: list[Column]) -> float:
    """Return how far a page of these columns is from a comfortable shape; a section in two is far too."""
    width = _page_width(frame, len(columns))
    inner = width - 2 * _MARGIN
    height = max(column_height(sections, column, frame) for column in columns) + 2 * _CONNECTOR
    height += sheet.heading(inner).height + sheet.legend(inner).height + 2 * _MARGIN
    parts = sum(len({index for index, _ in column}) for column in columns)
    return abs(log(width / height / _RATIO)) + _SPLIT * (parts - len(sections))


def _page_width(frame: Frame, columns: int) -> float:
    return 2 * _MARGIN + columns * panel_width(frame) + (columns - 1) * _COLUMN_GAP


def _draw_page(
    sections: Sequence[Section], columns: Sequence[Column], frame: Frame, sheet: Sheet, number: int = 1,
    of: int = 1, size: tuple[float, float] | None = None, slots: int = 0,
) -> Scene:  # fmt: skip
    """Return a page, its columns spread over `slots` places; the legend stands on the first."""
    theme = frame.theme
    width = size[0] if size else _page_width(frame, len(columns))
    inner = width - 2 * _MARGIN
    heading = sheet.heading(inner) if number == 1 else Block(height=0, items=())
    legend = sheet.legend(inner) if number == 1 else Block(height=0, items=())
    top = _MARGIN + heading.height + _CONNECTOR
    body = max(column_height(sections, column, frame) for column in columns)
    height = size[1] if size else top + body + _CONNECTOR + legend.height + _MARGIN
    items: list[Item] = list(moved(heading.items, _MARGIN, _MARGIN))
    slots = slots or len(columns)
    gap = (inner - slots * panel_width(frame)) / (slots - 1) if slots > 1 else _COLUMN_GAP
    pitch = panel_width(frame) + gap
    for index, column in enumerate(columns):
        x = _MARGIN + index * pitch
        trunk = x + PAD + frame.trunk
        bottom = draw_column(items, sections, column, x, top, frame)
        if index + 1 < len(columns):
            items.append(_connector(trunk, bottom, trunk + pitch, top, x - gap / 2 + pitch, frame))
        elif number < of:
            items += _reference(trunk, bottom, f"to page {number + 1}", frame)
        if index == 0 and number > 1:
            items += _reference(trunk, top - _CONNECTOR + 4, f"from page {number - 1}", frame)
    legend_top = height - _MARGIN - legend.height - (2 * _FOOT if of > 1 else 0)
    items += moved(legend.items, _MARGIN, legend_top)
    if of > 1:
        foot = f"{sheet.name}, page {number} of {of}"
        items.append(Text(x=_MARGIN, y=height - _MARGIN, text=foot, size=11, color=theme.faint))
    title = sheet.title + (f", page {number} of {of}" if of > 1 else "")
    return Scene(
        width=width, height=height, background=theme.background, title=title,
        description=" ".join((sheet.description if number == 1 else f"{title}.", *told(sections, columns))),
        items=tuple(items),
    )  # fmt: skip


def _connector(start: float, bottom: float, end: float, top: float, middle: float, frame: Frame) -> Path:
    """Return the line from the end of a column to the top of the next; it rises at x = `middle`."""
    low, high = bottom + 14, top - 14
    points = ((start, bottom), (start, low), (middle, low), (middle, high), (end, high), (end, top))
    return bent(points, frame.theme.line, arrow=True, radius=9.0)


def _reference(trunk: float, top: float, words: str, frame: Frame) -> list[Item]:
    """Return an arrow that comes from, or goes to, another page, with that page's number."""
    color = frame.theme.faint
    return [
        draw_trunk(trunk, top, top + _CONNECTOR - 4, frame, arrow=True),
        Text(x=trunk + 8, y=top + 14, text=words, size=11, color=color),
    ]
