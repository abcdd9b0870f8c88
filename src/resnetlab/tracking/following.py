"""A run followed by trackers: what each is told when, and how a resumed run finds the one that it was."""

import contextlib
import importlib.util
import io
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnetlab.base import files
from resnetlab.base.plaindata import to_json_bytes
from resnetlab.errors import DataError, ResnetlabError, UsageError, WriteError, nearest
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.environment import how_to_install
from resnetlab.runs.hyper_parameters import hyper_parameters
from resnetlab.runs.tensorboard import scalars
from resnetlab.tracking.mlflow_runs import MlflowTracker
from resnetlab.tracking.pictures import pictures_of
from resnetlab.tracking.tensorboard_files import TensorBoardTracker
from resnetlab.tracking.tracker import Subject, Tracker
from resnetlab.tracking.trackio_runs import TrackioTracker
from resnetlab.tracking.wandb_runs import WandbTracker
from resnetlab.training.observer import Observer
from resnetlab.training.run import Result
from resnetlab.training.studies.observer import StudyObserver

TRACKERS: dict[str, Callable[[], Tracker]] = {
    "trackio": TrackioTracker,
    "wandb": WandbTracker,
    "mlflow": MlflowTracker,
    "tensorboard": TensorBoardTracker,
}
"""By the name of their package."""

NONE = "none"
"""Asked for in place of a tracker: a run that goes on is not followed any more."""

RECORD = "trackers"
"""The file of a run that says where each tracker lists it, without its suffix."""

_RESULT = ("accuracy", "accuracy_top_5", "loss", "train_seconds", "images_per_second")
"""Numbers of RESULT.json that are told, as "final/accuracy"."""


_LOCK = threading.Lock()
"""Runs of a study may be made at once, and some trackers know of one run at a time."""


@dataclass(frozen=True)
class Asked:
    """A tracker that is to follow a run."""

    name: str
    project: str = ""


def read_asked(track: str | Sequence[str] | None) -> tuple[Asked, ...] | None:
    """Return the trackers that are asked for: "wandb", "wandb:PROJECT", or several; None if nothing is said.

    Raises:
        UsageError: If there is no such tracker, or its package is not installed.
    """
    if track is None or track == ():
        return None
    if not (isinstance(track, str) or all(isinstance(each, str) for each in _several(track))):
        raise UsageError(f"trackers are named by texts, got {track!r:.200}", hint="E.g. wandb:PROJECT.")
    texts = [
        each.strip() for given in ([track] if isinstance(track, str) else track) for each in given.split(",")
    ]
    if texts == [NONE]:
        return ()
    asked = [Asked(name, project) for name, _, project in (text.partition(":") for text in texts)]
    for each in asked:
        if each.name not in TRACKERS:
            raise UsageError(
                f"no tracker is called {each.name!r}",
                hint=nearest(each.name, TRACKERS) or f"There are {', '.join(TRACKERS)}.",
            )
        if importlib.util.find_spec(each.name) is None:
            raise UsageError(
                f"{each.name} is not installed, which was to follow the run",
                hint=f"{how_to_install(each.name)}; or leave it out.",
            )
    return tuple(asked)


def _several(given: object) -> Iterable[object]:
    return given if isinstance(given, Iterable) else (given,)


class Followed(Observer):
    """Shows a run to another observer, and tells trackers of it; of several processes the first one's.

    Args:
        shown: Who shows the run.
        asked: Who is to follow it; None are those who did before.
    """

    def __init__(self, shown: Observer, asked: Sequence[Asked] | None) -> None:
        self._shown, self._asked = shown, asked
        self._following: list[_Following] = []

    def begin(self, facts: Mapping[str, str], *, step: int, num_steps: int) -> None:
        """Show it, and list the run."""
        self._shown.begin(facts, step=step, num_steps=num_steps)
        run = RunDirectory(Path(facts["run"]))
        known = _read_record(run)
        asked = [Asked(name) for name in known] if self._asked is None else self._asked
        if not asked:
            return
        for each in asked:
            following = _Following(each, self._shown.note)
            following.begin(run, known.get(each.name, {}))
            self._following.append(following)
        found = {each.name: each.found for each in self._following if each.found is not None}
        try:
            files.write_file(run.path / f"{RECORD}.json", to_json_bytes({**known, **found}))
        except WriteError as error:  # the run finds out by itself whether it can go on
            self.note(f"a resumed run will not be found again by its trackers: {error.args[0]}")

    def past(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Show it, and tell what a tracker has not heard of."""
        self._shown.past(rows)
        for row in rows:
            self._log(row)

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        """Show it."""
        self._shown.progress(step, samples=samples, seconds=seconds)

    def lately(self, *, loss: float, accuracy: float) -> None:
        """Show it."""
        self._shown.lately(loss=loss, accuracy=accuracy)

    def train_row(self, row: Mapping[str, Any]) -> None:
        """Show it, and tell its numbers."""
        self._shown.train_row(row)
        self._log(row)

    def evaluating(self, done: int, total: int) -> None:
        """Show it."""
        self._shown.evaluating(done, total)

    def row(self, row: Mapping[str, Any]) -> None:
        """Show it, and tell its numbers."""
        self._shown.row(row)
        self._log(row)

    def note(self, text: str) -> None:
        """Show it."""
        self._shown.note(text)

    def own_note(self, text: str) -> None:
        """Show it."""
        self._shown.own_note(text)

    def ended(self, result: Mapping[str, Any]) -> None:
        """Show it, and tell how good the run is, in numbers and pictures."""
        self._shown.ended(result)
        summary = {f"final/{name}": float(result[name]) for name in _RESULT}
        pictures = _Pictures(Path(result["run"]))
        for each in self._following:
            each.end(summary, int(result["step"]), pictures)

    def stopped(self, error: BaseException) -> None:
        """Show it, and close what can be gone on with."""
        self._shown.stopped(error)
        for each in self._following:
            each.stop()

    def _log(self, row: Mapping[str, Any]) -> None:
        for each in self._following:
            each.log(row)


class FollowedStudy(StudyObserver):
    """Shows a study to another observer, and tells trackers of its runs; see `Followed`."""

    def __init__(self, shown: StudyObserver, asked: Sequence[Asked] | None) -> None:
        self._shown, self._asked = shown, asked

    def begin(self, lengths: Mapping[str, int], *, at_once: int) -> None:
        """Show it."""
        self._shown.begin(lengths, at_once=at_once)

    def of(self, name: str) -> Observer:
        """Return who shows this run and tells trackers of it."""
        return Followed(self._shown.of(name), self._asked)

    def ended(self, name: str, result: Result) -> None:
        """Show it."""
        self._shown.ended(name, result)

    def failed(self, name: str, error: ResnetlabError) -> None:
        """Show it."""
        self._shown.failed(name, error)

    def made_elsewhere(self, names: Mapping[str, str]) -> None:
        """Show it."""
        self._shown.made_elsewhere(names)


class _Pictures:
    """The pictures of a run, drawn when the first tracker asks for them."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._drawn: list[tuple[str, bytes]] | None = None

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        if self._drawn is None:
            self._drawn = [*pictures_of(self._run)]
        return iter(self._drawn)


class _Following:
    """What one tracker is told, until it fails: then that is noted, and it is told nothing more."""

    def __init__(self, asked: Asked, note: Callable[[str], None]) -> None:
        self.name = asked.name
        self.found: dict[str, Any] | None = None
        """What finds the run in the tracker."""
        self._asked, self._note = asked, note
        self._is_lost = False
        self._last = -1

    def begin(self, run: RunDirectory, known: Mapping[str, Any]) -> None:
        def start() -> None:
            self._tracker = TRACKERS[self.name]()
            self.found = self._tracker.begin(_subject(run, self._asked.project), known)
            self._last = self._tracker.last_step
            self._note(f"{self.name} follows the run: {self._tracker.place}")

        self._trying(start)

    def log(self, row: Mapping[str, Any]) -> None:
        if int(row["step"]) > self._last:
            self._trying(lambda: self._tracker.log(int(row["step"]), scalars(row)))

    def end(self, summary: Mapping[str, float], step: int, pictures: _Pictures) -> None:
        def show() -> None:
            for name, png in pictures:
                self._tracker.picture(name, png, step)

        self._trying(show)
        self._trying(lambda: self._tracker.end(summary, is_whole=True))

    def stop(self) -> None:
        self._trying(lambda: self._tracker.end({}, is_whole=False))

    def _trying(self, do: Callable[[], None]) -> None:
        if self._is_lost:
            return
        try:
            with (
                _LOCK,
                contextlib.redirect_stdout(io.StringIO()),
            ):  # what a script or --json prints is its own
                do()
        except (Exception, SystemExit) as error:  # whatever the tracker, its server or the line came upon
            self._is_lost = True
            told = (str(error).strip().splitlines() or [""])[0] or type(error).__name__
            self._note(f"{self.name} does not follow the run any more: {told}; the run goes on without it")


def _subject(run: RunDirectory, project: str) -> Subject:
    parent = run.path.absolute().parent
    group = parent.name if (parent / "study.json").is_file() else ""
    name = run.path.absolute().name
    return Subject(
        path=run.path,
        name=f"{group}/{name}" if group else name,
        group=group,
        project=project,
        hyper_parameters=hyper_parameters(run),
    )


def _read_record(run: RunDirectory) -> dict[str, dict[str, Any]]:
    """Return what trackers.json says; nothing if it cannot be read, as it is nothing of the result."""
    try:
        content = run.read(RECORD)
    except DataError:
        return {}
    return {name: found for name, found in content.items() if name in TRACKERS and isinstance(found, dict)}
