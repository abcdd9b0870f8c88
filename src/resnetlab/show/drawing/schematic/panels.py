"""Panels: a section's blocks on its colour, under a band with its title; columns of panels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby

from resnetlab.show.drawing.frame import Block, Frame
from resnetlab.show.drawing.heading import wrap
from resnetlab.show.drawing.scene import Box, Item, Path, Text, moved
from resnetlab.show.drawing.theme import StageColors

PAD = 12.0
"""Px between a panel's border and its blocks."""
_BLOCK_GAP = 12.0
_PANEL_GAP = 26.0
_TITLE_SIZE, _FACT_SIZE, _FACT_LINE = 14.0, 10.5, 15.0

Column = tuple[tuple[int, int], ...]
"""What stands below each other: a section's index, and the index of one of its blocks."""


@dataclass(frozen=True, slots=True)
class Section:
    """A panel's content: its title, the lines below it, its colours, its blocks and these in words."""

    title: str
    facts: tuple[tuple[str, ...], ...]
    colors: StageColors
    blocks: tuple[Block, ...]
    words: tuple[str, ...]
    """Each block in words, for who cannot see it."""


def told(sections: Sequence[Section], columns: Sequence[Column]) -> Iterator[str]:
    """Give what stands in the columns in words, panel by panel."""
    for column in columns:
        for index, group in _panels(column):
            section = sections[index]
            words = [section.words[block] for _, block in group]
            if group[0][1] > 0:
                yield f"{section.title}, continued: {'. '.join(words)}."
            else:
                yield f"{section.title}: {', '.join(chain(*section.facts))}. {'. '.join(words)}."


def panel_width(frame: Frame) -> float:
    """Return the width of every panel in px."""
    return frame.width + 2 * PAD


def column_height(sections: Sequence[Section], column: Column, frame: Frame) -> float:
    """Return the height in px of the column's panels with the gaps between them."""
    panels = [
        _band_height(sections[index], frame, is_continued=group[0][1] > 0)
        + 2 * PAD
        + sum(sections[i].blocks[block].height for i, block in group)
        + _BLOCK_GAP * (len(group) - 1)
        for index, group in _panels(column)
    ]
    return sum(panels) + _PANEL_GAP * (len(panels) - 1)


def _panels(column: Column) -> list[tuple[int, Column]]:
    return [(index, tuple(group)) for index, group in groupby(column, key=lambda piece: piece[0])]


def _band_lines(section: Section, frame: Frame, *, is_continued: bool) -> list[str]:
    if is_continued:
        return []
    return [line for facts in section.facts for line in wrap(facts, _FACT_SIZE, frame.width)]


def _band_height(section: Section, frame: Frame, *, is_continued: bool) -> float:
    return 28 + _FACT_LINE * len(_band_lines(section, frame, is_continued=is_continued))


def draw_column(
    items: list[Item], sections: Sequence[Section], column: Column, x: float, y: float, frame: Frame
) -> float:
    """Draw the column's panels from y downwards; return where they end."""
    trunk = x + PAD + frame.trunk
    for place, (index, group) in enumerate(_panels(column)):
        section, is_continued = sections[index], group[0][1] > 0
        if place:
            items.append(draw_trunk(trunk, y, y + _PANEL_GAP, frame, arrow=True))
            y += _PANEL_GAP
        start = len(items)
        band = _band_height(section, frame, is_continued=is_continued)
        below = y + band
        for number, (_, block) in enumerate(group):
            gap = _BLOCK_GAP if number else PAD
            if index or number or is_continued:  # nothing leads to the image
                items.append(draw_trunk(trunk, below, below + gap, frame))
            items += moved(section.blocks[block].items, x + PAD, below + gap)
            below += gap + section.blocks[block].height
        if column[-1] != group[-1] or index + 1 < len(sections):  # nothing leaves the logits
            items.append(draw_trunk(trunk, below, below + PAD, frame))
        below += PAD
        items[start:start] = _panel(section, x, y, below - y, band, frame, is_continued=is_continued)
        y = below
    return y


def _panel(
    section: Section, x: float, y: float, height: float, band: float, frame: Frame, *, is_continued: bool
) -> list[Item]:
    """Return the panel's ground and, upon it, its band with the section's title and facts."""
    theme, colors, width = frame.theme, section.colors, panel_width(frame)
    about = section.title.lower()
    title = section.title + (", continued" if is_continued else "")
    ground = Box(
        x=x, y=y, width=width, height=height, radius=8, fill=colors.panel, stroke=colors.stroke,
        stroke_width=0.5,
    )  # fmt: skip
    items: list[Item] = [
        ground,
        Box(x=x, y=y, width=width, height=band, radius=8, fill=colors.fill, stroke=colors.stroke),
        Text(
            x=x + PAD, y=y + 19, text=title, size=_TITLE_SIZE, bold=True, color=theme.ink, role="stage",
            about=about,
        ),
    ]  # fmt: skip
    for line in _band_lines(section, frame, is_continued=is_continued):
        y += _FACT_LINE
        items.append(
            Text(x=x + PAD, y=y + 20, text=line, size=_FACT_SIZE, color=theme.ink, role="count", about=about)
        )
    return items


def draw_trunk(x: float, top: float, bottom: float, frame: Frame, *, arrow: bool = False) -> Path:
    """Return a piece of the trunk outside of blocks."""
    return Path(start=(x, top), segments=(((x, bottom),),), color=frame.theme.line, arrow=arrow)
