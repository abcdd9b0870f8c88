"""The legend under the two comparison figures: samples of what occurs in them, with words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from resnetlab.drawing.figure_parts import ShortcutKind, middle, plus
from resnetlab.drawing.scene import Box, Item, Path, Text
from resnetlab.drawing.theme import Theme
from resnetlab.drawing.typeface import text_width

Sample = ShortcutKind | Literal["addition", "repeat", "stride"]

SIZE = 11.0
_ROW, _GAP, _AFTER = 20.0, 8.0, 22.0
_WIDTHS: dict[Sample, float] = {"addition": 11.0, "repeat": 23.0}
_LINE = 30.0
_WORDS: dict[Sample, str] = {
    "identity": "identity shortcut",
    "padded": "shortcut without weights: pooling, zero channels",
    "projection": "projection shortcut",
    "addition": "addition",
    "repeat": "n equal units in a row, drawn once",
    "stride": "the map gets smaller here",
}


@dataclass(frozen=True, slots=True)
class Legend:
    """The legend's items and where it ends, in px from the page's top."""

    items: tuple[Item, ...]
    bottom: float


def draw_legend(samples: Iterable[Sample], left: float, top: float, right: float, theme: Theme) -> Legend:
    """Return a legend of these samples, in rows between `left` and `right`; "none" has no sample."""
    items: list[Item] = []
    x, y = left, top
    for sample in samples:
        if sample == "none":
            continue
        offset = _WIDTHS.get(sample, _LINE) + _GAP
        width = offset + text_width(_WORDS[sample], SIZE)
        if x > left and x + width > right:
            x, y = left, y + _ROW
        items += _sample(sample, x, y + _ROW / 2, theme)
        words = Text(
            x=x + offset,
            y=middle(y, _ROW, SIZE),
            text=_WORDS[sample],
            size=SIZE,
            color=theme.faint,
            role="legend",
        )
        items.append(words)
        x += width + _AFTER
    return Legend(tuple(items), y + _ROW if items else top)


def _sample(sample: Sample, x: float, y: float, theme: Theme) -> Iterator[Item]:
    """Draw the sample in the room from (x, y) to the right, y being its middle."""
    match sample:
        case "identity" | "padded" | "projection":
            right = x + _LINE
            yield Path(
                start=(x, y),
                segments=(((right, y),),),
                color=theme.shortcut,
                dashed=sample == "padded",
                arrow=True,
            )
            if sample == "projection":
                yield Box(
                    x=x + 6, y=y - 5, width=13, height=10, radius=2, fill=theme.paper, stroke=theme.shortcut
                )
        case "addition":
            yield from plus(x + 5.5, y, 5, theme, "")
        case "repeat":
            yield Text(
                x=x,
                y=middle(y - 7, 14, SIZE),
                text="× n",
                size=SIZE,
                color=theme.ink,
                bold=True,
                role="legend",
            )
        case "stride":
            yield Box(x=x, y=y - 6, width=_LINE, height=12, radius=3, stroke=theme.accent, stroke_width=2.0)
