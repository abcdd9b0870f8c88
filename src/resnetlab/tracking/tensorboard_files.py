"""TensorBoard: asked for by name, it gets pictures; all else is in RUN/tensorboard anyway."""

from collections.abc import Mapping
from typing import Any

from resnetlab.base.paths import as_word
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.tensorboard import EventFile
from resnetlab.tracking.tracker import Subject


class TensorBoardTracker:
    """Adds pictures to the run's own event files."""

    _file: EventFile | None = None

    def begin(self, subject: Subject, known: Mapping[str, Any]) -> dict[str, Any]:
        """Remember where the event files are."""
        self._directory = RunDirectory(subject.path).tensorboard
        return {}

    @property
    def place(self) -> str:
        """The command that shows it."""
        return f"tensorboard --logdir {as_word(self._directory)}"

    @property
    def last_step(self) -> int:
        """It is told no numbers."""
        return -1

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Leave the numbers to the run."""

    def picture(self, name: str, png: bytes, step: int) -> None:
        """Add a picture, in a file of its own behind those of the run."""
        self._file = self._file or EventFile(self._directory, step=step)
        self._file.add_picture(step, name, png)

    def end(self, summary: Mapping[str, float], *, is_whole: bool) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
