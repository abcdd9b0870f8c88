"""The table of a set of runs: one row for runs that differ in nothing but the seed."""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnetlab.reporting.groups import Group, group_runs
from resnetlab.reporting.published import source_of
from resnetlab.reporting.records import find_runs
from resnetlab.tables.align import markdown_table, table
from resnetlab.units import format_seconds

_HEADER = ("network", "recipe", "data", "n", "test error, %", "best", "worst", "published", "training")
_LEFT = 3
_CSV = (
    "network", "recipe", "data", "n", "unfinished", "mean_error", "std_error", "best_error",
    "worst_error", "published_error", "train_seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """What a set of runs shows. Printed it is the table with its notes."""

    groups: tuple[Group, ...]

    def __str__(self) -> str:
        return "\n".join((table(_HEADER, self._cells(), left=_LEFT), "", *self.notes()))

    def markdown(self) -> str:
        """Return the table and its notes in GitHub's Markdown."""
        return "\n\n".join((markdown_table(_HEADER, self._cells(), left=_LEFT), *self.notes()))

    def csv(self) -> str:
        """Return the table's numbers as CSV, errors in %, times in seconds."""
        stream = io.StringIO()
        writer = csv.DictWriter(stream, _CSV, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.to_json())
        return stream.getvalue()

    def to_json(self) -> list[dict[str, Any]]:
        """Return a row for each group as plain JSON data; errors in %."""
        return [
            {
                "network": group.network_text,
                "recipe": group.recipe_text,
                "data": group.runs[0].data["name"],
                "n": len(group.errors),
                "unfinished": len(group.unfinished),
                "mean_error": group.mean,
                "std_error": group.std,
                "best_error": min(group.errors, default=None),
                "worst_error": max(group.errors, default=None),
                "published_error": group.published,
                "train_seconds": group.seconds,
                "errors": {
                    str(run.path): error for run, error in zip(group.finished, group.errors, strict=True)
                },
            }
            for group in self.groups
        ]

    def notes(self) -> list[str]:
        """Return what must be known of the numbers, a line each."""
        found = ["Test error of the last step, single view, mean ± sample standard deviation over n seeds."]
        if any(group.is_selected_on_test for group in self.groups):
            names = sorted({group.spec.name for group in self.groups if group.is_selected_on_test})
            found.append(f"Selected on the test set, because its accuracy ended runs: {', '.join(names)}.")
        sources = {source_of(group.spec, str(group.runs[0].data["name"])) for group in self.groups} - {""}
        if sources:
            found.append(f"Published: {'; '.join(sorted(sources))}.")
        found += [
            f"Unfinished, not counted: {run.path.name}, after step {run.last_step:,}."
            for group in self.groups
            for run in group.unfinished
        ]
        return found

    def _cells(self) -> list[tuple[str, ...]]:
        return [_cells(group) for group in self.groups]


def report(paths: Iterable[str | Path] | str | Path) -> Report:
    """Return what the runs at or below these paths show.

    Args:
        paths: Directories of runs, or folders that hold runs; or one of them.

    Raises:
        UsageError: If there is no run at or below a path.
        DataError: If a run's files are damaged.
    """
    given = [paths] if isinstance(paths, str | Path) else paths
    return Report(tuple(sorted(group_runs(find_runs(given)), key=_place)))


def _place(group: Group) -> tuple[str, int, str, str]:
    """Order by family (the name without its depth), depth, network and recipe."""
    family = re.sub(r"\d+", "", group.spec.name)
    return family, group.spec.depth, group.network_text, group.recipe_text


def _cells(group: Group) -> tuple[str, ...]:
    count = str(len(group.errors)) + (f" (+{len(group.unfinished)})" if group.unfinished else "")
    many = len(group.errors) > 1
    return (
        group.network_text,
        group.recipe_text,
        str(group.runs[0].data["name"]),
        count,
        "-" if group.mean is None else f"{group.mean:.2f}" + (f" ± {group.std:.2f}" if many else ""),
        f"{min(group.errors):.2f}" if many else "",
        f"{max(group.errors):.2f}" if many else "",
        group.published,
        "" if group.seconds is None else format_seconds(group.seconds),
    )
