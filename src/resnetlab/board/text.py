"""The table of runs in a terminal, as CSV and as plain data."""

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

from resnetlab.base.lettering import in_a_line
from resnetlab.base.plaindata import csv_text
from resnetlab.base.units import format_seconds
from resnetlab.board.folder import Listing
from resnetlab.board.glance import Glance
from resnetlab.board.grouping import Rows
from resnetlab.show.tables.align import fitting_table

_SHOWN = ("state", "progress", "accuracy", "seed", "network", "recipe", "data", "run")
_LONGEST = 40
"""Letters of what differs from a recipe."""

_LEAST = ("data", "seed", "recipe", "network")
"""What a narrow terminal does without, first to last."""


def listing_text(listing: Listing, width: int | None = None) -> str:
    """Return the table, the means over seeds below it, and what was left out.

    Args:
        listing: The runs.
        width: Columns of the terminal, which columns of the table are left out for; None takes all of it.
    """
    rows = [_cells(glance, rows) for rows in listing.rows for glance in rows.glances]
    if not rows:
        return "\n".join(map(in_a_line, [f"No run in {listing.root}.", *listing.notes]))
    names = [name for name in _SHOWN if any(row[name] for row in rows)]
    cells = [[row[name] for name in names] for row in rows]
    lines, _ = fitting_table(names, cells, len(names), width, _LEAST)
    return "\n".join([lines, *_below(listing)])


def _below(listing: Listing) -> Iterator[str]:
    means = [each for rows in listing.rows if (each := _mean(rows))]
    reasons = [
        glance.why if str(glance.path) in glance.why else f"{glance.path}: {glance.why}"
        for glance in listing.glances
        if glance.state in ("crashed", "damaged", "interrupted")
    ]
    for title, lines in (("means over seeds", means), ("not at their end", reasons), ("note", listing.notes)):
        if lines:
            yield f"\n{title}:"
            yield from (f"  {in_a_line(line)}" for line in lines)


def _mean(rows: Rows) -> str:
    group = rows.group
    if group is None or group.mean is None or len(group.errors) < 2:
        return ""
    what = ", ".join(filter(None, (group.network, group.recipe, rows.deviations(_LONGEST), group.data)))
    return f"{100 - group.mean:.2f} ± {group.std:.2f} %  of {len(group.errors)} seeds: {what}"


def _cells(glance: Glance, rows: Rows) -> dict[str, str]:
    run, group = glance.run, rows.group
    progress = glance.progress
    if glance.seconds_left is not None:
        progress += f", {format_seconds(glance.seconds_left)} left"
    recipe = ", ".join(filter(None, (group.recipe, rows.deviations(_LONGEST)))) if group else ""
    so_far = " val" if glance.split == "val" else "" if glance.state == "finished" else " so far"
    return {
        "state": glance.state,
        "progress": progress,
        "accuracy": "" if glance.accuracy is None else f"{100 * glance.accuracy:.2f} %{so_far}",
        "seed": "" if run is None else str(run.seed),
        "network": group.network if group else "",
        "recipe": recipe,
        "data": group.data if group else "",
        "run": str(glance.path),
    }


def listing_json(listing: Listing) -> dict[str, Any]:
    """Return all of it, with all digits, as plain JSON data."""
    return {
        "folder": str(listing.root),
        "runs": [_record(glance, rows) for rows in listing.rows for glance in rows.glances],
        "notes": [*listing.notes],
    }


def listing_csv(listing: Listing) -> str:
    """Return a line for each run."""
    records = listing_json(listing)["runs"]
    names: Sequence[str] = [*records[0]] if records else ["run"]
    rows = [[_cell(record[name]) for name in names] for record in records]
    return csv_text([names, *rows])


def _cell(value: object) -> object:
    return "; ".join(map(str, value)) if isinstance(value, list) else value


def _record(glance: Glance, rows: Rows) -> dict[str, Any]:
    run, group = glance.run, rows.group
    began = glance.began
    when = None
    if began is not None and 0 < began < 1e11:
        when = datetime.datetime.fromtimestamp(began, datetime.UTC).isoformat(timespec="seconds")
    return {
        "run": str(glance.path),
        "state": glance.state,
        "why": glance.why,
        "step": run.step if run else None,
        "num_steps": run.num_steps if run else None,
        "accuracy": glance.accuracy,
        "split": glance.split or None,
        "seed": run.seed if run else None,
        "network": group.network if group else None,
        "recipe": group.recipe if group else None,
        "deviations": [*group.deviations] if group else [],
        "data": group.data if group else None,
        "began": when,
        "seconds_left": glance.seconds_left,
        "seeds": rows.id,
    }
