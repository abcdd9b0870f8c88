"""The runs of a study that nobody has begun yet: study.json names them before the first one is made."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resnetlab.base.paths import is_plain_name
from resnetlab.board.glance import Glance, refuse_links_out
from resnetlab.errors import DataError, ResnetlabError
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe.settings import recipe_from_json
from resnetlab.reporting.groups import key_of
from resnetlab.reporting.reading import RecordedRun, data_problems
from resnetlab.runs.directory import RunDirectory

_RECORD = "study"
_WHY = "planned in a study, and not begun yet"


class Study:
    """A folder with a study.json.

    Args:
        path: The folder, as the user named it.
        name: Its place below the folder that is looked at; "" if it is that.
        root: What nothing may lead out of.
    """

    def __init__(self, path: Path, name: str, root: Path) -> None:
        self._path, self._name, self._root = path, name, root
        self._changed = 0
        self._planned: dict[str, Glance] = {}
        self.problem = ""
        """What is wrong with study.json."""
        self._read_if_changed()

    def waiting(self, begun: Mapping[str, Glance]) -> dict[str, Glance]:
        """Return the runs that are not among those that are begun, by name."""
        self._read_if_changed()
        return {name: glance for name, glance in self._planned.items() if name not in begun}

    def _read_if_changed(self) -> None:
        try:
            changed = os.stat(self._path / f"{_RECORD}.json").st_mtime_ns
        except OSError:
            changed = 0
        if changed == self._changed:
            return
        self._changed, self.problem = changed, ""
        try:
            self._planned = {name: glance for name, glance in map(self._glance, self._rows()) if name}
        except ResnetlabError as error:
            self._planned, self.problem = {}, f"{str(error.args[0]).splitlines()[0]}."

    def _rows(self) -> list[Mapping[str, Any]]:
        refuse_links_out(self._path, [f"{_RECORD}.json"], self._root)
        rows = RunDirectory(self._path).read(_RECORD).get("runs")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise DataError(f"{self._path / _RECORD}.json is damaged: it holds no list of runs")
        if strange := [row.get("name") for row in rows if not is_plain_name(row.get("name"))]:
            raise DataError(f"{self._path / _RECORD}.json is damaged: {strange[0]!r} is no name of a run")
        return rows

    def _glance(self, row: Mapping[str, Any]) -> tuple[str, Glance]:
        where = f"{self._path / _RECORD}.json, {row['name']}"
        spec, recipe, data = (row.get(part) for part in ("spec", "recipe", "data"))
        if not (isinstance(spec, dict) and isinstance(recipe, dict) and isinstance(data, dict)):
            raise DataError(f"{where}: no spec, recipe or data")
        run = RecordedRun(
            path=self._path / row["name"], spec=ModelSpec.from_json(spec), recipe=recipe_from_json(recipe),
            data=data, weights={}, continues={}, rows=(), events=(), result={},
        )  # fmt: skip
        if wrong := [*data_problems(data, run.spec)]:
            raise DataError(f"{where}{wrong[0]}")
        name = f"{self._name}/{row['name']}" if self._name else str(row["name"])
        glance = Glance(path=run.path, name=name, state="waiting", run=run, why=_WHY, key=key_of(run))
        return name, glance
