"""A study that shows itself in a notebook: a line for each run, and the curves of all."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnetlab.base.pages import cell
from resnetlab.errors import ResnetlabError
from resnetlab.runs.journal import KINDS
from resnetlab.training.observer import Observer
from resnetlab.training.run import Result
from resnetlab.training.studies.observer import StudyObserver
from resnetlab.watching.notebook.chart import CHART_SHARE, error_chart
from resnetlab.watching.notebook.output import Cell

_PAUSE = 0.5
_CHART_PAUSE = 5.0
_MOST_NOTES = 6


@dataclass
class _Line:
    """What is shown of a run."""

    num_steps: int
    step: int = 0
    told: str = "waits"


class StudyCell(StudyObserver):
    """Shows the runs of a study in two parts of a cell; its runs may tell it of themselves from threads.

    Args:
        new_cell: Makes a part of the cell.
    """

    def __init__(self, new_cell: Callable[[], Cell]) -> None:
        self._above, self._below = new_cell(), new_cell()
        self._lines: dict[str, _Line] = {}
        self._notes: list[str] = []
        self._paths: dict[str, Path] = {}
        self._looked = self._drawn = self._cost = 0.0
        self._lock = threading.Lock()

    def begin(self, lengths: Mapping[str, int], *, at_once: int) -> None:
        """Show what is to be made."""
        with self._lock:
            self._lines |= {name: _Line(num_steps) for name, num_steps in lengths.items()}
        self._show()

    def of(self, name: str) -> Observer:
        """Return who passes on how far a run is."""
        return _OneRun(self, name)

    def ended(self, name: str, result: Result) -> None:
        """Show how good the run is."""
        self._paths[name] = Path(result.run)
        told = f"{100 * result.accuracy:.2f} % of {result.seen:,} test images right"
        self.tell(name, step=result.step, num_steps=result.step, told=told)
        self.draw()
        self._show()

    def failed(self, name: str, error: ResnetlabError) -> None:
        """Show why the run stopped."""
        self.tell(name, told=str(error.args[0]))
        self._show()

    def made_elsewhere(self, names: Mapping[str, str]) -> None:
        """Show who still makes which run."""
        for name, text in names.items():
            self.tell(name, told=text)
        self._show()

    def close(self) -> None:
        """Show all of it once more, when all is done."""
        if self._lines:
            self.draw(is_last=True)
            self._show()

    def at(self, name: str, path: Path) -> None:
        """Learn where a run lies."""
        self._paths[name] = path

    def tell(
        self, name: str, *, step: int | None = None, num_steps: int | None = None, told: str = ""
    ) -> None:
        """Learn what is to be shown of a run at the next look."""
        with self._lock:
            line = self._lines.setdefault(name, _Line(num_steps or 0))
            line.step = line.step if step is None else step
            line.num_steps = num_steps or line.num_steps
            line.told = told or line.told

    def note(self, text: str) -> None:
        """Show it."""
        with self._lock:
            self._notes.append(text)
        self._show()

    def look(self) -> None:
        """Show how far the runs are, now and then."""
        if time.monotonic() - self._looked > _PAUSE:
            self._show()

    def draw(self, *, is_last: bool = False) -> None:
        """Show the curves of the runs that have begun, now and then."""
        started = time.monotonic()
        if is_last or started - self._drawn > max(_CHART_PAUSE, self._cost / CHART_SHARE):
            if chart := error_chart([*self._paths.values()]):
                self._below.show(cell.cell("", chart), "the curves of the study")
            self._drawn, self._cost = time.monotonic(), time.monotonic() - started

    def _show(self) -> None:
        self._looked = time.monotonic()
        with self._lock:
            rows = [
                (cell.text(name), cell.bar(line.step / max(line.num_steps, 1)), cell.text(line.told))
                for name, line in self._lines.items()
            ]
            notes = [cell.paragraph(note, is_faint=True) for note in self._notes[-_MOST_NOTES:]]
            done = sum(line.step >= line.num_steps > 0 for line in self._lines.values())
            plain = "\n".join(f"{name}  {line.told}" for name, line in self._lines.items())
        title = f"{done} of {len(rows)} runs are made"
        self._above.show(cell.cell(title, cell.table((), rows), *notes), plain)


class _OneRun(Observer):
    """Tells the study's cell how far one run is."""

    def __init__(self, study: StudyCell, name: str) -> None:
        self._study, self._name, self._last = study, name, ""

    def begin(self, facts: Mapping[str, str], *, step: int, num_steps: int) -> None:
        """Show the run."""
        self._study.at(self._name, Path(facts["run"]))
        self._study.tell(self._name, step=step, num_steps=num_steps, told="begins")
        self._study.look()

    def lately(self, *, loss: float, accuracy: float) -> None:
        """Keep how good the last updates were."""
        self._study.tell(self._name, told=f"loss {loss:.4f}, training {100 * accuracy:.1f} %{self._last}")

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        """Move the bar, now and then."""
        self._study.tell(self._name, step=step)
        self._study.look()

    def row(self, row: Mapping[str, Any]) -> None:
        """Keep the last accuracy."""
        kind = KINDS.get(row["kind"], row["kind"])
        self._last = f", {kind} {100 * row['accuracy']:.2f} %"
        self._study.draw()

    def note(self, text: str) -> None:
        """Show it with the run's name."""
        self._study.note(f"{self._name}: {text}")
