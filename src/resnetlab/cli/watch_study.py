"""Showing several runs as they go: a bar for each on a terminal, a line for each end elsewhere."""

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TextIO

from resnetlab.base.lettering import without_commands
from resnetlab.base.units import format_seconds
from resnetlab.cli.output import on_the_way
from resnetlab.cli.watch import make_progress
from resnetlab.errors import ResnetlabError
from resnetlab.training.observer import Observer
from resnetlab.training.run import Result
from resnetlab.training.studies.observer import StudyObserver

_PAUSE = 0.2
"""Seconds between two movements of a bar: a GPU makes launches faster than a terminal shows them."""


class PlainStudyWatcher(StudyObserver):
    """Prints a line when the study begins and one when a run ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = on_the_way(stream)
        self._lock = threading.Lock()
        self._ended = 0
        self._total = 0

    def __enter__(self) -> "PlainStudyWatcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    @property
    def has_begun(self) -> bool:
        """Whether any run was to be made, and nothing stood against it."""
        return self._total > 0

    def begin(self, lengths: Mapping[str, int], *, at_once: int) -> None:
        """Say how many runs there are."""
        self._total = self._ended + len(lengths)
        how = f", {min(at_once, len(lengths))} at once" if at_once > 1 and len(lengths) > 1 else ""
        self._print(f"{len(lengths)} runs to make{how}. Ctrl-C saves and stops; a second one stops at once.")

    def of(self, name: str) -> Observer:
        """Return who passes on the notes of a run."""
        return _RunWatcher(self, name)

    def ended(self, name: str, result: Result) -> None:
        """Print how good the run is."""
        with self._lock:
            self._ended += 1
        self._print(
            f"{name:<24} {100 * result.accuracy:6.2f} %   {format_seconds(result.train_seconds):>8}   "
            f"{result.images_per_second:>9,.0f} images/s{self._share()}"
        )

    def _share(self) -> str:
        return f"   {self._ended} of {self._total}" if self._total else "   finished before"

    def failed(self, name: str, error: ResnetlabError) -> None:
        """Print why the run stopped."""
        self._print(f"{name:<24} {error.args[0]}")

    def note(self, text: str) -> None:
        """Print a line."""
        self._print(text)

    def move(self, name: str, step: int, num_steps: int, text: str) -> None:
        """Show nothing."""

    def _print(self, text: str) -> None:
        with self._lock:
            print(without_commands(text), file=self._stream, flush=True)


class LiveStudyWatcher(PlainStudyWatcher):
    """The same, with a bar for each run that is being made."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._progress = make_progress(stream)
        self._bars: dict[str, Any] = {}

    def __enter__(self) -> "LiveStudyWatcher":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def move(self, name: str, step: int, num_steps: int, text: str) -> None:
        """Move the run's bar."""
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=num_steps, completed=step, beside=text)
        self._progress.update(self._bars[name], completed=step, beside=text)

    def ended(self, name: str, result: Result) -> None:
        """Print how good the run is; take its bar away."""
        self._remove(name)
        super().ended(name, result)

    def failed(self, name: str, error: ResnetlabError) -> None:
        """Print why the run stopped; take its bar away."""
        self._remove(name)
        super().failed(name, error)

    def _remove(self, name: str) -> None:
        if name in self._bars:
            self._progress.remove_task(self._bars.pop(name))

    def _print(self, text: str) -> None:
        self._progress.console.print(without_commands(text), highlight=False, markup=False, soft_wrap=True)


class _RunWatcher(Observer):
    """Tells the study's watcher how far one run is."""

    def __init__(self, study: PlainStudyWatcher, name: str) -> None:
        self._study, self._name = study, name
        self._num_steps, self._text, self._moved = 0, "", 0.0

    def begin(self, facts: Mapping[str, str], *, step: int, num_steps: int) -> None:
        """Show the run."""
        self._num_steps = num_steps
        self._study.move(self._name, step, num_steps, self._text)

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        """Move the bar, now and then."""
        now = time.monotonic()
        if now - self._moved > _PAUSE:
            self._moved = now
            self._study.move(self._name, step, self._num_steps, self._text)

    def row(self, row: Mapping[str, Any]) -> None:
        """Keep the last accuracy beside the bar."""
        self._text = f"{100 * row['accuracy']:.2f} %"

    def note(self, text: str) -> None:
        """Print it with the run's name."""
        self._study.note(f"{self._name}: {text}")


def make_study_watcher(stream: TextIO) -> PlainStudyWatcher:
    """Return a live watcher for a terminal, a plain one for a file or a pipe."""
    return LiveStudyWatcher(stream) if stream.isatty() else PlainStudyWatcher(stream)
