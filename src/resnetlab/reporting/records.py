"""Runs as a report reads them: what they are, how they ended, their rows."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from resnetlab.errors import UsageError
from resnetlab.recipe import Recipe
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.journal import read_rows
from resnetlab.settings import recipe_from_json
from resnetlab.spec import ModelSpec

_RECORD = "recipe.json"


@dataclass(frozen=True)
class RunRecord:
    """A run's directory, read."""

    path: Path
    spec: ModelSpec
    recipe: Recipe
    data: Mapping[str, Any]
    result: Mapping[str, Any] | None
    """What RESULT.json holds; None while the run is unfinished."""

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl."""
        return read_rows(self.path / "metrics.jsonl")

    @property
    def scored(self) -> list[dict[str, Any]]:
        """The rows of evaluations."""
        return [row for row in self.rows if row["kind"] != "train"]

    @property
    def last_step(self) -> int:
        """The step of the last row, 0 if there is none."""
        return int(self.rows[-1]["step"]) if self.rows else 0

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.recipe.run.seed


def find_runs(paths: Iterable[str | Path]) -> list[RunRecord]:
    """Return the runs at or below the paths, each once, in the order of the paths and then of their names.

    A run is not searched inside.

    Raises:
        UsageError: If a path is missing, or no run is at or below it; all such paths are named.
        DataError: If a run's files are damaged.
    """
    found: dict[Path, None] = {}
    problems = []
    for path in map(Path, paths):
        below = [Path(folder) for folder in _search(path)]
        if not below:
            problems.append(
                f"no run at or below {path}" + ("" if path.exists() else ": there is no such path")
            )
        found |= dict.fromkeys(each.resolve() for each in below)
    if problems:
        raise UsageError(
            "; ".join(problems), hint="Name the directory of a run, or a folder that holds runs, e.g. runs."
        )
    return [_read(path) for path in found]


def _search(path: Path) -> list[str]:
    runs = []
    for folder, inside, names in os.walk(path):
        if _RECORD in names:
            runs.append(folder)
            inside.clear()
        inside.sort()
    return runs


def _read(path: Path) -> RunRecord:
    run = RunDirectory(path)
    return RunRecord(
        path=path,
        spec=ModelSpec.from_json(run.read("spec")),
        recipe=recipe_from_json(run.read("recipe")),
        data=run.read("data"),
        result=run.read("RESULT") if run.is_finished else None,
    )
