"""Waiting for worker processes: not for one that was stopped, not when asked to leave, not for ever.

Whoever waits may be anywhere, in a read that knows no time limit too; so a thread looks on, and ends
the workers: then the wait ends with an error, and the watch knows why. The workers have nothing to lose.
"""

import atexit
import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

_LOOK_SECONDS = 0.25
_LAST_SECONDS = 1.0
_WORDS = {"D": "waits for a disk or the network", "T": "was stopped", "t": "was stopped by a debugger"}
"""The states of /proc/PID/stat that tell why no images come."""


@dataclass
class Patience:
    """How long to wait for the next batch from worker processes. Times in seconds of looking on.

    The time for which this process was itself stopped (Ctrl-Z) does not count.
    """

    is_asked_to_leave: Callable[[], bool] = lambda: False
    """Whether somebody waits for this process to end."""

    when_asked: float = 2.0
    with_stopped: float = 5.0
    """For a worker that was stopped, by SIGSTOP or a debugger."""

    most: float = 600.0


class Watch:
    """Looks on while a batch is waited for, and ends the workers when patience is over.

    Use as a context manager: the workers end with it.
    """

    def __init__(self, workers: Sequence[BaseProcess], patience: Patience) -> None:
        self._workers, self._patience = workers, patience
        self.reason = ""
        """Why the workers were ended, as a part of a sentence; empty if they were not."""
        self._number, self._is_waiting = 0, False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Self:
        _LIVING.add(self)
        if self._workers:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self.end_workers()
        _LIVING.discard(self)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """A batch is waited for inside."""
        self._number += 1
        self._is_waiting = True
        try:
            yield
        finally:
            self._is_waiting = False

    def has_dead(self) -> bool:
        """Return whether a worker has ended; one that is just ending is waited for."""
        for worker in self._workers:
            worker.join(0.5 / len(self._workers))
        return any(not worker.is_alive() for worker in self._workers)

    def end_workers(self) -> None:
        """Kill the workers that live; a stopped one hears nothing else, and none hears SIGTERM."""
        for worker in self._workers:
            # torch raises from a signal handler where a child of ours dies
            with contextlib.suppress(RuntimeError, ValueError, OSError):
                if worker.is_alive():
                    worker.kill()

    def _look_on(self) -> None:
        number, looks = 0, 0
        while not self._closed.wait(_LOOK_SECONDS):
            looks = looks + 1 if self._is_waiting and number == self._number else 0
            number = self._number
            if reason := self._why_no_longer(looks * _LOOK_SECONDS):
                self.reason = reason
                self.end_workers()
                return

    def _why_no_longer(self, waited: float) -> str:
        patience = self._patience
        if waited >= patience.when_asked and patience.is_asked_to_leave():
            return "no images came, and the command was asked to stop"
        if waited >= min(patience.with_stopped, patience.most):
            states = {worker.pid: _state(worker.pid) for worker in self._workers}
            told = [f"process {pid} {_WORDS[state]}" for pid, state in states.items() if state in _WORDS]
            is_stopped = any(state in "Tt" for state in states.values() if state)
            if is_stopped or waited >= patience.most:
                return f"no images came for {waited:.0f} s" + "".join(f"; {each}" for each in told)
        return ""


def _state(process: int | None) -> str:
    """Return a process's state as /proc says it, empty where that is not there."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


_LIVING: "weakref.WeakSet[Watch]" = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """End the workers of batches that nobody reads to the end, of a traceback's frames for instance.

    multiprocessing would wait for them at the end of the process, for ever. For the threads that wrote to
    workers nobody would wait: one that is cut off between two halves of giving back a lock leaves
    Python's warning of a leaked semaphore on the screen.
    """
    for watch in list(_LIVING):
        watch.end_workers()
    for thread in threading.enumerate():
        if thread.name == "QueueFeederThread":
            thread.join(_LAST_SECONDS)
