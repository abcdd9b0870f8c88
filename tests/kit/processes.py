"""Processes of ours for tests in which they are the point: to be killed, stopped and signalled, or apart.

On Linux they are forks of a process that has imported torch (see `preloaded`): 0.1 s instead of 2. That
these do what processes started anew do, `test_processes.py` checks; elsewhere they are started anew.
"""

import atexit
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
CAN_FORK = sys.platform == "linux"
_SECONDS = 300.0
_ROOT = Path(__file__).parents[2]


class Process(Protocol):
    """What `subprocess.Popen` and a fork have in common."""

    pid: int

    def poll(self) -> int | None:
        """Return how it ended: its exit code, or minus the signal; None while it runs."""


class Command:
    """A command that was begun: `resnetlab ARGUMENTS`; what it prints is in a file, or goes to a terminal."""

    def __init__(
        self,
        *arguments: str,
        module: str = "resnetlab",
        starts_anew: bool = False,
        terminal: int | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
        **more: str,
    ) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115
        start = _started if starts_anew or not CAN_FORK else _forked
        stream = self._output.fileno() if terminal is None else terminal
        self.process = start(
            [module, *arguments], (stream, stream), {**os.environ, **ONE_THREAD, **environment, **more}
        )
        self.pid = self.process.pid

    def poll(self) -> int | None:
        """Return how it ended: its exit code, or minus the signal; None while it runs."""
        return self.process.poll()

    def send(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, number)

    def wait_until(self, condition: Callable[[], object]) -> bool:
        """Wait until the condition holds, and return True, or the process has ended, and return False."""
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            if condition():
                return True
            if self.poll() is not None:
                return False
            time.sleep(0.001)
        raise AssertionError("neither in time")

    def end(self) -> int:
        """Wait for its end, and return how it ended."""
        self.wait_until(lambda: False)
        code = self.poll()
        assert code is not None
        return code

    def kill(self) -> int:
        """End it by SIGKILL, and return how it ended."""
        self.send(signal.SIGKILL)
        return self.end()

    def output(self) -> str:
        """Return what it has printed."""
        self._output.seek(0)
        return self._output.read().decode()

    def finish(self, code: int = 0) -> str:
        """Wait for its end, see that it ends so, and return what it printed."""
        assert self.end() == code, self.output()
        return self.output()


class Forked:
    """A fork in the place of what `subprocess` starts; what it printed is read when it has ended."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self.args, self.returncode = arguments, -1
        self._output, self._errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        streams = self._output.fileno(), self._errors.fileno()
        self._process = _forked(arguments, streams, environment)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait for its end, and return what it printed as output and as errors."""
        output, errors = self.printed(timeout)
        return output.decode(), errors.decode()

    def printed(self, timeout: float) -> tuple[bytes, bytes]:
        """Do what `communicate` does, of whatever bytes it printed."""
        deadline = time.monotonic() + timeout
        while (code := self._process.poll()) is None:
            if time.monotonic() > deadline:
                self.kill()
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.001)
        self.returncode = code
        for stream in (self._output, self._errors):
            stream.seek(0)
        return self._output.read(), self._errors.read()

    def kill(self) -> None:
        """End it, if it has not ended."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)


def run_forked(
    command: Sequence[str], *, capture_output: bool, timeout: float, check: bool
) -> "subprocess.CompletedProcess[bytes]":
    """Do what `subprocess.run` does with [python, "-P", "-m", MODULE, ...]."""
    assert [*command[1:3], capture_output, check] == ["-P", "-m", True, False]
    process = Forked(command[3:], os.environ)
    printed = process.printed(timeout)
    return subprocess.CompletedProcess(command, process.returncode, *printed)


def popen_forked(command: Sequence[str], *, env: Mapping[str, str], text: bool, **streams: int) -> Forked:
    """Do what `subprocess.Popen` does with [python, "-P", "-m", MODULE, ...] whose end is waited for."""
    assert command[1:3] == ["-P", "-m"] and text, (command, streams)
    return Forked(command[3:], env)


def _started(command: Sequence[str], streams: tuple[int, int], environment: dict[str, str]) -> Process:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", *command],
        stdin=subprocess.DEVNULL, stdout=streams[0], stderr=streams[1], env=_with_tests(environment),
        preexec_fn=_hear_signals,
    )  # fmt: skip


def _with_tests(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment of a process that finds `tests`, as the one that forks does."""
    return environment | {"PYTHONPATH": os.pathsep.join([environment.get("PYTHONPATH", ""), str(_ROOT)])}


def _hear_signals() -> None:
    """Undo what nohup and a background job of a shell leave ignored."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def _forked(command: Sequence[str], streams: tuple[int, int], environment: Mapping[str, str]) -> Process:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    request = {"arguments": [*command], "folder": os.getcwd(), "environment": {**environment}}
    with theirs, open(os.devnull) as nothing:
        descriptors = [nothing.fileno(), *streams, theirs.fileno()]
        socket.send_fds(_preloaded(), [json.dumps(request).encode()], descriptors)
    return _Fork(ours)


class _Fork:
    def __init__(self, answers: socket.socket) -> None:
        self._answers = answers
        self._code: int | None = None
        self.pid = int(answers.recv(32))
        answers.setblocking(False)

    def poll(self) -> int | None:
        if self._code is None:
            with contextlib.suppress(BlockingIOError):
                self._code = int(self._answers.recv(32))
        return self._code


@functools.cache
def _preloaded() -> socket.socket:
    """Begin the process that forks, and return where it takes requests."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = Path(__file__).with_name("preloaded.py")
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", str(program), str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=os.environ | ONE_THREAD,
            start_new_session=True,
        )  # fmt: skip

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours
