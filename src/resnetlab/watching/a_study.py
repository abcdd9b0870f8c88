"""Showing the runs of a study as they go: a line for each, which moves on a terminal while it is made."""

import contextlib
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from resnetlab.base.lettering import without_commands
from resnetlab.base.units import format_seconds
from resnetlab.errors import ResnetlabError
from resnetlab.training.observer import Observer
from resnetlab.training.run import Result
from resnetlab.training.studies.observer import StudyObserver
from resnetlab.watching.bars import RunBar
from resnetlab.watching.fitting import wrapped
from resnetlab.watching.screen import Screen, screen_on
from resnetlab.watching.sight import sight_of
from resnetlab.watching.streams import on_the_way


@contextlib.contextmanager
def watching_study(stream: TextIO) -> Iterator["PlainStudyWatcher"]:
    """Show the runs of a study on this stream while inside, as `one_run.watching` does one."""
    sight = sight_of(stream)
    if not sight.is_live:
        yield PlainStudyWatcher(stream)
        return
    with screen_on(stream, sight.letters) as screen:
        yield LiveStudyWatcher(stream, screen)


class PlainStudyWatcher(StudyObserver):
    """Prints a line when the study begins and one when a run ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = on_the_way(stream)
        self._lock = threading.Lock()
        self._sight = sight_of(stream)
        self._ended = 0
        self._total = 0
        self._width = 0  # of the runs' names
        self._own = set[str]()
        self.elsewhere: dict[str, str] = {}

    @property
    def has_begun(self) -> bool:
        """Whether any run was to be made, and nothing stood against it."""
        return self._total > 0

    @property
    def columns(self) -> int | None:
        """How wide lines may be; None if that is not known."""
        return self._sight.columns

    def begin(self, lengths: Mapping[str, int], *, at_once: int) -> None:
        """Say how many runs there are."""
        self._total = self._ended + len(lengths)
        self._width = max(map(len, lengths), default=0)
        how = f", {min(at_once, len(lengths))} at once" if at_once > 1 and len(lengths) > 1 else ""
        self.note(f"{len(lengths)} runs to make{how}. Ctrl-C saves and stops; a second one stops at once.")

    def of(self, name: str) -> Observer:
        """Return who passes on the notes of a run."""
        return _RunWatcher(self, name, self.bar_of(name))

    def bar_of(self, name: str) -> RunBar:
        """Return who keeps how far a run is."""
        return RunBar(name)

    def ended(self, name: str, result: Result) -> None:
        """Print how good the run is."""
        with self._lock:
            self._ended += 1
        texts = [
            f"{name:<{self._width}}",
            f"{100 * (1 - result.accuracy):6.2f} % test error",
            f"{format_seconds(result.train_seconds):>8}",
            self._share(name),
            f"{result.images_per_second:9,.0f} images/s",
        ]
        kept = [text for index, text in enumerate(texts) if index < 2 or self._has_room(texts[: index + 1])]
        self._print("  ".join(kept))

    def _has_room(self, texts: list[str]) -> bool:
        return self.columns is None or len("  ".join(texts)) < self.columns

    def _share(self, name: str) -> str:
        if not self._total:
            return "finished before"
        return f"{self._ended} of {self._total}{'' if name in self._own else ', by another process'}"

    def failed(self, name: str, error: ResnetlabError) -> None:
        """Print why the run stopped."""
        self.note(f"{name:<{self._width}}  {error.args[0]}")

    def made_elsewhere(self, names: Mapping[str, str]) -> None:
        """Print what is still being made, and by whom."""
        self.elsewhere = dict(names)
        lines = [
            f"Nothing is left to do here; {len(names)} of {self._total} runs are made by other processes:"
        ]
        self.note("\n".join(lines + [f"  {text}" for text in names.values()]))

    def note(self, text: str) -> None:
        """Print a line, or as many as it takes."""
        self._print(wrapped(text, self.columns))

    def begin_run(self, name: str) -> None:
        """Remember that the run is made here."""
        self._own.add(name)

    def _print(self, text: str) -> None:
        with self._lock:
            print(without_commands(text), file=self._stream, flush=True)


class LiveStudyWatcher(PlainStudyWatcher):
    """The same, with a line for each run that is made or waits, and a bar in it that moves."""

    def __init__(self, stream: TextIO, screen: Screen) -> None:
        super().__init__(stream)
        self._screen = screen

    @property
    def columns(self) -> int | None:
        """The terminal's width, now."""
        return self._screen.columns

    def begin(self, lengths: Mapping[str, int], *, at_once: int) -> None:
        """Say how many runs there are, and show them."""
        super().begin(lengths, at_once=at_once)
        self._screen.bars |= {name: RunBar(name) for name in lengths}

    def bar_of(self, name: str) -> RunBar:
        """Return who keeps how far a run is, and shows it."""
        return self._screen.bars.setdefault(name, RunBar(name))

    def ended(self, name: str, result: Result) -> None:
        """Print how good the run is; take its bar away."""
        self._screen.bars.pop(name, None)
        super().ended(name, result)

    def failed(self, name: str, error: ResnetlabError) -> None:
        """Print why the run stopped; take its bar away."""
        self._screen.bars.pop(name, None)
        super().failed(name, error)

    def made_elsewhere(self, names: Mapping[str, str]) -> None:
        """Print what is still being made, and by whom; take the bars away."""
        for name in names:
            self._screen.bars.pop(name, None)
        super().made_elsewhere(names)

    def _print(self, text: str) -> None:
        self._screen.print(text)


class _RunWatcher(Observer):
    """Keeps how far one run of a study is, and passes on its notes."""

    def __init__(self, study: PlainStudyWatcher, name: str, bar: RunBar) -> None:
        self._study, self._name, self._bar = study, name, bar

    def begin(self, facts: Mapping[str, str], *, step: int, num_steps: int) -> None:
        self._study.begin_run(self._name)
        self._bar.begin(facts, step=step, num_steps=num_steps)

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        self._bar.progress(step, samples=samples, seconds=seconds)

    def lately(self, *, loss: float, accuracy: float) -> None:
        self._bar.lately(loss=loss, accuracy=accuracy)

    def evaluating(self, done: int, total: int) -> None:
        self._bar.evaluating(done, total)

    def row(self, row: Mapping[str, Any]) -> None:
        self._bar.pace.measured(row)
        self._bar.row(row)

    def note(self, text: str) -> None:
        self._study.note(f"{self._name}: {text}")

    def own_note(self, text: str) -> None:
        print(without_commands(f"{self._name}: {text}"), file=on_the_way(sys.stderr), flush=True)
