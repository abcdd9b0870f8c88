"""The figure of one part: its steps as in the full drawing, each in words, and what flows between them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from resnetlab.base.units import format_count
from resnetlab.errors import UsageError
from resnetlab.network.catalog import changed_texts
from resnetlab.network.layers import Layer, image_size, multiply_adds, num_parameters
from resnetlab.network.plan import Repeat, Traced
from resnetlab.network.spec import ModelSpec
from resnetlab.show.drawing.comparison.unit_words import units_words
from resnetlab.show.drawing.frame import BESIDE, GAP, Block, Flow, Frame, draw_size, leaving, make_frame
from resnetlab.show.drawing.heading import changed_text, draw_figure_heading, sentence, wrap
from resnetlab.show.drawing.labels import Layout, Part, is_flat
from resnetlab.show.drawing.legend import (
    ADDITION,
    BARE,
    MAPS,
    REPEAT,
    WEIGHTED,
    ZEROS,
    Entry,
    draw_legend,
    shortcut_entries,
)
from resnetlab.show.drawing.part.shortcut import draw_from_shortcut, frame_for
from resnetlab.show.drawing.part.strips import LONGEST, Scale, draw_strip
from resnetlab.show.drawing.part.words import ADDED, AS_IT_IS, flow_words, step_words, zeros_of
from resnetlab.show.drawing.scene import Box, Item, Path, Scene, Text, moved, scaled
from resnetlab.show.drawing.schematic.unit_block import draw_ends, draw_unit
from resnetlab.show.drawing.theme import StageColors, Theme
from resnetlab.show.drawing.typeface import printable, text_box

_LARGE = 1.3  # times the measures of the full drawing
_EDGE, _BESIDE = 22.0, 26.0
_SIZE, _LINE = 11.0, 13.0
_NOTE = 284.0  # px of a line of words
_CLAUSE_ENDS = re.compile(r"(?<=[,;:]) ")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """A part that is drawn: its block, its layers on the trunk, the shape that comes in, and what it is."""

    block: Block
    frame: Frame
    colors: StageColors
    rows: tuple[Traced, ...]
    counted: tuple[Traced, ...]
    """The layers whose numbers are the part's."""
    entry: Flow
    leaves: Flow
    title: str
    about: str
    shortcuts: tuple[tuple[Layer, ...] | None, ...] = ()
    count: int = 1


def draw_part(
    spec: ModelSpec, part: Part, theme: Theme, layout: Layout, height: int | None, width: int | None
) -> Scene:
    """Return a part of a network, drawn large.

    The unit is one that has an identity shortcut, and its like in a row, if there is one; the shortcut that
    of the first unit in which it is more than that.

    Raises:
        UsageError: If a shortcut is asked for and the network has none, or the strides do not allow the size.
    """
    high, wide = image_size(spec.input_size, height, width)
    rows = spec.plan().trace(high, wide, folded=True)
    drawn = _ends(spec, part, rows, theme, layout, (high, wide)) if part in ("stem", "head") else None
    drawn = drawn or _unit(spec, part, rows, theme, layout)
    notes = [*_notes(drawn)]
    body = (*drawn.block.items, *notes)
    left, right = _sides(body)
    name = printable(spec.name)
    heading = draw_figure_heading(f"{drawn.title} of {name}", _facts(spec, drawn, (high, wide)), theme, right)
    legend = draw_legend([*_entries(drawn)], theme, right)
    top = _EDGE + heading.height + 20
    items = (
        *moved(heading.items, _EDGE, _EDGE),
        *moved(body, _EDGE - left, top),
        *moved(legend.items, _EDGE, top + drawn.block.height + 18),
    )
    return Scene(
        width=ceil(_LARGE * (right + 2 * _EDGE)),
        height=ceil(_LARGE * (top + drawn.block.height + 18 + legend.height + _EDGE - 6)),
        background=theme.background,
        title=f"{name}: {drawn.title.lower()}",
        description=_described(drawn),
        items=scaled(items, _LARGE),
    )


def _sides(items: Sequence[Item]) -> tuple[float, float]:
    """Return where the boxes and texts begin, and how wide they are together."""
    boxes = [
        text_box(item) if isinstance(item, Text) else (item.x, 0.0, item.x + item.width, 0.0)
        for item in items
        if not isinstance(item, Path)
    ]
    left = min(box[0] for box in boxes)
    return left, max(box[2] for box in boxes) - left


def _ends(
    spec: ModelSpec, part: Part, rows: Sequence[Traced], theme: Theme, layout: Layout, size: tuple[int, int]
) -> _Drawn:
    place = "stem" if part == "stem" else "tail"
    own = tuple(row for row in rows if row.place == place)
    frame, grey = make_frame(own, theme, layout, has_shortcuts=False), theme.neutral
    if part == "stem":
        entry = Flow(shape=(spec.in_channels, *size), about="image")
        block = _led_out(draw_ends(own, entry, grey, frame, first="image"), leaving(own[-1]), frame)
    else:
        before = [row for row in rows if row.place not in ("tail", "shortcut")][-1]
        entry = Flow(shape=before.output, about=before.path)
        block = draw_ends(own, entry, grey, frame, last="logits")
    title = "The stem" if part == "stem" else "The head"
    return _Drawn(
        block=block, frame=frame, colors=grey, rows=own, counted=own, entry=entry,
        leaves=leaving(own[-1]), title=title, about="",
    )  # fmt: skip


def _unit(spec: ModelSpec, part: Part, rows: Sequence[Traced], theme: Theme, layout: Layout) -> _Drawn:
    stage, repeat = _chosen(spec, part)
    unit, colors = repeat.unit, theme.stage(stage)
    own = tuple(row for row in rows if row.unit == unit.name)
    is_plain = unit.shortcut is None
    frame = make_frame(own, theme, layout, has_shortcuts=not is_plain)
    entry = Flow(shape=own[0].input, about=f"{unit.name} input")
    out = next(row.output for row in reversed(own) if row.place != "shortcut")
    leaves = Flow(shape=out, about=unit.name)
    where = units_words(stage + 1, repeat)
    if part == "shortcut":
        frame = frame_for(frame, unit, own)
        block = draw_from_shortcut(unit, own, entry, colors, frame)
        trunk = tuple(row for row in own if row.place != "branch" and _is_on_trunk(row, unit.shortcut_from))
        counted = tuple(row for row in own if row.place == "shortcut")
        title, count = "The shortcut", 1
    else:
        block = draw_unit(
            own, where.partition(", ")[2].partition(" (")[0], entry, colors, frame, is_plain=is_plain,
            is_from_preact=unit.shortcut_from == "preact",
        )  # fmt: skip
        trunk, counted = tuple(row for row in own if row.place != "shortcut"), own
        title, count = "A plain unit" if is_plain else "A residual unit", repeat.count
    return _Drawn(
        block=_led_out(block, leaves, frame), frame=frame, colors=colors, rows=trunk, counted=counted,
        entry=entry, leaves=leaves, title=title, about=where, shortcuts=(unit.shortcut,), count=count,
    )  # fmt: skip


def _is_on_trunk(row: Traced, source: str) -> bool:
    return row.place != "before" or source == "preact"


def _chosen(spec: ModelSpec, part: Part) -> tuple[int, Repeat]:
    """Return the unit that stands for its like, and its stage's index."""
    repeats = [(stage, each) for stage, those in enumerate(spec.plan().stages) for each in those]
    if part == "unit":
        identities = [pair for pair in repeats if pair[1].unit.shortcut == ()]
        several = [pair for pair in identities if pair[1].count > 1]
        return (several or identities or repeats)[0]
    if spec.shortcut == "none":
        raise UsageError(
            f"{spec.name} has no shortcuts to draw", hint="--part unit draws one of its plain units."
        )
    return next((pair for pair in repeats if pair[1].unit.shortcut), repeats[0])


def _led_out(block: Block, leaves: Flow, frame: Frame) -> Block:
    """Return the block with the trunk led out of it, the size that leaves beside it."""
    y, x = block.height, frame.trunk
    line = Path(start=(x, y), segments=(((x, y + GAP),),), color=frame.theme.line, arrow=True)
    return Block(
        height=y + GAP, items=(*block.items, line, draw_size(leaves, x + BESIDE, y + GAP / 2 + 3, frame))
    )


def _notes(drawn: _Drawn) -> Iterator[Text | Box]:
    """Give what stands at the right: beside each step what it does, beside each size what flows."""
    frame, x = drawn.frame, drawn.frame.width + _BESIDE
    by_path = {row.path: row for row in drawn.rows}
    flows = {row.path: leaving(row) for row in drawn.rows} | {drawn.entry.about: drawn.entry}
    scale = Scale.of([flow.shape for flow in (*flows.values(), drawn.leaves)])
    for item in drawn.block.items:
        if isinstance(item, Text) and item.role == "shape" and item.x == frame.trunk + BESIDE:
            flow = flows.get(item.about, drawn.leaves)
            row = by_path.get(item.about)
            yield from _strip(flow, row, x, item.y - 3, scale, drawn)
        elif isinstance(item, Text) and item.text == "identity" and item.x > frame.trunk:
            yield _text(AS_IT_IS, x, item.y, drawn)
        elif isinstance(item, Box) and item.about in by_path:
            yield from _lines(step_words(by_path[item.about]), x, item.y + item.height / 2, drawn)
        elif isinstance(item, Box) and item.tip.endswith("the branch plus the shortcut"):
            yield from _lines(ADDED, x, item.y + item.height / 2, drawn)


def _strip(
    flow: Flow, row: Traced | None, x: float, middle: float, scale: Scale, drawn: _Drawn
) -> Iterator[Text | Box]:
    theme = drawn.frame.theme
    zeros = zeros_of(row.layer if row else None)
    yield from draw_strip(flow.shape, zeros, x, middle, scale, drawn.colors, theme, "what flows")
    words = flow_words(flow.shape, flat=flow.flat)
    yield Text(x=x + LONGEST + 12, y=middle + 4, text=words, size=_SIZE, color=theme.faint, role="shape")


def _lines(words: str, x: float, middle: float, drawn: _Drawn) -> Iterator[Text]:
    lines = wrap(tuple(_CLAUSE_ENDS.split(words)), _SIZE, _NOTE, between=" ")
    first = middle - (len(lines) - 1) * _LINE / 2 + 4
    for index, line in enumerate(lines):
        yield _text(line, x, first + index * _LINE, drawn)


def _text(words: str, x: float, y: float, drawn: _Drawn) -> Text:
    return Text(x=x, y=y, text=words, size=_SIZE, color=drawn.frame.theme.ink)


def _facts(spec: ModelSpec, drawn: _Drawn, size: tuple[int, int]) -> str:
    parameters = sum(num_parameters(row.layer) for row in drawn.counted)
    products = sum(multiply_adds(row.layer, row.output) for row in drawn.counted)
    counts = f"{parameters:,} parameters" if parameters else "no parameters"
    counts += f", {format_count(products)} multiply-adds" if products else ""
    where = sentence(f"{drawn.about}.") if drawn.about else ""
    each = " each" if drawn.count > 1 else ""
    text = f"{counts}{each}, for images of {size[0]}×{size[1]} pixels."
    changed = changed_text(changed_texts(spec)) if changed_texts(spec) else ""
    return " ".join(filter(None, (where, sentence(text), changed and sentence(f"{changed}."))))


def _entries(drawn: _Drawn) -> Iterator[Entry]:
    yield from (WEIGHTED, BARE, *shortcut_entries(drawn.shortcuts))
    if any(shortcut is not None for shortcut in drawn.shortcuts):
        yield ADDITION
    if drawn.count > 1:
        yield REPEAT
    yield ZEROS if any(any(zeros_of(row.layer)) for row in drawn.rows) else MAPS


def _described(drawn: _Drawn) -> str:
    """Return the part in words, for who cannot see the picture."""
    steps = (
        f"{row.path}: {step_words(row)}; {flow_words(row.output, flat=is_flat(row.layer))}."
        for row in drawn.rows
    )
    return f"{flow_words(drawn.entry.shape, flat=False)} come in. {' '.join(steps)}"
