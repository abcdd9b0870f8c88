"""Showing runs as they go: live bars on a terminal, plain lines elsewhere."""

import argparse
import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from resnetlab.base.lettering import without_commands
from resnetlab.base.units import format_bytes, format_seconds
from resnetlab.cli.output import block, on_the_way
from resnetlab.errors import ResnetlabError
from resnetlab.training.observer import Observer
from resnetlab.training.run import Result
from resnetlab.training.studies.observer import StudyObserver

if TYPE_CHECKING:
    from rich.progress import Progress

_HEADER = " epoch    step        lr  train loss  train acc   loss    acc  images/s   memory  elapsed     left"
_PAUSE = 0.2
"""Seconds between two movements of a study's bar: a GPU makes launches faster than a terminal shows them."""


def progress_stream(options: argparse.Namespace) -> TextIO:
    """Return where a command shows how far it is; that of a process that is not the first goes nowhere."""
    return sys.stderr if options.json and options.world.is_first else sys.stdout


@contextlib.contextmanager
def watching(stream: TextIO) -> "Iterator[PlainWatcher]":
    """Show a run while inside: with a bar on a terminal, in plain lines in a file or a pipe."""
    if not stream.isatty():
        yield PlainWatcher(stream)
        return
    with _bars(stream) as progress:
        yield LiveWatcher(stream, progress)


@contextlib.contextmanager
def watching_study(stream: TextIO) -> "Iterator[PlainStudyWatcher]":
    """Show the runs of a study while inside, as `watching` does one."""
    if not stream.isatty():
        yield PlainStudyWatcher(stream)
        return
    with _bars(stream) as progress:
        yield LiveStudyWatcher(stream, progress)


class PlainWatcher(Observer):
    """Prints the start block and one line per evaluation."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = on_the_way(stream)
        self._num_steps = 0
        self._mark: tuple[int, float] | None = None  # samples and seconds at the last row
        self._now = (0, 0.0)
        self._has_header = False

    def begin(self, facts: Mapping[str, str], *, step: int, num_steps: int) -> None:
        """Print the start block."""
        self._num_steps = num_steps
        shown = dict(facts) | ({"resumed": f"after step {step:,}"} if step else {})
        self._print(block(shown, indent=""))
        self._print("Ctrl-C saves and stops; a second one stops at once.\n")

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        """Remember how far the run is."""
        if self._mark is None:
            self._mark = (samples, seconds)
        self._now = (samples, seconds)

    def evaluating(self, done: int, total: int) -> None:
        """Show nothing."""

    def row(self, row: Mapping[str, Any]) -> None:
        """Print the line of one evaluation."""
        if not self._has_header:
            self._print(_HEADER + ("    wait" if "wait" in row else ""))
            self._has_header = True
        self._print(self._line(row))
        self._mark = self._now

    def note(self, text: str) -> None:
        """Print a line."""
        self._print(text)

    def own_note(self, text: str) -> None:
        """Print a line where also a process that is not the first is heard."""
        print(without_commands(text), file=on_the_way(sys.stderr), flush=True)

    def _line(self, row: Mapping[str, Any]) -> str:
        seconds = row["seconds"]
        left = seconds / row["step"] * (self._num_steps - row["step"]) if row["step"] else 0.0
        wait = f" {100 * row['wait']:5.1f} %" if "wait" in row else ""
        mark = wait + ("  best" if row.get("is_best") else "")
        train = (
            f"{row['train_loss']:10.4f} {100 * row['train_accuracy']:8.2f} %"
            if "train_loss" in row
            else f"{'-':>10} {'-':>10}"
        )
        return (
            f"{row['epoch']:6.2f} {row['step']:7,} {row['learning_rate']:9.4g}  {train} "
            f"{row['loss']:6.4f} {100 * row['accuracy']:5.2f}% {self._speed():9,.0f} "
            f"{format_bytes(row['peak_memory']) if row['peak_memory'] else '-':>8} "
            f"{format_seconds(seconds):>8} {format_seconds(left):>8}{mark}"
        )

    def _speed(self) -> float:
        samples, seconds = self._mark or (0, 0.0)
        passed = self._now[1] - seconds
        return (self._now[0] - samples) / passed if passed > 0 else 0.0

    def _print(self, text: str) -> None:
        print(without_commands(text), file=self._stream, flush=True)


class LiveWatcher(PlainWatcher):
    """The same, with a bar that moves with every step."""

    def __init__(self, stream: TextIO, progress: "Progress") -> None:
        super().__init__(stream)
        self._progress = progress
        self._bar = self._progress.add_task("waiting", total=1, beside="", visible=False)

    def begin(self, facts: Mapping[str, str], *, step: int, num_steps: int) -> None:
        """Print the start block and show the bar."""
        super().begin(facts, step=step, num_steps=num_steps)
        self._progress.reset(self._bar, total=num_steps, completed=step, description="training", visible=True)

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        """Move the bar."""
        super().progress(step, samples=samples, seconds=seconds)
        self._progress.update(
            self._bar,
            completed=step,
            total=self._num_steps,
            description="training",
            beside=f"{self._speed():,.0f} images/s",
        )

    def evaluating(self, done: int, total: int) -> None:
        """Show the evaluation in the bar's place."""
        self._progress.update(self._bar, completed=done, total=total, description="evaluating", beside="")

    def _print(self, text: str) -> None:
        self._progress.console.print(without_commands(text), highlight=False, markup=False, soft_wrap=True)


class PlainStudyWatcher(StudyObserver):
    """Prints a line when the study begins and one when a run ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = on_the_way(stream)
        self._lock = threading.Lock()
        self._ended = 0
        self._total = 0
        self._own = set[str]()
        self.elsewhere: dict[str, str] = {}

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
            f"{result.images_per_second:>9,.0f} images/s{self._share(name)}"
        )

    def _share(self, name: str) -> str:
        if not self._total:
            return "   finished before"
        return f"   {self._ended} of {self._total}{'' if name in self._own else ', by another process'}"

    def failed(self, name: str, error: ResnetlabError) -> None:
        """Print why the run stopped."""
        self._print(f"{name:<24} {error.args[0]}")

    def made_elsewhere(self, names: Mapping[str, str]) -> None:
        """Print what is still being made, and by whom."""
        self.elsewhere = dict(names)
        lines = [
            f"Nothing is left to do here; {len(names)} of {self._total} runs are made by other processes:"
        ]
        self._print("\n".join(lines + [f"  {text}" for text in names.values()]))

    def note(self, text: str) -> None:
        """Print a line."""
        self._print(text)

    def begin_run(self, name: str) -> None:
        """Remember that the run is made here."""
        self._own.add(name)

    def move(self, name: str, step: int, num_steps: int, text: str) -> None:
        """Show nothing."""

    def _print(self, text: str) -> None:
        with self._lock:
            print(without_commands(text), file=self._stream, flush=True)


class LiveStudyWatcher(PlainStudyWatcher):
    """The same, with a bar for each run that is being made."""

    def __init__(self, stream: TextIO, progress: "Progress") -> None:
        super().__init__(stream)
        self._progress = progress
        self._bars: dict[str, Any] = {}

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
        self._study.begin_run(self._name)
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

    def own_note(self, text: str) -> None:
        """Print it where also a process that is not the first is heard."""
        print(without_commands(f"{self._name}: {text}"), file=on_the_way(sys.stderr), flush=True)


def _bars(stream: TextIO) -> "Progress":
    """Return bars whose tasks have a text `beside`, gone when they are done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TextColumn("{task.fields[beside]}"),
        TimeRemainingColumn(),
        console=Console(file=on_the_way(stream)),
        transient=True,
        refresh_per_second=4,
    )
