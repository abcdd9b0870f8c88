"""A run in the lines of a terminal: how good it is, its curve, and what differs from its recipe."""

import textwrap
from collections.abc import Iterator

from resnetlab.base.lettering import Letters, in_a_line
from resnetlab.base.paths import as_word
from resnetlab.base.units import format_count, format_seconds
from resnetlab.recipe.settings import leaf_help
from resnetlab.reporting.at_the_end import PAGE
from resnetlab.reporting.contents.verdict import run_row
from resnetlab.reporting.groups import Group, group_runs
from resnetlab.reporting.reading import RecordedRun
from resnetlab.reporting.text_chart import curve_text
from resnetlab.reporting.values import number_of
from resnetlab.show.tables.align import titled

_WIDTH = 80


def run_text(run: RecordedRun, *, columns: int | None = None, letters: Letters = "braille") -> str:
    """Return what there is to say of a run before all else.

    Args:
        run: As `reading.read_run` returns it.
        columns: Of the terminal, which the lines fit; None is 80.
        letters: What to draw the curve with.
    """
    width = (columns or _WIDTH) - 1
    (group,) = group_runs([run])
    row = run_row(group, run)
    lines = [in_a_line(f"{row['network']} on {row['data']}: {row['state']}"), ""]
    for text in (row["sentence"], *row["notes"]):
        lines += textwrap.wrap(in_a_line(text), width, break_long_words=False, break_on_hyphens=False)
    if chart := curve_text(run.rows, width=width, num_steps=run.num_steps, letters=letters):
        lines += ["", str(chart)]
    lines.append("")
    lines += [titled(f"  {title:<9} ", text, width=width) for title, text in _facts(run, group)]
    return "\n".join(lines)


def _facts(run: RecordedRun, group: Group) -> Iterator[tuple[str, str]]:
    """Yield what it is and was made with, each with its title."""
    spec, data, place = run.spec, run.data, as_word(run.path)
    yield "network", f"{group.network}: {spec.depth} layers, {format_count(spec.num_parameters)} parameters"
    fingerprint = f"{len(data['class_names']):,} classes, fingerprint {data['fingerprint'][:12]}"
    yield "data", in_a_line(f"{group.data}: {fingerprint}")
    if run.weights:
        yield "weights", in_a_line(str(run.weights.get("from") or f"those of {run.first_weights[:12]}"))
    if run.continues:
        yield "goes on", in_a_line(str(run.continues.get("text")))
    yield "length", _length(run)
    began = next((row for row in reversed(run.events) if row.get("event") == "start"), {})
    if isinstance(steps := began.get("steps"), str):
        yield "steps", in_a_line(steps)
    yield from _differences(run, group)
    yield "seed", str(run.seed)
    if (run.path / PAGE).is_file():
        yield "page", in_a_line(str(run.path / PAGE))
    if not run.is_finished:
        yield "go on", f"resnetlab resume {place}"
    yield "more", f"resnetlab show {place} --full has every value of the recipe"


def _length(run: RecordedRun) -> str:
    seconds, rate = run.result.get("train_seconds"), number_of(run.result.get("images_per_second"))
    if not run.is_finished or seconds is None:
        return run.progress
    speed = f" at {rate:,.0f} images/s" if rate else ""
    steps = f"{run.step:,} steps of {run.recipe.run.batch:,} images"
    return f"{steps}, in {format_seconds(seconds)} of updates{speed}"


def _differences(run: RecordedRun, group: Group) -> Iterator[tuple[str, str]]:
    """Yield the recipe's name, and each value that is another than in the recipe of that name."""
    yield "recipe", f"{group.recipe}{', with' if group.deviations else ''}"
    for text in group.deviations:
        name = text.partition("=")[0]
        try:
            meaning = f": {' '.join(leaf_help(run.recipe, name).split())}"
        except KeyError:  # what is no value of the recipe: the run that this one went on from
            meaning = ""
        yield "", f"{text}{meaning}"
