"""Showing a run as it goes: a live bar on a terminal, plain lines elsewhere."""

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from resnetlab.base.lettering import without_commands
from resnetlab.base.units import format_bytes, format_seconds
from resnetlab.cli.output import on_the_way
from resnetlab.cli.verb import block
from resnetlab.training.observer import Observer

if TYPE_CHECKING:
    from rich.progress import Progress

_HEADER = " epoch    step        lr  train loss  train acc   loss    acc  images/s   memory  elapsed     left"


class PlainWatcher(Observer):
    """Prints the start block and one line per evaluation."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = on_the_way(stream)
        self._num_steps = 0
        self._mark: tuple[int, float] | None = None  # samples and seconds at the last row
        self._now = (0, 0.0)
        self._has_header = False

    def __enter__(self) -> "PlainWatcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

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

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._progress = make_progress(stream)
        self._bar = self._progress.add_task("waiting", total=1, beside="", visible=False)

    def __enter__(self) -> "LiveWatcher":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

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


def make_progress(stream: TextIO) -> "Progress":
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


def make_watcher(stream: TextIO) -> PlainWatcher:
    """Return a live watcher for a terminal, a plain one for a file or a pipe."""
    return LiveWatcher(stream) if stream.isatty() else PlainWatcher(stream)
