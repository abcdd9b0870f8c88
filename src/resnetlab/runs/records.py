"""What a run's JSON files say, read at once: a value that does not need the directory. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnetlab.errors import DataError
from resnetlab.runs.directory import CONTINUES, RunDirectory

_NAMES = ("spec", "recipe", "data", "environment", "weights", CONTINUES, "RESULT")


@dataclass(frozen=True)
class RunRecords:
    """What is trained in a run's directory, and how it ended if it has."""

    path: Path

    contents: Mapping[str, dict[str, Any]]
    """Of NAME.json, for those that are there."""

    has_checkpoints: bool = False

    def read(self, name: str) -> dict[str, Any]:
        """Return the content of NAME.json.

        Raises:
            DataError: If the run has no such file.
        """
        if name not in self.contents:
            raise DataError(f"{self.path} is not a whole run: no {name}.json")
        return self.contents[name]

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return "RESULT" in self.contents

    @property
    def begins_trained(self) -> bool:
        """Whether it began with weights of another training."""
        return "weights" in self.contents

    @property
    def continues(self) -> bool:
        """Whether it goes on from another run."""
        return CONTINUES in self.contents

    @property
    def optimizer_of(self) -> str:
        """The package that its optimizer came from, if that is known and not ours."""
        return str(self.contents.get("environment", {}).get("optimizer_of", ""))


def read_records(run: RunDirectory) -> RunRecords:
    """Return what the files of a run say.

    Raises:
        DataError: If one of them is damaged.
    """
    contents = {name: run.read(name) for name in _NAMES if (run.path / f"{name}.json").exists()}
    return RunRecords(run.path, contents, run.checkpoints.is_dir() and any(run.checkpoints.iterdir()))
