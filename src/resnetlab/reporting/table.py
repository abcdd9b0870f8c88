"""The table of a report with its notes: in columns, in Markdown, as CSV and as plain data."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from resnetlab.base.units import format_seconds
from resnetlab.reporting.groups import Group
from resnetlab.reporting.notes import caveats, notes
from resnetlab.reporting.reading import RecordedRun
from resnetlab.show.tables.align import markdown_table, table, titled

_LONGEST_CELL = 30
"""Letters of a recipe with its deviations that still stand in the table."""


def report_text(groups: Sequence[Group]) -> str:
    """Return the table in aligned columns, with its notes."""
    header, rows, marks = _cells(groups)
    return "\n".join([table(header, rows, left=3), "", *(titled(*note) for note in notes(groups, marks))])


def report_markdown(groups: Sequence[Group]) -> str:
    """Return the table in GitHub's Markdown, with its notes as a list."""
    header, rows, marks = _cells(groups)
    lines = [f"- {title}{text}" for title, text in notes(groups, marks)]
    return "\n".join([markdown_table(header, rows, left=3), "", *lines])


def _cells(groups: Sequence[Group]) -> tuple[list[str], list[list[str]], dict[str, str]]:
    """Return header, rows, and the long recipes by the mark that stands for them in the table.

    A column in which no row has anything is left out.
    """
    header = ["network", "recipe", "data", "n", "test error, %", "best", "worst", "published", "training"]
    marks: dict[str, str] = {}
    rows = []
    for group in groups:
        recipe = ", ".join((group.recipe, *group.deviations))
        if len(recipe) > _LONGEST_CELL:
            text = f"{group.recipe}, but {', '.join(group.deviations)}"
            mark = next((mark for mark, known in marks.items() if known == text), f"[{len(marks) + 1}]")
            marks[mark], recipe = text, f"{group.recipe} {mark}"
        rows.append(
            [
                group.network, recipe, group.data, _count(group), _error(group),
                f"{group.best.error:.2f}" if group.best else "",
                f"{group.worst.error:.2f}" if group.worst else "",
                group.published.cell if group.published else "",
                format_seconds(group.seconds) if group.seconds is not None else "",
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
    stream = io.StringIO()
    rows = []
    for group in groups:
        row = group_json(group)
        runs = row.pop("runs")
        row["unfinished"] = len(group.unfinished)
        row["seeds"] = [run["seed"] for run in runs if run["is_finished"]]
        row["errors"] = [run["error"] for run in runs if run["is_finished"]]
        rows.append({k: "; ".join(map(str, v)) if isinstance(v, list) else v for k, v in row.items()})
    writer = csv.DictWriter(stream, fieldnames=[*rows[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
