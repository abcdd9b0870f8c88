"""One study, several processes, on one machine or many: a run is made by whoever holds its directory's lock.

The study's own lock is held for moments: while study.json is written, or is read and what killed processes
left is removed.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from resnetlab.base import files
from resnetlab.data.sources.leftovers import refuse_within
from resnetlab.errors import LockedError, UsageError
from resnetlab.parallel.world import World
from resnetlab.runs.directory import RunDirectory, claim_new_or_begun, is_run, lock_run
from resnetlab.training.planning import RunPlan
from resnetlab.training.run import held
from resnetlab.training.studies.rows import (
    RowRecord,
    claim_study,
    grown,
    is_study,
    read_rows_of,
    refuse_no_study,
    refuse_other_rows,
    write_rows,
)

_Found = TypeVar("_Found")

_PATIENCE, _PAUSE = 30.0, 0.1
"""Seconds until what is held for moments is taken for held by a process that has stopped, or by 0.1.0."""


class InUse(Exception):
    """Another process has a run's lock; says which."""


def begin_study(path: Path, rows: Mapping[str, RunPlan]) -> bool:
    """Write down the study of these runs, unless one is at `path`; return whether this process has.

    Raises:
        UsageError: If `path` holds anything else.
        LockedError: If another process is using it for longer than writing it down takes.
    """
    while not is_study(path):
        try:
            _patiently(lambda: claim_study(path, rows)).release()
        except UsageError:
            if not is_study(path):  # else another process was quicker
                raise
        else:
            return True
    return False


def finds_study(path: Path) -> bool:
    """Return whether a study lies at `path`, where others may be writing it down just now; changes nothing.

    Raises:
        UsageError: If `path` holds anything else.
        LockedError: If another process is using it for longer than writing it down takes.
        WriteError: If none can be made there.
    """
    while not is_study(path):
        try:
            _patiently(lambda: refuse_no_study(path))
        except UsageError:
            if not is_study(path):  # else another process was quicker
                raise
        else:
            return False
    return True


def open_study(
    path: Path, asked: Mapping[str, RunPlan] | None = None, *, grows: bool = False
) -> list[RowRecord]:
    """Return the runs of the study at `path`; what killed processes left there is removed.

    Args:
        path: Its directory.
        asked: The runs that it must consist of; None takes any.
        grows: Whether it may have more runs than these, and gets those of them that it lacks.

    Raises:
        UsageError: If it consists of others, with what differs.
        DataError: If its record is damaged.
        LockedError: If another process is using it for longer than reading takes.
    """
    with study_lock(path) as lock:
        records = read_rows_of(path)
        if asked is not None:
            refuse_other_rows(path, records, asked, grows=grows)
        study = RunDirectory(path, lock)
        study.remove_leftovers()
        if asked is not None and len(more := grown(records, asked)) > len(records):
            write_rows(study, records := more)
    return records


@contextlib.contextmanager
def held_row(run: RunDirectory, folders: Iterable[str], world: World) -> Iterator[RunDirectory]:
    """Give a run with the lock of its directory, which is made if it is not there; as `training.run.held`.

    Args:
        run: The run.
        folders: Of its data, in which it must not begin.
        world: The processes that are to make it together.

    Raises:
        InUse: If another process has it.
        UsageError: If its directory holds anything that is no run.
    """

    def claim() -> files.DirectoryLock:
        if not is_run(run.path):
            refuse_within(folders, run.path)
        return claim_new_or_begun(run.path)

    with contextlib.ExitStack() as stack:
        try:
            lock = stack.enter_context(held(claim, world))
        except LockedError as error:
            raise InUse(error.args[0]) from error
        yield replace(run, lock=lock)


def study_lock(path: Path) -> files.DirectoryLock:
    """Return the study's own lock, to be held for moments, once others have let it go.

    Raises:
        LockedError: If another process is using it for longer.
    """
    return _patiently(lambda: lock_run(path))


def _patiently(take: Callable[[], _Found]) -> _Found:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return take()
        except LockedError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE)
