"""Processes of a machine by number: whether one is still there, is stopped, is another by now.

Numbers are given anew, so that a process is known by its number and the time of its start.
"""

import contextlib
import functools
import os
import platform
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process of this machine or another."""

    pid: int
    started: str
    """As the system counts it; empty where it does not say."""
    machine: str
    """Which machine's numbers these are: two containers of one machine count apart."""

    @classmethod
    def own(cls) -> "Process":
        """Return the process that asks."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> "Process":
        """Return the process of this machine that has this number now."""
        return cls(pid, _facts(pid)[1], _machine())

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, one of this machine."""
        return self.machine == _machine()

    @property
    def is_gone(self) -> bool:
        """Whether it has ended; False for one of another machine."""
        if not self.is_here:
            return False
        state, started = _facts(self.pid)
        if state:
            return state in "ZX" or started != self.started
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return False

    @property
    def is_stopped(self) -> bool:
        """Whether a signal or a debugger stopped it."""
        return self.is_here and not self.is_gone and _facts(self.pid)[0] in ("T", "t")

    def send(self, number: int) -> None:
        """Send it a signal, if it is of this machine and has not ended."""
        if self.is_here and not self.is_gone:
            with contextlib.suppress(OSError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send(getattr(signal, "SIGKILL", signal.SIGTERM))


@functools.cache
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def _facts(pid: int) -> tuple[str, str]:
    """Return a process's state and start as Linux says them; empty where it does not, or it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", ""
    fields = text.rpartition(")")[2].split()  # after the name, in which anything may stand
    return fields[0], fields[19]
