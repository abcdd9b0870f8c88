"""One process writes into a directory, whatever becomes of the file that says so."""

import errno
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from resnetlab.base import files, locks
from resnetlab.base.files import DirectoryLock
from resnetlab.errors import LockedError, WriteError
from resnetlab.runs.directory import RunDirectory, claim_new, lock_run
from resnetlab.training.observer import Observer
from resnetlab.training.run import train_plan
from tests.kit.processes import Command
from tests.kit.small_runs import small_plan

HOLDER = "process 4711 on here"


@pytest.fixture
def without_directory_locks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A file system on which only files can be locked, as NFS."""
    flock = fcntl.flock

    def only_files(descriptor: int, operation: int) -> None:
        if os.path.isdir(f"/dev/fd/{descriptor}"):
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(descriptor, operation)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", only_files)
        yield


def test_with_its_file_removed_a_lock_still_holds(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path, HOLDER) as held:
        (tmp_path / "lock").unlink()

        with pytest.raises(LockedError, match="in use by another process"):
            lock_run(tmp_path)
        with pytest.raises(LockedError):
            files.refuse_locked(tmp_path)
        assert not (tmp_path / "lock").exists()

        held.check()  # as at each save: the file is there again
        with pytest.raises(LockedError, match=HOLDER):
            lock_run(tmp_path)
    lock_run(tmp_path).release()


def test_where_directories_cannot_be_locked_the_file_is(
    tmp_path: Path, without_directory_locks: None
) -> None:
    with DirectoryLock(tmp_path, HOLDER) as held:
        with pytest.raises(LockedError, match=HOLDER):
            DirectoryLock(tmp_path, "process 2")
        (tmp_path / "lock").unlink()
        with DirectoryLock(tmp_path, "process 2"), pytest.raises(LockedError, match="in use by process 2"):
            held.check()
        held.check()  # the other one has ended
        assert (tmp_path / "lock").read_text() == HOLDER
    assert (tmp_path / "lock").read_text() == ""


def test_a_process_of_version_0_1_0_which_locks_the_file_alone_is_respected(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("a+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(b"process 17 on there, since then")
        stream.flush()
        with pytest.raises(LockedError, match="process 17 on there"):
            DirectoryLock(tmp_path, HOLDER)
        with pytest.raises(LockedError, match="process 17 on there"):
            files.refuse_locked(tmp_path)
    DirectoryLock(tmp_path, HOLDER).release()


def test_a_file_that_is_removed_between_opening_and_locking_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_own, removed = locks.open_own, []

    def opened_and_removed(path: Path, flags: int) -> int:
        descriptor = open_own(path, flags)
        if not removed:
            path.unlink()
            removed.append(path)
        return descriptor

    with monkeypatch.context() as patch:
        patch.setattr(locks, "open_own", opened_and_removed)
        lock = DirectoryLock(tmp_path, HOLDER)

    assert removed
    assert (tmp_path / "lock").read_text() == HOLDER
    lock.release()


@pytest.mark.parametrize("what", ["moved", "removed", "replaced"])
def test_a_directory_that_is_moved_or_removed_is_noticed(what: str, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    with DirectoryLock(directory, HOLDER) as held:
        held.check()
        if what == "removed":
            (directory / "lock").unlink()
            directory.rmdir()
        else:
            directory.rename(tmp_path / "elsewhere")
        if what == "replaced":
            directory.mkdir()
        with pytest.raises(WriteError, match="was removed or moved away"):
            held.check()


class AtStep(Observer):
    """Does something to the run's directory when a step is reached."""

    def __init__(self, step: int, act: object) -> None:
        self.step, self.act = step, act

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        if step == self.step:
            assert callable(self.act)
            self.act()


def test_a_run_that_is_moved_while_it_runs_ends_at_the_next_save_and_leaves_nothing_at_the_old_place(
    tmp_path: Path,
) -> None:
    run, moved = tmp_path / "run", tmp_path / "moved"
    plan = small_plan(length="8st", checkpoint_every=2)

    with pytest.raises(WriteError, match="was removed or moved away") as error:
        train_plan(plan, run, AtStep(3, lambda: run.rename(moved)))

    assert error.value.exit_code == 74
    assert not run.exists()
    assert (moved / "checkpoints" / "step-00000002").is_dir()
    assert not (moved / "checkpoints" / "step-00000004").exists()


def test_a_run_goes_on_when_its_lock_file_or_its_checkpoints_are_taken_away(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")

    def act() -> None:
        (run.path / "lock").unlink()
        run.checkpoints.rename(tmp_path / "kept")

    result = train_plan(small_plan(length="4st", checkpoint_every=2), run.path, AtStep(3, act))

    assert result.step == 4
    assert (run.checkpoints / "step-00000004").is_dir()
    assert (tmp_path / "kept" / "step-00000002").is_dir()


def test_a_second_process_does_not_get_in_when_somebody_removes_the_lock_file(tmp_path: Path) -> None:
    """With real processes: one trains, its lock file is removed, another wants to go on with the run."""
    run = tmp_path / "run"
    first = Command(
        "train", "resnet8", "--data", "digits", "--steps", "100000", "--checkpoint-every", "3",
        "--set", "width=0.25", "--set", "compile=off", "--out", str(run),
    )  # fmt: skip
    try:
        assert first.wait_until(lambda: list(run.glob("checkpoints/step-*")))
        first.send(signal.SIGSTOP)
        (run / "lock").unlink()
        rows = (run / "metrics.jsonl").read_bytes()

        Command("resume", str(run)).finish(code=6)

        assert (run / "metrics.jsonl").read_bytes() == rows
        first.send(signal.SIGCONT)
        assert first.wait_until((run / "lock").exists)  # made anew at the next save
        first.send(signal.SIGTERM)
        first.finish(code=75)
    finally:
        first.kill()


def test_claiming_a_directory_holds_its_lock(tmp_path: Path) -> None:
    with claim_new(tmp_path / "run"), pytest.raises(LockedError):
        claim_new(tmp_path / "run")
