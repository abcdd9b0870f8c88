"""Showing a run as it goes: a bar and a curve that move on a terminal, plain lines elsewhere."""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from resnetlab.base.lettering import without_commands
from resnetlab.reporting.text_chart import TextChart
from resnetlab.training.observer import Observer
from resnetlab.watching.bars import RunBar
from resnetlab.watching.columns import Column, columns_of, head_lines, row_line
from resnetlab.watching.curve import CurveRows
from resnetlab.watching.fitting import block, wrapped
from resnetlab.watching.screen import Screen, screen_on
from resnetlab.watching.sight import sight_of
from resnetlab.watching.streams import on_the_way

_STOPPING = "Ctrl-C saves and stops; a second one stops at once."
_LINES = 11
"""Of the curve that stays."""


@contextlib.contextmanager
def watching(stream: TextIO) -> Iterator["PlainWatcher"]:
    """Show a run on this stream while inside, and at the end its curve.

    On a terminal a bar moves with a curve below it; in a file or a pipe, and on a terminal that is dumb,
    there is a line for each evaluation. One process writes: of several that make a run together, `as_seen_by`
    lets the first one's observer be told.
    """
    sight = sight_of(stream)
    with contextlib.ExitStack() as stack:
        if sight.is_live:
            watcher: PlainWatcher = LiveWatcher(stream, stack.enter_context(screen_on(stream, sight.letters)))
        else:
            watcher = PlainWatcher(stream)
        stack.callback(watcher.show_curve)
        yield watcher


@contextlib.contextmanager
def watching_bar(stream: TextIO, title: str) -> Iterator[RunBar]:
    """Show by a bar alone, where a stream has any that move, how far steps are that leave no run."""
    sight, bar = sight_of(stream), RunBar(title)
    with screen_on(stream, sight.letters) if sight.is_live else contextlib.nullcontext() as screen:
        if screen:
            screen.bars[title] = bar
        yield bar


class PlainWatcher(Observer):
    """Prints the start block, a line for each evaluation, and at the end the curve."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = on_the_way(stream)
        self._sight = sight_of(stream)
        self._bar = RunBar()
        self._curve = CurveRows()
        self._shown: tuple[Column, ...] = ()

    @property
    def _columns(self) -> int | None:
        return self._sight.columns

    def begin(self, facts: Mapping[str, str], *, step: int, num_steps: int) -> None:
        """Print the start block."""
        self._bar.begin(facts, step=step, num_steps=num_steps)
        self._curve.num_steps = num_steps
        shown = dict(facts) | ({"resumed": f"after step {step:,}"} if step else {})
        self._print(block(shown, indent="", columns=self._columns))
        self.note(f"{_STOPPING}\n")

    def past(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take them into the curve."""
        self._curve.add(*rows)

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        """Remember how far the run is."""
        self._bar.progress(step, samples=samples, seconds=seconds)

    def lately(self, *, loss: float, accuracy: float) -> None:
        """Remember how good it is."""
        self._bar.lately(loss=loss, accuracy=accuracy)

    def train_row(self, row: Mapping[str, Any]) -> None:
        """Take it into the curve."""
        self._curve.add(row)

    def evaluating(self, done: int, total: int) -> None:
        """Remember that the run is evaluated."""
        self._bar.evaluating(done, total)

    def row(self, row: Mapping[str, Any]) -> None:
        """Print the line of one evaluation; the heads before the first, and when the width has changed."""
        measured = self._bar.pace.measured(row)
        self._bar.row(row)
        self._curve.add(row)
        columns = columns_of(measured, width=self._columns)
        if [column.name for column in columns] != [column.name for column in self._shown]:
            self._print("\n".join(head_lines(columns, rule=self._sight.rule)))
            self._shown = columns
        self._print(row_line(columns, measured))

    def note(self, text: str) -> None:
        """Print a line, or as many as it takes."""
        self._print(wrapped(text, self._columns))

    def own_note(self, text: str) -> None:
        """Print a line where also a process that is not the first is heard."""
        print(without_commands(text), file=on_the_way(sys.stderr), flush=True)

    def show_curve(self) -> None:
        """Print the curve, if anything was evaluated."""
        width = (self._columns or self._sight.width) - 1
        if chart := self._curve.chart(width, _LINES, self._sight.letters):
            self._print("")
            self._print_chart(chart)

    def _print(self, text: str) -> None:
        print(without_commands(text), file=self._stream, flush=True)

    def _print_chart(self, chart: TextChart) -> None:
        self._print(str(chart))


class LiveWatcher(PlainWatcher):
    """The same, with a bar and a curve that move."""

    def __init__(self, stream: TextIO, screen: Screen) -> None:
        super().__init__(stream)
        self._screen = screen

    @property
    def _columns(self) -> int | None:
        return self._screen.columns

    def begin(self, facts: Mapping[str, str], *, step: int, num_steps: int) -> None:
        """Print the start block and show the bar."""
        super().begin(facts, step=step, num_steps=num_steps)
        self._screen.bars["run"] = self._bar
        self._screen.below = self._below

    def _below(self, columns: int, lines: int) -> TextChart | None:
        return self._curve.chart(columns, lines, self._sight.letters)

    def _print(self, text: str) -> None:
        self._screen.print(text)

    def _print_chart(self, chart: TextChart) -> None:
        self._screen.print_chart(chart)
