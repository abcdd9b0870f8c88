"""The legend under every drawing: samples of what occurs in it, with words."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from resnetlab.network.layers import Dropout, Gate, Layer, Pool, Scale
from resnetlab.show.drawing.figure_parts import ShortcutKind, middle, plus, shortcut_kind
from resnetlab.show.drawing.frame import Block
from resnetlab.show.drawing.heading import broken
from resnetlab.show.drawing.labels import GATE, name_text
from resnetlab.show.drawing.scene import Box, Item, Path, Text
from resnetlab.show.drawing.theme import Theme
from resnetlab.show.drawing.typeface import text_width

Sample = ShortcutKind | Literal["weighted", "bare", "addition", "repeat", "stride", "maps", "zeros"]

_SIZE = 11.0
_ROW, _GAP, _AFTER = 20.0, 8.0, 22.0
_LINE = 30.0
_WIDTHS: dict[Sample, float] = {"addition": 11.0, "repeat": 33.0, "weighted": 24.0, "bare": 24.0}
_ZEROS = "zero channels"


@dataclass(frozen=True, slots=True)
class Entry:
    """One sample and what it means."""

    sample: Sample
    words: str


WEIGHTED = Entry("weighted", "convolution, W=[height, width, in, out], or dense")
BARE = Entry("bare", "all other operations")
ADDITION = Entry("addition", "addition")
REPEAT = Entry("repeat", "n equal units in a row, drawn once")
STRIDE = Entry("stride", "the map gets smaller here")
MAPS = Entry("maps", "what flows: as long as there are channels, as high as a map")
ZEROS = Entry("zeros", f"{MAPS.words}; hollow: zeros")


def shortcut_entries(shortcuts: Iterable[Sequence[Layer] | None]) -> Iterator[Entry]:
    """Give the kinds of shortcuts among these; None stands for a unit that has none."""
    shortcuts = [*shortcuts]
    steps: dict[ShortcutKind, dict[str, None]] = {}
    for shortcut in shortcuts:
        found = steps.setdefault(shortcut_kind(shortcut), {})
        found.update((_step(layer), None) for layer in shortcut or ())
    if "identity" in steps:
        yield Entry("identity", "identity shortcut")
    if "padded" in steps:
        words = ", ".join(sorted(steps["padded"], key=_ZEROS.__eq__))
        yield Entry("padded", f"shortcut without weights: {words}")
    if "projection" in steps:
        yield Entry("projection", "projection shortcut")
    gates = [layer for shortcut in shortcuts for layer in shortcut or () if isinstance(layer, Gate)]
    if gates:
        branch = ", branch F × g" if any(gate.is_exclusive for gate in gates) else ""
        yield Entry("gated", f"shortcut × (1 - g){branch}; {GATE} of what the shortcut reads")


def _step(layer: Layer) -> str:
    if isinstance(layer, Pool):
        return "subsampling" if layer.kind == "subsample" else f"{layer.kind} pooling"
    return name_text(layer) if isinstance(layer, Scale | Dropout) else _ZEROS


def draw_legend(entries: Iterable[Entry], theme: Theme, page: float) -> Block:
    """Return the legend in rows of at most `page` px."""
    items: list[Item] = []
    x, y = 0.0, 0.0
    for entry in entries:
        offset = _WIDTHS.get(entry.sample, _LINE) + _GAP
        width = offset + text_width(entry.words, _SIZE)
        if x and x + width > page:
            x, y = 0.0, y + _ROW
        items += _sample(entry.sample, x, y + _ROW / 2, theme)
        for index, line in enumerate(broken(entry.words, _SIZE, page - offset)):
            y += (_ROW - 4) * (index > 0)
            baseline = middle(y, _ROW, _SIZE)
            items.append(
                Text(x=x + offset, y=baseline, text=line, size=_SIZE, color=theme.faint, role="legend")
            )
        x += width + _AFTER
    return Block(height=y + _ROW if items else 0.0, items=tuple(items))


def _sample(sample: Sample, x: float, y: float, theme: Theme) -> Iterator[Item]:
    """Draw the sample in the room from (x, y) to the right, y being its middle."""
    match sample:
        case "weighted" | "bare":
            fill, stroke = theme.neutral.fill if sample == "weighted" else theme.paper, theme.neutral.stroke
            yield Box(x=x + 0.5, y=y - 7, width=23, height=14, radius=4, fill=fill, stroke=stroke)
        case "identity" | "padded" | "projection" | "gated":
            color, end = theme.shortcut, ((x + _LINE, y),)
            yield Path(start=(x, y), segments=(end,), color=color, dashed=sample == "padded", arrow=True)
            if sample in ("projection", "gated"):
                radius = 2 if sample == "projection" else 5
                yield Box(
                    x=x + 6, y=y - 5, width=13, height=10, radius=radius, fill=theme.paper, stroke=color
                )
        case "addition":
            yield from plus(x + 5.5, y, 5, theme, "")
        case "repeat":
            corners = ((x, y - 7), (x + 5, y - 7), (x + 5, y + 7), (x, y + 7))
            segments = tuple((corner,) for corner in corners[1:])
            yield Path(start=corners[0], segments=segments, color=theme.ink)
            baseline = middle(y - 7, 14, _SIZE)
            yield Text(
                x=x + 10, y=baseline, text="× n", size=_SIZE, color=theme.ink, bold=True, role="legend"
            )
        case "maps" | "zeros":
            for index in range(6):
                is_hollow = sample == "zeros" and index in (0, 5)
                fill, stroke = theme.paper if is_hollow else theme.neutral.stroke, theme.neutral.stroke
                yield Box(
                    x=x + 5 * index, y=y - 6, width=3.4, height=12, fill=fill, stroke=stroke, stroke_width=0.6
                )
        case "stride":
            yield Box(
                x=x + 1, y=y - 6, width=_LINE - 2, height=12, radius=3, stroke=theme.accent, stroke_width=2.0
            )
