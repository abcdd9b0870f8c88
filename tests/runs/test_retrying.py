"""T06 of the fault list: an error of the disk that passes is not the end of a run; one that stays is."""

import errno
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from resnetlab.base import files
from resnetlab.base.units import Duration
from resnetlab.errors import WriteError
from resnetlab.runs import retrying
from resnetlab.runs.checkpoint import load_newest
from resnetlab.runs.directory import RunDirectory, claim_new
from resnetlab.runs.journal import Journal, read_rows
from resnetlab.runs.record import RunRecord
from resnetlab.training.observer import Observer
from resnetlab.training.session import start
from tests.kit.small_runs import final_bytes, small_plan, train, train_whole


class Notes(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        """Keep it."""
        self.texts.append(text)


def _plan() -> Any:
    return small_plan(length="3st", checkpoint_every=1, log_every=1)


def _train(out: Path, observer: Observer, monkeypatch: pytest.MonkeyPatch, flush: Any) -> RunDirectory:
    """Train while `flush` stands for the system's own fsync."""
    with claim_new(out):
        trainer = start(_plan(), RunDirectory(out), observer)
        with monkeypatch.context() as patch:
            patch.setattr(files.os, "fsync", flush)
            try:
                train(trainer)
            finally:
                patch.undo()
                trainer.close()
    return RunDirectory(out)


def test_each_file_and_directory_may_fail_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train_whole(tmp_path / "whole", _plan())
    monkeypatch.setattr(retrying, "PAUSES", (0.0,) * 20)
    really, tries, notes = os.fsync, Counter[str](), Notes()

    def fails_first(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        tries[path] += 1
        if tries[path] == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        really(descriptor)

    run = _train(tmp_path / "run", notes, monkeypatch, fails_first)

    assert final_bytes(run, 3) == final_bytes(whole, 3)
    told = [row["problem"] for row in read_rows(run.events) if row["event"] == "tried-again"]
    assert len(told) == len(tries) > 15  # the journal, its copy, and of each checkpoint files and directories
    assert [text for text in notes.texts if "tried again" in text] == told
    assert all(text.startswith("It was tried again after 0 s: could not write") for text in told)
    assert not list(run.path.rglob(".*"))


def test_each_record_of_tensorboard_may_fail_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But the two with which the file begins, before there is a step to lose."""
    pytest.importorskip("tensorboard")
    plan = small_plan(length="7st", checkpoint_every=7, log_every=1, histogram_every=Duration(7, "st"))
    whole = train_whole(tmp_path / "whole", plan)
    monkeypatch.setattr(retrying, "PAUSES", (0.0,))
    really, opened = os.fdopen, []

    class Failing:
        """The end of an event file that takes every record at the second try."""

        def __init__(self, stream: Any) -> None:
            self._stream, self.tries = stream, 0

        def write(self, record: bytes) -> int:
            self.tries += 1
            if self.tries > 2 and self.tries % 2:
                self._stream.write(record[:9])
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return int(self._stream.write(record))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

    def opens(descriptor: int, *how: Any, **more: Any) -> Any:
        stream = really(descriptor, *how, **more)
        if "tfevents" not in os.readlink(f"/proc/self/fd/{descriptor}"):
            return stream
        opened.append(Failing(stream))
        return opened[-1]

    monkeypatch.setattr(files.os, "fdopen", opens)
    run = train_whole(tmp_path / "run", plan)
    RunRecord(run, keep=1, step=7, metrics_length=run.metrics.stat().st_size).finish({})
    monkeypatch.undo()

    kept, expected = ([(event.step, tag) for event in _tensorboard(each) for tag in _tags(event)]
                      for each in (run, whole))  # fmt: skip
    assert kept == [*expected, (0, "_hparams_/session_end_info")]
    tags = {tag for _, tag in kept}
    assert {"training_images", "train_loss", "images_per_second", "fc.weight"} <= tags
    told = [row for row in read_rows(run.events) if row["event"] == "tried-again"]
    assert [len(opened), sum(file.tries for file in opened)] == [2, 4 + 2 * len(told)]
    assert len(_tensorboard(run)) == 4 + len(told)


def _tensorboard(run: RunDirectory) -> list[Any]:
    """Return the events of a run's event files."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    paths = sorted(run.tensorboard.iterdir())
    return [event for path in paths for event in EventFileLoader(str(path)).Load()]


def _tags(event: Any) -> list[str]:
    return [value.tag for value in event.summary.value]


@pytest.mark.parametrize(("number", "tries"), [(errno.EIO, 3), (errno.ESTALE, 3), (errno.ENOSPC, 1)])
def test_what_does_not_pass_ends_the_run_with_what_was_saved(
    number: int, tries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "PAUSES", (0.0, 0.0))
    really = os.fsync
    fired: list[str] = []

    def fails_from_the_second_save_on(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if (tmp_path / "run" / "checkpoints" / "step-00000001").exists() and path.endswith("metrics.jsonl"):
            fired.append(path)
        if fired:
            raise OSError(number, os.strerror(number))
        really(descriptor)

    with pytest.raises(WriteError, match=os.strerror(number)):
        _train(tmp_path / "run", Observer(), monkeypatch, fails_from_the_second_save_on)

    newest, problems = load_newest(tmp_path / "run" / "checkpoints")
    assert newest is not None and (newest.step, problems) == (1, [])
    told = [row for row in read_rows(tmp_path / "run" / "events.jsonl") if row["event"] == "tried-again"]
    assert fired and len(told) == tries - 1


def test_a_record_that_was_half_written_is_written_over(tmp_path: Path) -> None:
    class Half:
        """The end of a file, at which the first write is cut off."""

        def __init__(self, stream: Any) -> None:
            self._stream, self.is_first = stream, True

        def write(self, record: bytes) -> int:
            if self.is_first and len(record) < 5:
                self.is_first = False
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return int(self._stream.write(record[:9] if self.is_first else record))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

    journal = Journal(tmp_path / "metrics.jsonl")
    journal.add({"step": 1})
    journal._appender._stream = Half(journal._appender._stream)  # type: ignore[assignment]
    with pytest.raises(WriteError):
        journal.add({"step": 2})
    assert (tmp_path / "metrics.jsonl").read_bytes() == b'{"step": 1}\n{"step": '

    journal.add({"step": 2})
    journal.flush()

    assert read_rows(tmp_path / "metrics.jsonl") == [{"step": 1}, {"step": 2}]
    assert journal.length == (tmp_path / "metrics.jsonl").stat().st_size


def test_a_journal_that_was_changed_is_not_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "metrics.jsonl")
    journal.add({"step": 1})
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
        with pytest.raises(WriteError, match="broken"):
            journal.flush()
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 7}\n')

    with pytest.raises(WriteError, match="is not what was written"):
        journal.flush()
