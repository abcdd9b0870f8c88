"""The scores of a run's checkpoints over its steps: of all that there are, or of each as it comes.

Whoever trains need not evaluate: another process, on another machine that sees the run's directory, scores
each checkpoint once, and goes on where it was stopped. Each row of scores.jsonl is a checkpoint; curve.json
beside it says of what, and other scores are refused there.
"""

import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from resnetlab.base import files
from resnetlab.base.paths import user_path
from resnetlab.base.plaindata import field_types, to_json_bytes
from resnetlab.base.reading.plain import is_count, is_number, is_share, read_json
from resnetlab.data.batches.loader import count_workers
from resnetlab.data.sources.choices import Choices
from resnetlab.data.sources.leftovers import refuse_within
from resnetlab.engines.names import AUTO
from resnetlab.errors import CheckpointError, DataError, ResnetlabError, UsageError, WriteError
from resnetlab.runs.checkpoint import list_checkpoints
from resnetlab.runs.directory import RunDirectory, began, is_run, open_run
from resnetlab.runs.journal import Journal, read_rows
from resnetlab.runs.tensorboard import EventFile, open_events
from resnetlab.trained.evaluate import folder_of, leaving_out, scored
from resnetlab.trained.scored_data import ScoredData, choose_split, open_scored
from resnetlab.trained.scored_network import ScoredNetwork, load_network
from resnetlab.training.step.device import leaving_as_found

Row = dict[str, Any]
"""kind (the split), step, loss, accuracy, accuracy_top_5, correct, seen; as in metrics.jsonl."""

ROWS, EVENTS, ABOUT = "scores.jsonl", "tensorboard", "curve.json"
PAUSE = 2.0
"""Seconds between two looks at a run that is followed."""


@dataclass(frozen=True)
class Curve:
    """The scores of a run's checkpoints."""

    run: str
    out: str
    """The folder of scores.jsonl, of curve.json, and of TensorBoard's events."""
    data: str
    split: str
    rows: tuple[Mapping[str, Any], ...]
    """By step, each with best_accuracy: the best one up to there."""
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> Mapping[str, Any] | None:
        """The first of the best rows; chosen by the very images that it is scored on."""
        return max(self.rows, key=lambda row: row["accuracy"], default=None)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "run": self.run,
            "out": self.out,
            "data": self.data,
            "split": self.split,
            "rows": [dict(row) for row in self.rows],
            "best_step": self.best["step"] if self.best else None,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What checkpoints are scored on, and how; as `evaluate` takes it."""

    data: str | None = None
    choices: Choices = field(default_factory=Choices)
    split: str = "auto"
    weights: str = "auto"
    device: str = "auto"
    workers: int = -1
    by_order: bool = False
    bad_samples: float | str | None = None
    engine: str = AUTO
    out: str = ""
    """The folder of the curve, and of no other one; empty is RUN/eval/curve-SPLIT."""


@leaving_as_found()
def score_checkpoints(
    run: str | Path,
    asked: Asked,
    *,
    watches: bool = False,
    told: Callable[[Row], None] = lambda row: None,
    noted: Callable[[str], None] = lambda note: None,
    pause: float = PAUSE,
) -> Curve:
    """Score each checkpoint of a run that has not been scored yet, the oldest first, and keep the scores.

    Args:
        run: The run's directory.
        asked: On what.
        watches: Wait for further checkpoints until the run is finished; else take those that there are.
        told: Is given each row, at once; those of earlier calls first.
        noted: Is given each remark, once.
        pause: Seconds between two looks.

    Raises:
        UsageError: If there is no run, or the folder is for other scores, or as `evaluate`.
        CheckpointError: If the run is not to be waited for, and has no checkpoint that can be scored.
        DataError: As `evaluate`, or if what the folder holds is damaged.
        WriteError: If the scores cannot be kept.
        LockedError: If another process scores the same checkpoints on the same images.
    """
    path = user_path(run)
    if not is_run(path):
        raise UsageError(
            f"{path} is no run's directory, and has no checkpoints that come one after the other",
            hint="A checkpoint or a file is scored by `eval` without --all and --watch.",
        )
    scoring = _Scoring(open_run(path), asked, told, noted)
    try:
        while True:
            is_finished = (
                scoring.run.is_finished
            )  # before the checkpoints are listed: the last one is there then
            for step, checkpoint in list_checkpoints(scoring.run.checkpoints):
                scoring.take(step, checkpoint)
            if is_finished or not watches:
                break
            time.sleep(pause)
    finally:
        scoring.close()
    return scoring.curve()


class _Scoring:
    """A run's checkpoints, one after the other; the data is opened once."""

    def __init__(
        self, run: RunDirectory, asked: Asked, told: Callable[[Row], None], noted: Callable[[str], None]
    ) -> None:
        self.run = run
        self._asked, self._told = asked, told
        self._noted = noted
        self._notes: dict[str, None] = {}
        self._opened: ScoredData | None = None
        self._kept: _Kept | None = None
        self._unusable: set[int] = set()

    def take(self, step: int, checkpoint: Path) -> None:
        """Score a checkpoint, unless it has been or cannot be."""
        if step in self._unusable or (self._kept is not None and step in self._kept.rows):
            return
        try:
            self._score(step, checkpoint)
        except CheckpointError as error:
            self._unusable.add(step)
            gone = f"{checkpoint.name} was removed before it could be scored: the run keeps fewer checkpoints"
            self._note(str(error.args[0]) if checkpoint.exists() else gone)

    def _score(self, step: int, checkpoint: Path) -> None:
        asked = self._asked
        trained = leaving_out(load_network(str(checkpoint), asked.weights, asked.device), asked.bad_samples)
        if self._opened is None:
            self._opened = open_scored(trained, asked.data, asked.choices)
        if self._kept is None:
            self._kept = self._keeping(trained, self._opened)
            for row in best_so_far(self._kept.rows.values()):
                self._told(row)
            if step in self._kept.rows:
                return
        workers = count_workers(asked.workers, trained.classifier.device)
        found = scored(
            trained, self._opened, asked.split, workers, 0.0, asked.engine, by_order=asked.by_order
        )
        for note in found.notes:
            self._note(note)
        self._told(self._kept.add({"kind": found.split, "step": step, **found.scores.row()}))

    def _keeping(self, trained: ScoredNetwork, opened: ScoredData) -> "_Kept":
        """Return where the rows are kept: where it was said, in the run, or in the working directory."""
        label = choose_split(trained, opened, self._asked.split).label
        about = _About(
            run=str(self.run.path.absolute()),
            identity=self.run.identity(),
            began=began(self.run),
            weights=str(trained.classifier.description.facts["weights"]),
            data=opened.source.name,
            fingerprint=opened.fingerprint_for(trained),
            split=label,
            by_order=self._asked.by_order,
        )
        if self._asked.out:
            out = user_path(self._asked.out)
            refuse_within(opened.source.folders, out)
            return _Kept(out, about, opened.source.has_fingerprint)
        name = folder_of(trained, opened, label).removeprefix(f"{trained.checkpoint}-")
        try:
            return _Kept(trained.home / f"curve-{name}", about, opened.source.has_fingerprint)
        except WriteError as error:
            self._note(f"the scores lie in the working directory: {error.args[0]}")
            return _Kept(trained.elsewhere / f"curve-{name}", about, opened.source.has_fingerprint)

    def _note(self, note: str) -> None:
        if note not in self._notes:
            self._notes[note] = None
            self._noted(note)

    def curve(self) -> Curve:
        """Return what is known now.

        Raises:
            CheckpointError: If that is nothing.
        """
        if self._kept is None:
            why = "; ".join(self._notes) or "none was written yet"
            raise CheckpointError(f"no checkpoint in {self.run.checkpoints} can be scored: {why}")
        rows, kept = tuple(best_so_far(self._kept.rows.values())), self._kept
        data, split = kept.about.data, kept.about.split
        return Curve(str(self.run.path), str(kept.out), data, split, rows, tuple(self._notes))

    def close(self) -> None:
        """Close the files."""
        if self._kept is not None:
            self._kept.close()


@dataclass(frozen=True, kw_only=True)
class _About:
    """What all rows of a folder are of."""

    run: str
    """Where it lies, for people: it may be moved."""
    identity: str
    began: float
    """When, in seconds since 1970: equal runs made twice, on other processors say, have other weights."""
    weights: str
    data: str
    """Its name, for people."""
    fingerprint: str
    split: str
    by_order: bool

    def claim(self, folder: Path, is_this_data: Callable[[str], bool]) -> None:
        """Write it into a folder that is for no rows yet.

        Args:
            folder: The folder.
            is_this_data: Whether a fingerprint, as some version made it, is that of the data.

        Raises:
            UsageError: If the folder is for rows of something else, or has rows and does not say of what.
            DataError: If what it holds is damaged.
            WriteError: If it cannot be written.
        """
        there = _read_about(folder / ABOUT)
        asked = f"asked for are those of {_in_words(asdict(self))}"
        hint = f"Name another folder with --out, or remove {ROWS} and {ABOUT} there if nobody needs them."
        if there is None:
            if read_rows(folder / ROWS):
                raise UsageError(
                    f"{folder} holds scores, and no {ABOUT} that says of what; {asked}", hint=hint
                )
            files.write_file(folder / ABOUT, to_json_bytes(asdict(self)))
        elif differing := [
            what for name, what in _DECIDING.items() if self._differs(there, name, is_this_data)
        ]:
            raise UsageError(
                f"{folder} is for the scores of {_in_words(there)}; {asked}, which differ in"
                f" {' and '.join(differing)}",
                hint=hint,
            )

    def _differs(self, there: Mapping[str, Any], name: str, is_this_data: Callable[[str], bool]) -> bool:
        """Return whether rows are of something else; when a run began is not always known."""
        then, now = there[name], getattr(self, name)
        if name == "fingerprint" and then and is_this_data(then):
            return False
        if name == "began" and (0.0 in (then, now) or there["identity"] != self.identity):
            return False
        return bool(then != now)


_DECIDING = {
    "identity": "the run",
    "began": "the moment at which it began",
    "weights": "the weights",
    "fingerprint": "the data",
    "split": "the split",
    "by_order": "how classes are matched",
}
"""What decides a checkpoint's scores, and what it is called."""


def _read_about(path: Path) -> dict[str, Any] | None:
    """Return the content of a folder's curve.json, None if there is none."""
    try:
        content = read_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}", hint=_DAMAGED) from error
    if isinstance(content, dict):
        content.setdefault("began", 0.0)  # as former versions wrote it
    kinds = field_types(_About)
    if not isinstance(content, dict) or any(type(content.get(name)) is not kinds[name] for name in kinds):
        raise DataError(f"{path} is damaged: it does not say what is scored here", hint=_DAMAGED)
    return content


_DAMAGED = "Name another folder with --out."


def _in_words(about: Mapping[str, Any]) -> str:
    by = "by order" if about["by_order"] else "by name"
    return (
        f"{about['run']} (identity {about['identity'][:8]}, {about['weights']}) on {about['split']} of"
        f" {about['data']} (fingerprint {about['fingerprint'][:8]}), classes {by}"
    )


class _Kept:
    """The rows in a folder: those of earlier calls, and more."""

    def __init__(self, out: Path, about: _About, is_this_data: Callable[[str], bool]) -> None:
        self.out, self.about = out, about
        files.make_directory(out.absolute(), within=files.run_above(out))
        holder = f"process {os.getpid()} on {platform.node()}, which scores checkpoints"
        self._lock = files.DirectoryLock(out, holder)  # so that each is scored once
        try:
            about.claim(out, is_this_data)
        except ResnetlabError:
            self._lock.release()
            raise
        self._journal = Journal(out / ROWS)
        self.rows: dict[int, Row] = {
            row["step"]: row
            for row in read_rows(out / ROWS)
            if row.get("kind") == about.split and _is_score(row)
        }
        self._events: EventFile | None = open_events(out / EVENTS, step=0)  # anew: one file holds them all
        for row in best_so_far(self.rows.values()):
            self._show(row)

    def add(self, row: Row) -> Row:
        """Keep a row; return it with the best accuracy up to it."""
        self._journal.add(row)
        self._journal.flush()
        self.rows[row["step"]] = row
        (told,) = (each for each in best_so_far(self.rows.values()) if each["step"] == row["step"])
        self._show(told)
        return told

    def _show(self, row: Row) -> None:
        if self._events is not None:
            self._events.add_row(row)

    def close(self) -> None:
        """Close the files."""
        self._journal.close()
        if self._events is not None:
            self._events.close()
        self._lock.release()


def _is_score(row: Mapping[str, Any]) -> bool:
    """Return whether a row is one of ours, whose numbers agree; a checkpoint without one is scored again."""
    counts = [row.get(name) for name in ("step", "correct", "seen")]
    if not all(map(is_count, counts)) or not (row["seen"] and is_number(row.get("loss"))):
        return False
    return row.get("accuracy") == row["correct"] / row["seen"] and is_share(row.get("accuracy_top_5"))


def best_so_far(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield rows by step, each with the best accuracy up to it."""
    ordered = sorted(rows, key=lambda row: row["step"])
    for row, best in zip(ordered, accumulate((row["accuracy"] for row in ordered), max), strict=True):
        yield {**row, "best_accuracy": best}
