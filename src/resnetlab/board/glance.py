"""A run at a glance: whether somebody makes it, how far it is, how good. Reads little, and nothing twice."""

import os
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from resnetlab.base.locks import holder_of
from resnetlab.board.journal_ends import LastEvents, LastRows
from resnetlab.errors import DataError, ResnetlabError
from resnetlab.reporting.contents.verdict import state_of
from resnetlab.reporting.groups import key_of
from resnetlab.reporting.reading import RecordedRun, read_run
from resnetlab.reporting.values import first_line_of, is_number

State = Literal["running", "finished", "interrupted", "crashed", "waiting", "damaged"]
STATES: tuple[State, ...] = ("running", "waiting", "interrupted", "crashed", "damaged", "finished")
"""In the order in which a person wants to see them."""

KILLED = "killed"
"""Why a run stopped that has noted neither its end nor an error."""

_FIXED = ("recipe.json", "spec.json", "data.json", "weights.json", "continues.json", "RESULT.json")
_GROWING = ("metrics.jsonl", "events.jsonl")

Facts = tuple[tuple[int, int, int, int] | None, ...]


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What the table says of a run."""

    path: Path
    name: str
    """Its place below the folder, with "/" between folders."""
    state: State
    run: RecordedRun | None
    """What its directory tells, with the last of its rows and events alone; None if that is damaged."""
    why: str = ""
    """Why it stopped, or what is damaged: a line."""
    began: float | None = None
    """When, in seconds since 1970."""
    seconds_left: float | None = None
    """Of a running one, if it goes on as it went since it was begun or gone on with."""
    key: str = ""
    """Equal for runs that differ in nothing but the seed."""

    @property
    def accuracy(self) -> float | None:
        """The share of right answers: at the end, or at the last evaluation."""
        if self.run is None:
            return None
        if self.run.is_finished:
            return int(self.run.result["correct"]) / int(self.run.result["seen"])
        return float(self.run.evaluations[-1]["accuracy"]) if self.run.evaluations else None

    @property
    def split(self) -> str:
        """What the accuracy is of: test or val; "" without one."""
        if self.run is None or self.accuracy is None:
            return ""
        return "test" if self.run.is_finished else self.run.watched

    @property
    def progress(self) -> str:
        """How far it is: "3,000 of 5,860", "540 steps" in the end, "12 epochs" before the beginning."""
        if self.run is None:
            return ""
        if self.state == "finished":
            return f"{self.run.step:,} steps"
        length = self.run.recipe.run.length
        if self.state == "waiting":
            return f"{length.count:,} {'epochs' if length.unit == 'ep' else 'steps'}"
        return self.run.progress if self.run.num_steps is None else self.run.progress.removeprefix("step ")

    @property
    def share(self) -> float | None:
        """How much of it is made, in [0, 1], if its length in steps is known."""
        whole = self.run.num_steps if self.run else None
        if self.run and self.run.is_finished:
            return 1.0
        return min(1.0, self.run.step / whole) if self.run and whole else None


@dataclass
class Glancing:
    """Looks at one run again and again."""

    path: Path
    name: str
    root: Path
    """The folder that nothing may lead out of, without links."""
    _known: Facts = ()
    _glance: Glance | None = None
    _rows: LastRows = field(init=False)
    _events: LastEvents = field(init=False)

    def __post_init__(self) -> None:
        self._rows = LastRows(self.path / "metrics.jsonl")
        self._events = LastEvents(self.path / "events.jsonl")

    def look(self) -> Glance:
        """Return what there is to say now: the very same object if nothing has changed."""
        before = self._glance
        # The lock is looked at first: a run that has freed it then has written its end before.
        holder = None if before and before.state == "finished" else holder_of(self.path)
        facts = tuple(_facts(self.path / name) for name in (*_FIXED, *_GROWING))
        if before and facts == self._known and bool(holder) == (before.state == "running"):
            return before
        try:
            run = self._read(before.run if before else None, facts)
            self._glance = self._told(run, holder, facts, before)
        except Exception as error:  # of any kind: one run must not hide the others
            self._rows.forget()
            self._events.forget()
            told = error.args[0] if isinstance(error, ResnetlabError) else f"it cannot be read: {error!r}"
            self._glance = Glance(
                path=self.path, name=self.name, state="damaged", run=None, why=_first_line(told)
            )
        self._known = facts
        return self._glance

    def _read(self, before: RecordedRun | None, facts: Facts) -> RecordedRun:
        refuse_links_out(self.path, (*_FIXED, *_GROWING), self.root)
        fixed = slice(len(_FIXED))
        if before and facts[fixed] == self._known[fixed]:
            return replace(before, rows=self._rows.read(), events=self._events.read())
        return read_run(self.path, rows=self._rows.read, events=self._events.read)

    def _told(self, run: RecordedRun, holder: str | None, facts: Facts, before: Glance | None) -> Glance:
        state, why = _state(run, holder)
        written = facts[len(_FIXED)]
        key = before.key if before and before.run and _same_kind(before.run, run) else key_of(run)
        return Glance(
            path=self.path,
            name=self.name,
            state=state,
            run=run,
            why=why,
            began=self._events.began,
            seconds_left=_seconds_left(run, written[0] / 1e9) if state == "running" and written else None,
            key=key,
        )


def _same_kind(before: RecordedRun, run: RecordedRun) -> bool:
    return (
        before.spec is run.spec
        and before.recipe is run.recipe
        and before.data is run.data
        and before.weights is run.weights
    )


def _facts(path: Path) -> tuple[int, int, int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode


def refuse_links_out(folder: Path, names: Sequence[str], root: Path) -> None:
    """Raise DataError if one of these files is a link to something that is not below `root`."""
    for name in names:
        path = folder / name
        try:
            is_link = stat.S_ISLNK(os.lstat(path).st_mode)
        except OSError:
            continue
        if is_link and not path.resolve().is_relative_to(root):
            raise DataError(
                f"{path} is a link that leads out of {root}: what it leads to is not shown",
                hint="Put the file itself in its place, or name a folder that holds both.",
            )


def _state(run: RecordedRun, holder: str | None) -> tuple[State, str]:
    """Return the state, and why the run is not at its end."""
    if run.is_finished:
        return "finished", ""
    if holder:
        return "running", holder
    last = {str(row.get("event")): row for row in run.events}
    match state_of(run):
        case "interrupted":
            return "interrupted", f"by {last['interrupted'].get('signal')}"
        case "stopped":
            return "crashed", _first_line(str(last["stopped"].get("error")))
    return "crashed", KILLED


def _first_line(text: object) -> str:
    return first_line_of(text)[:300]


def _seconds_left(run: RecordedRun, written: float) -> float | None:
    """Return what is left, if the steps come as they came since the run was begun or gone on with."""
    begun = next((row for row in reversed(run.events) if row.get("event") in ("start", "resume")), None)
    if begun is None or run.num_steps is None or not run.rows:
        return None
    since: Any = begun.get("time")
    first: Any = begun.get("step", 0)
    step = int(run.rows[-1]["step"])
    if not (is_number(since) and is_number(first)) or step <= first or written <= since:
        return None
    left = (run.num_steps - step) * (written - since) / (step - first)
    return max(0.0, left - max(0.0, time.time() - written))
