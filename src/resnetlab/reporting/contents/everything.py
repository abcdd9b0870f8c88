"""The whole of report.json, from the runs in their groups."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from resnetlab.auditing import audit_sentence
from resnetlab.reporting.comparing import comparisons
from resnetlab.reporting.contents.detail import detail_of
from resnetlab.reporting.contents.panels import panels_of
from resnetlab.reporting.contents.verdict import run_row
from resnetlab.reporting.groups import Group
from resnetlab.reporting.table import group_json, table_cells
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.environment import version

FORMAT, VERSION = "resnetlab report", 1


_MOST_COMPARED = 10
"""Groups of which each pair is compared: of ten there are 45 pairs."""


def contents_of(
    groups: Sequence[Group],
    title: str,
    states: Mapping[Path, str] = MappingProxyType({}),
    *,
    audits: bool = False,
) -> dict[str, Any]:
    """Return everything that a report of these runs shows, as plain JSON data.

    Args:
        groups: The runs.
        title: Of the page.
        states: Of runs of which more is known than their files tell, by their paths; see `run_row`.
        audits: Whether it is said of a lone run if its files keep what they promise, for which they are read.
    """
    runs = [(group, run) for group in groups for run in group.runs]
    header, rows, notes = table_cells(groups)
    is_lone = len(runs) == 1
    told = [run_row(group, run, states.get(run.path, "")) for group, run in runs]
    if is_lone and audits and not runs[0][1].made_by:
        _, sentence = audit_sentence(RunDirectory(runs[0][1].path))
        sentence = sentence.replace("`", "")  # a terminal's quotes
        told[0]["notes"] += [sentence] if sentence else []
    return {
        "format": FORMAT,
        "version": VERSION,
        "program": f"resnetlab {version('resnetlab') or '(not installed)'}",
        "title": title,
        "runs": told,
        "groups": [group_json(group) for group in groups],
        "table": {"header": header, "rows": rows, "notes": [[*note] for note in notes]},
        "curves": panels_of(groups),
        "comparisons": comparisons(groups) if 1 < len(groups) <= _MOST_COMPARED else [],
        "not_compared": f"{len(groups)} kinds of runs: `resnetlab compare A B` compares those that you name."
        if len(groups) > _MOST_COMPARED
        else "",
        "detail": detail_of(*runs[0]) if is_lone else None,
    }
