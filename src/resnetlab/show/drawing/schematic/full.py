"""The full schematic: every operation of a network, its repeats folded, on one page; or all of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial

from resnetlab.base.units import format_count
from resnetlab.network.catalog import changed_texts
from resnetlab.network.layers import Conv, Pool, Shape, multiply_adds, num_parameters
from resnetlab.network.plan import Plan, Repeat, Traced
from resnetlab.network.spec import ModelSpec
from resnetlab.show.drawing.comparison.unit_words import shortcut_words
from resnetlab.show.drawing.frame import Block, Flow, Frame, make_frame
from resnetlab.show.drawing.heading import changed_text, draw_heading, facts, sentence
from resnetlab.show.drawing.labels import Layout, name_text, stride_text
from resnetlab.show.drawing.legend import (
    ADDITION,
    BARE,
    REPEAT,
    WEIGHTED,
    Entry,
    draw_legend,
    shortcut_entries,
)
from resnetlab.show.drawing.scene import Scene
from resnetlab.show.drawing.schematic.pages import Sheet, one_page, several_pages
from resnetlab.show.drawing.schematic.panels import Section
from resnetlab.show.drawing.schematic.unit_block import draw_ends, draw_unit
from resnetlab.show.drawing.theme import StageColors, Theme
from resnetlab.show.drawing.typeface import printable


def draw_schematic(
    spec: ModelSpec, theme: Theme, layout: Layout, *, height: int, width: int, unfold: bool = False,
    columns: int | None = None,
) -> tuple[Scene, ...]:  # fmt: skip
    """Return the network's drawing: one page with its repeats folded, or every unit on many.

    Args:
        spec: The network.
        theme: The colours.
        layout: The order of a map's axes.
        height: Of the image, in px.
        width: Of the image, in px.
        unfold: Draw every unit, on pages of A4's proportions.
        columns: How many stand side by side; None takes what makes a comfortable page.

    Raises:
        UsageError: If the strides do not allow the size.
    """
    plan = _unfolded(spec.plan()) if unfold else spec.plan()
    rows = plan.trace(height, width, folded=True)
    has_shortcuts = any(repeat.unit.shortcut is not None for repeat in _repeats(plan))
    frame = make_frame(rows, theme, layout, has_shortcuts=has_shortcuts)
    sections = tuple(_sections(plan, rows, frame, (spec.in_channels, height, width)))
    name = printable(spec.name)
    sheet = Sheet(
        name=name,
        title=f"{name}: schematic",
        description=" ".join(_introduction(spec, height, width, layout)),
        heading=cache(partial(draw_heading, spec, height, width, theme, layout)),
        legend=cache(partial(draw_legend, tuple(_legend(plan)), theme)),
    )
    if unfold:
        return several_pages(sections, frame, sheet, columns)
    return (one_page(sections, frame, sheet, columns),)


def _introduction(spec: ModelSpec, height: int, width: int, layout: Layout) -> Iterator[str]:
    yield f"{printable(spec.name)} ({printable(spec.source)})."
    if changed := changed_texts(spec):
        yield sentence(f"{changed_text(changed)}.")
    yield f"{'; '.join(facts(spec, height, width, layout))}."


def _repeats(plan: Plan) -> Iterator[Repeat]:
    return (repeat for stage in plan.stages for repeat in stage)


def _unfolded(plan: Plan) -> Plan:
    """Return the plan with every unit on its own."""
    stages = tuple(
        tuple(Repeat(unit, 1) for repeat in stage for unit in repeat.units) for stage in plan.stages
    )
    return replace(plan, stages=stages)


def _legend(plan: Plan) -> Iterator[Entry]:
    yield from (WEIGHTED, BARE)
    shortcuts = [repeat.unit.shortcut for repeat in _repeats(plan)]
    yield from shortcut_entries(shortcuts)
    if any(shortcut is not None for shortcut in shortcuts):
        yield ADDITION
    if any(repeat.count > 1 for repeat in _repeats(plan)):
        yield REPEAT


def _sections(plan: Plan, rows: Sequence[Traced], frame: Frame, image: Shape) -> Iterator[Section]:
    """Give stem, stages and head as sections with their blocks."""
    stem, tail = ([row for row in rows if row.place == place] for place in ("stem", "tail"))
    grey = frame.theme.neutral
    entry = Flow(shape=image, about="image")
    ends = draw_ends(stem, entry, grey, frame, first="image")
    yield Section("Stem", (_counts(stem),), grey, (ends,), (_layers_text(stem),))
    flow = Flow(shape=stem[-1].output, about=stem[-1].path)
    by_unit: dict[str, list[Traced]] = {}
    for row in rows:
        by_unit.setdefault(row.unit, []).append(row)
    for index, stage in enumerate(plan.stages):
        blocks: list[Block] = []
        colors = frame.theme.stage(index)
        of_stage: list[Traced] = []
        words: list[str] = []
        number = 1
        for repeat in stage:
            mine = by_unit[repeat.unit.name]
            label = _label(repeat, number)
            blocks.append(_unit_block(repeat, label, mine, flow, colors, frame))
            words.append(f"{label}: {_layers_text(mine)}; {shortcut_words(repeat.unit)}")
            flow = _leaving(repeat, mine)
            number += repeat.count
            of_stage += mine
        said = _size(flow, number - 1), _counts(of_stage)
        yield Section(f"Stage {index + 1}", said, colors, tuple(blocks), tuple(words))
    ends = draw_ends(tail, flow, grey, frame, last="logits")
    yield Section("Head", (_counts(tail),), grey, (ends,), (_layers_text(tail),))


def _layers_text(rows: Sequence[Traced]) -> str:
    """Return the layers beside the shortcut in words: "conv 3×3 stride 2, BN (beta, gamma), ReLU"."""
    layers = [row.layer for row in rows if row.place != "shortcut"]
    strides = [f" {stride_text(x)}" if isinstance(x, Conv | Pool) and x.stride > 1 else "" for x in layers]
    return ", ".join(name_text(layer) + stride for layer, stride in zip(layers, strides, strict=True))


def _label(repeat: Repeat, number: int) -> str:
    """Return "unit 1" or "units 2-9"."""
    return f"unit {number}" if repeat.count == 1 else f"units {number}-{number + repeat.count - 1}"


def _unit_block(
    repeat: Repeat, label: str, rows: Sequence[Traced], entry: Flow, colors: StageColors, frame: Frame
) -> Block:
    return draw_unit(
        rows,
        label,
        entry,
        colors,
        frame,
        is_plain=repeat.unit.shortcut is None,
        is_from_preact=repeat.unit.shortcut_from == "preact",
    )


def _leaving(repeat: Repeat, rows: Sequence[Traced]) -> Flow:
    """Return what leaves a unit: its last operation's result, or the sum."""
    trunk = [row for row in rows if row.place != "shortcut"]
    is_sum = repeat.unit.shortcut is not None and not repeat.unit.after
    about = repeat.unit.name if is_sum else trunk[-1].path
    return Flow(shape=trunk[-1].output, about=about)


def _size(flow: Flow, units: int) -> tuple[str, ...]:
    channels, height, width = flow.shape
    count = "1 unit" if units == 1 else f"{units} units"
    return f"{count}", f"maps {height}×{width}", f"{channels} channels"


def _counts(rows: Sequence[Traced]) -> tuple[str, ...]:
    parameters = sum(row.count * num_parameters(row.layer) for row in rows)
    products = sum(row.count * multiply_adds(row.layer, row.output) for row in rows)
    return f"{format_count(parameters)} parameters", f"{format_count(products)} multiply-adds"
