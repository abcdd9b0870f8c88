"""The table of a report with its notes: in columns, in Markdown, as CSV and as plain data."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resnetlab.auditing import audit_sentence
from resnetlab.base.plaindata import csv_text
from resnetlab.base.units import format_seconds
from resnetlab.reporting.groups import Group
from resnetlab.reporting.latex import latex_list, latex_table
from resnetlab.reporting.reading import RecordedRun
from resnetlab.reporting.values import first_line_of
from resnetlab.runs.directory import RunDirectory
from resnetlab.show.tables.align import fitting_table, markdown_table, markdown_text, text_width, titled


def notes(groups: Sequence[Group], marks: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what stands under the table, each a title and a text.

    `marks` are the recipes for which a mark stands in the table.
    """
    finished = [run for group in groups for run in group.finished]
    if finished:
        selected = any(run.result.get("stopped_on_test") for run in finished)
        what = "last step, single view" + ", no selection on the test set" * (not selected)
        has_std = any(group.std is not None for group in groups)
        yield ("", f"Test error: {what}{'; mean ± sample standard deviation over n seeds' * has_std}.")
    for mark, text in marks.items():
        yield (f"{mark} ", text)
    if any(group.made_by for group in groups):
        yield ("made by: ", _TIERS)
    for source, numbers in _published(groups).items():
        yield ("published: ", f"{source}: {'; '.join(numbers)}")
    for group in groups:
        for text in caveats(group):
            yield ("note: ", f"{_name(group, groups)}: {text}")
        for run in group.unfinished:
            yield ("unfinished: ", f"{run.path}, {run.progress}{_ending(run)}")


_TIERS = (
    "us, who keep these records; a reader, who sent them in, of which nothing was made again here. What is"
    " published was made by others, and says where."
)


def _published(groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return the published numbers by their source, each with the network that it is of."""
    found: dict[str, dict[str, None]] = {}
    for group in groups:
        if group.published:
            numbers = found.setdefault(group.published.source, {})
            numbers[f"{group.network} {group.published.text}"] = None
    return {source: [*numbers] for source, numbers in found.items()}


def _name(group: Group, groups: Sequence[Group]) -> str:
    """Return the shortest text that means this row of the table."""
    parts = [group.network, ", ".join((group.recipe, *group.deviations)), group.data]
    alike = [other for other in groups if other.network == group.network]
    parts += [f"by {group.made_by}"] if len({other.made_by for other in alike}) > 1 else []
    return parts[0] if len(alike) == 1 else ", ".join(parts)


def caveats(group: Group) -> Iterator[str]:
    """Yield what a reader of the row's numbers must know."""
    runs, number = group.finished, len(group.finished)
    of = f" of {number} runs" if number > 1 else ""

    def count(those: Sequence[RecordedRun]) -> str:
        return f"{len(those)}{of}" if of else "the run"

    if those := [run for run in runs if run.result.get("stopped_on_test")]:
        share = group.runs[0].recipe.run.stop_at
        yield f"{count(those)} ended when the test accuracy reached {share:g}: a selection on the test set"
    if those := [run for run in runs if run.result.get("stopped_early")]:
        yield f"{count(those)} ended as the validation accuracy rose no more"
    if those := [run for run in runs if run.result.get("weights") == "averaged weights"]:
        plain = [
            100 * (1 - run.result["plain_accuracy"]) for run in those if run.result.get("plain_accuracy")
        ]
        yield f"the errors are those of averaged weights{_beside(plain, 'the plain ones have')}"
    best = [run.result.get("best_test_accuracy") for run in runs]
    if found := [100 * (1 - accuracy) for accuracy in best if accuracy is not None]:
        yield f"of the last step; the weights best on the validation images have {_mean(found)} % test error"
    if those := [run for run in runs if run.result.get("bad_samples")]:
        yield f"{count(those)} left broken images out"
    if len(sizes := sorted({run.result["seen"] for run in runs})) > 1:
        yield f"tested on {' and '.join(f'{size:,}' for size in sizes)} images"
    if len(group.machines) > 1:
        yield f"made on {' and '.join(group.machines)}: no time of training stands for all"
    seeds = [run.seed for run in runs]
    if doubled := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
        paths = ", ".join(str(run.path) for run in runs if run.seed in doubled)
        numbers = ", ".join(map(str, doubled))
        yield f"seed {numbers} more than once, counted as one each by the mean of its runs: {paths}"
    for run in group.runs:
        if run.also_at:
            yield f"{run.path} is the same run as {', '.join(map(str, run.also_at))}, counted once"


def _beside(errors: Sequence[float], words: str) -> str:
    return f"; {words} {_mean(errors)} %" if errors else ""


def _mean(errors: Sequence[float]) -> str:
    return f"{sum(errors) / len(errors):.2f}"


def _ending(run: RecordedRun) -> str:
    """Return why the run is not at its end, if its directory says so."""
    last = run.events[-1] if run.events else {}
    if last.get("event") == "stopped":
        return f": {first_line_of(last.get('error'))}"
    return f", interrupted by {last.get('signal')}" if last.get("event") == "interrupted" else ""


_Cells = tuple[list[str], list[list[str]], dict[str, str]]
_LONGEST_CELL = 30
"""Letters of a recipe with its deviations that still stand in the table."""


def table_cells(groups: Sequence[Group]) -> tuple[list[str], list[list[str]], list[tuple[str, str]]]:
    """Return the table's header, its rows, and its notes, each a title and a text."""
    header, rows, marks = _cells(groups)
    return header, rows, [*notes(groups, marks)]


def report_text(groups: Sequence[Group], columns: int | None = None) -> str:
    """Return the table in aligned columns, with its notes.

    Args:
        groups: Its rows.
        columns: Of a terminal that it has to fit: what is other than in the recipes stands below it then, and
            what matters less is left out. None is a width that everything fits.
    """
    header, rows, marks = _with_places(groups, _cells(groups))
    text, left_out = fitting_table(header, rows, 3, columns, _LEAST)
    if left_out:
        header, rows, marks = _with_places(groups, _cells(groups, longest=0))
        text, left_out = fitting_table(header, rows, 3, columns, _LEAST)
    told = [*notes(groups, marks)]
    if _PLACES in left_out and len(groups) > 1:
        told += [(f"{_PLACES}: ", f"{_name(group, groups)}: {group.places}") for group in groups]
    lines = [titled(*note, width=text_width(columns)) for note in told]
    return "\n".join([text, "", *lines])


_PLACES = "runs"
_LEAST = ("training", "worst", "best", "published", _PLACES)
"""Columns that a narrow terminal does without, the first ones first; where the runs are stands below then."""


def _with_places(groups: Sequence[Group], cells: _Cells) -> _Cells:
    """Add the column that says which runs a row is of, where there are several rows."""
    header, rows, marks = cells
    if len(groups) < 2:
        return cells
    told = [[*row, group.places] for row, group in zip(rows, groups, strict=True)]
    return [*header, _PLACES], told, marks


_MOST_AUDITED = 20
"""Of more runs none is looked at: `resnetlab verify` does."""


def audit_lines(runs: Sequence[RecordedRun]) -> list[str]:
    """Return a line for each run that breaks a promise of its files, or one for all that break none."""
    looked_at = [run for run in runs if not run.made_by and run.is_finished]
    if len(looked_at) > _MOST_AUDITED:
        return []
    told = [(run, *audit_sentence(RunDirectory(run.path))) for run in looked_at]
    broken = [f"{run.path}: {sentence}" for run, is_sound, sentence in told if not is_sound]
    sound = [sentence for _, is_sound, sentence in told if is_sound and sentence]
    many = f"{len(sound)} runs break no promise of their files (`resnetlab verify`)."
    return broken or (sound if len(sound) < 2 else [many])


def report_markdown(groups: Sequence[Group]) -> str:
    """Return the table in GitHub's Markdown, with its notes as a list."""
    header, rows, marks = _cells(groups)
    lines = [f"- {markdown_text(title + text)}" for title, text in notes(groups, marks)]
    return "\n".join([markdown_table(header, rows, left=3), "", *lines])


def report_latex(groups: Sequence[Group]) -> str:
    """Return the table in LaTeX, by booktabs, with its notes as a list."""
    header, rows, marks = _cells(groups)
    items = [title + text for title, text in notes(groups, marks)]
    return f"{latex_table(header, rows, left=3)}\n\n{latex_list(items)}"


def _cells(groups: Sequence[Group], longest: int = _LONGEST_CELL) -> _Cells:
    """Return header, rows, and the long recipes by the mark that stands for them in the table.

    A column in which no row has anything is left out.
    """
    header = [
        *("network", "recipe", "data", "n", "test error, %", "best", "worst", "published", "training"),
        "made by",
    ]
    marks: dict[str, str] = {}
    rows = []
    for group in groups:
        recipe = ", ".join((group.recipe, *group.deviations))
        if group.deviations and len(recipe) > longest:
            text = f"{group.recipe}, but {', '.join(group.deviations)}"
            mark = next((mark for mark, known in marks.items() if known == text), f"[{len(marks) + 1}]")
            marks[mark], recipe = text, f"{group.recipe} {mark}"
        rows.append(
            [
                group.network, recipe, group.data, _count(group), _error(group),
                f"{group.best.error:.2f}" if group.best else "",
                f"{group.worst.error:.2f}" if group.worst else "",
                group.published.cell if group.published else "",
                format_seconds(group.seconds) if group.seconds is not None else "", group.made_by,
            ]
        )  # fmt: skip
    kept = [i for i, name in enumerate(header) if name in ("n", "test error, %") or any(r[i] for r in rows)]
    return [header[i] for i in kept], [[row[i] for i in kept] for row in rows], marks


def _count(group: Group) -> str:
    return str(len(group.errors)) + (f" (+{len(group.unfinished)})" if group.unfinished else "")


def _error(group: Group) -> str:
    if group.mean is None:
        return "-"
    return f"{group.mean:.2f}" + (f" ± {group.std:.2f}" if group.std is not None else "")


def group_json(group: Group) -> dict[str, Any]:
    """Return a row with all its digits, as plain JSON data."""
    published = group.published
    return {
        "network": group.network,
        "recipe": group.recipe,
        "deviations": list(group.deviations),
        "data": group.data,
        "fingerprint": group.runs[0].data["fingerprint"],
        "n": len(group.errors),
        "error_mean": group.mean,
        "error_std": group.std,
        "error_best": group.best.error if group.best else None,
        "error_worst": group.worst.error if group.worst else None,
        "seed_best": group.best.seed if group.best else None,
        "seed_worst": group.worst.seed if group.worst else None,
        "published_error": published.error if published else None,
        "published_mean": published.mean if published else None,
        "published_std": published.std if published else None,
        "published": f"{published.text}, {published.source}" if published else None,
        "train_seconds": group.seconds,
        "made_by": group.made_by,
        "notes": [*caveats(group)],
        "runs": [_run_json(run) for run in group.runs],
    }


def _run_json(run: RecordedRun) -> dict[str, Any]:
    return {
        "run": str(run.path),
        "seed": run.seed,
        "is_finished": run.is_finished,
        "step": run.step,
        "num_steps": run.num_steps,
        "error": run.error if run.is_finished else None,
        "stopped_on_test": bool(run.result.get("stopped_on_test")),
    }


def report_csv(groups: Sequence[Group]) -> str:
    """Return a line for each row of the table; errors in %, times in seconds, lists joined by semicolons."""
    rows = []
    for group in groups:
        row = group_json(group)
        runs = row.pop("runs")
        row["unfinished"] = len(group.unfinished)
        row["seeds"] = [run["seed"] for run in runs if run["is_finished"]]
        row["errors"] = [run["error"] for run in runs if run["is_finished"]]
        rows.append({k: "; ".join(map(str, v)) if isinstance(v, list) else v for k, v in row.items()})
    return csv_text([rows[0], *(row.values() for row in rows)])
