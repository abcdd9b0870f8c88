"""A run that shows itself in a notebook: how far it is, its curves, and a row for each evaluation."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from resnetlab.base.pages import cell
from resnetlab.base.units import format_seconds
from resnetlab.reporting.at_the_end import PAGE
from resnetlab.training.observer import Observer
from resnetlab.watching.columns import columns_of, head_lines, row_line
from resnetlab.watching.notebook.chart import CHART_SHARE, error_chart
from resnetlab.watching.notebook.output import Cell
from resnetlab.watching.pace import Pace

_PAUSE = 0.5
"""Seconds between two looks of what moves with every step."""

_COLUMNS = 90
"""Of a terminal, to which a cell's width is like."""
_MOST_ROWS = 12
_MOST_NOTES = 6


class RunCell(Observer):
    """Shows a run in two parts of a cell: what moves with every step, and what comes with an evaluation.

    Args:
        new_cell: Makes a part of the cell.
    """

    def __init__(self, new_cell: Callable[[], Cell]) -> None:
        self._above, self._below = new_cell(), new_cell()
        self._facts: dict[str, str] = {}
        self._pace = Pace()
        self._lately = ""
        self._rows: list[Mapping[str, Any]] = []
        self._notes: list[str] = []
        self._state = ""
        self._has_ended = False
        self._looked = self._drawn = self._cost = 0.0
        self._chart = ""

    # What training tells.

    def begin(self, facts: Mapping[str, str], *, step: int, num_steps: int) -> None:
        """Show what is trained."""
        self._facts = dict(facts)
        self._pace.begin(step=step, num_steps=num_steps)
        self._state = f"resumed after step {step:,}" if step else "begins"
        self._show()

    def past(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Show the curves and the evaluations so far of a run that goes on."""
        self._rows = [row for row in rows if row["kind"] != "train"]
        self._draw()

    def lately(self, *, loss: float, accuracy: float) -> None:
        """Keep how good the last updates were, for the next look."""
        self._lately = f"loss {loss:.4f}, {100 * accuracy:.1f} % of the training images right"

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        """Move the bar, now and then."""
        self._pace.progress(step, samples=samples, seconds=seconds)
        self._state = ""
        self._look()

    def evaluating(self, done: int, total: int) -> None:
        """Say so, now and then."""
        self._state = f"evaluating, {done:,} of {total:,} images"
        self._look()

    def row(self, row: Mapping[str, Any]) -> None:
        """Show the row and the curves."""
        self._rows.append(self._pace.measured(row))
        self._state = ""
        self._draw()
        self._show()

    def note(self, text: str) -> None:
        """Show it."""
        self._notes.append(text)
        self._show()

    def ended(self, result: Mapping[str, Any]) -> None:
        """Say how good the network is."""
        low, high = result["interval"]
        self._has_ended = True
        self._state = (
            f"finished: {100 * result['accuracy']:.2f} % of {result['seen']:,} test images right"
            f" (95 % interval {100 * low:.2f} to {100 * high:.2f} %),"
            f" {format_seconds(result['train_seconds'])} of updates"
        )
        self._draw(is_last=True)
        self._show()

    def stopped(self, error: BaseException) -> None:
        """Say why."""
        self._has_ended = True
        self._state = str(error) or type(error).__name__
        self._draw(is_last=True)
        self._show()

    def close(self) -> None:
        """Show the page that a run leaves when all is done."""
        if self._facts:
            self._show()

    # What is shown of it.

    def _look(self) -> None:
        if time.monotonic() - self._looked > _PAUSE:
            self._show()

    def _show(self) -> None:
        self._looked = time.monotonic()
        self._above.show(self._html(), self._plain())

    def _plain(self) -> str:
        return f"{self._title}: {self._where()}"

    @property
    def _title(self) -> str:
        model, data = (self._facts.get(name, "").partition(":")[0] for name in ("model", "data"))
        return f"{model} on {data}" if model else "resnetlab"

    def _where(self) -> str:
        if self._has_ended:
            return self._state
        pace = self._pace
        parts = [f"step {pace.step:,} of {pace.num_steps:,}", self._state or self._lately]
        if pace.images_per_second:
            parts.append(f"{pace.images_per_second:,.0f} images/s")
        if pace.left:
            parts.append(f"{format_seconds(pace.left)} left")
        return " · ".join(part for part in parts if part)

    def _html(self) -> str:
        shown = self._notes[-_MOST_NOTES:]
        page = Path(self._facts.get("run", "")) / PAGE
        parts = [cell.paragraph(note, is_faint=True) for note in shown]
        if self._facts:
            parts.insert(0, cell.bar(self._pace.step / max(self._pace.num_steps, 1), width="100%"))
            parts.insert(1, cell.paragraph(self._where()))
            about = (
                f"{self._facts['run']}, all of it on a page: {page}" if page.is_file() else self._facts["run"]
            )
            parts.append(cell.paragraph(about, is_faint=True))
            parts.append(cell.fold("What is trained, on what and how", cell.facts(self._facts)))
        return cell.cell(self._title, *parts)

    def _draw(self, *, is_last: bool = False) -> None:
        """Show the curves and the rows; the curves only as often as drawing them costs little of the time."""
        started = time.monotonic()
        if is_last or started - self._drawn > self._cost / CHART_SHARE:
            self._chart = error_chart([Path(self._facts["run"])])
            self._drawn, self._cost = time.monotonic(), time.monotonic() - started
        table, earlier = self._tables()
        if self._chart or table:
            self._below.show(cell.cell("", self._chart, table, earlier), self._plain_row())

    def _tables(self) -> tuple[str, str]:
        """Return the last evaluations, and those before folded away; the newest stands first."""
        if not self._rows:
            return "", ""
        columns = columns_of(self._rows[-1], width=_COLUMNS)
        header = [f"{column.group} {column.head}".strip() for column in columns]
        rows = [[cell.text(column.text(row)) for column in columns] for row in reversed(self._rows)]
        shown, rest = rows[:_MOST_ROWS], rows[_MOST_ROWS:]
        earlier = cell.table(header, rest, numbers=range(len(header)), most_px=400) if rest else ""
        return cell.table(header, shown, numbers=range(len(header))), cell.fold(
            f"{len(rest):,} before", earlier
        )

    def _plain_row(self) -> str:
        if not self._rows:
            return ""
        columns = columns_of(self._rows[-1])
        return "\n".join((*head_lines(columns), row_line(columns, self._rows[-1])))
