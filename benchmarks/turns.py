"""Programs beside each other on one machine, each with the machine to itself for some seconds in turn.

A program works for ever and prints lines with the number of images done since the line before. It is started,
and warmed up, while the others are stopped with all their processes (SIGSTOP). A turn ends with a line, so
that it has whole steps. In turns a drift of the machine's speed meets all alike.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import linux

_PATIENCE = 900.0
"""Seconds without a line after which a program is given up: to compile a deep network takes minutes."""


class Ended(Exception):
    """A program ended, or said nothing for long: why."""


class Program:
    """A process group that works; it runs only while it is told to.

    Attributes:
        rates: Images per second of each turn.
        first_seconds: From its start to its first line, of the first step; 0 until then.
        before_bytes: The memory in use before the first step, as it tells it; 0 if it does not.
        beside: The largest share of the cores that other programs took in a turn.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.name, self.rates, self.first_seconds, self.before_bytes, self.beside = (
            name,
            list[float](),
            0.0,
            0,
            0.0,
        )
        self._images, self._lines, self._told_at, self._has_ended = 0, 0, 0.0, False
        self._heard = threading.Condition()
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            env=os.environ | environment, start_new_session=True,
        )  # fmt: skip
        self._group = linux.Group(self._process.pid)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def warm_up(self, steps: int, seconds: float = 0.0) -> None:
        """Let it run for so many lines and then so many seconds, and stop it.

        Raises:
            Ended: If it ends, or says nothing for long.
        """
        self._wait_for(lambda: self._lines >= steps)
        self._wait_for_line_after(time.perf_counter() + seconds)
        self._send(signal.SIGSTOP)
        self._group.forget_peak()

    def take_turn(self, seconds: float) -> None:
        """Let it run for so long, until the step that is under way is done; it is stopped before and after.

        Raises:
            Ended: If it ends, or says nothing for long.
        """
        of_all, own = linux.busy_seconds(), self._group.busy_seconds()
        images, began = self._images, time.perf_counter()
        self._send(signal.SIGCONT)
        images_then, told_at = self._wait_for_line_after(began + seconds)
        self._send(signal.SIGSTOP)
        of_others = linux.busy_seconds() - of_all - (self._group.busy_seconds() - own)
        passed = time.perf_counter() - began
        self.beside = max(self.beside, of_others / passed / (os.cpu_count() or 1))
        self.rates.append((images_then - images) / (told_at - began))

    def peak_bytes(self) -> int:
        """Return the most memory in use since it was warm."""
        return self._group.peak_bytes()

    def end(self) -> None:
        """End it with all its processes; once more does nothing."""
        if self._errors.closed:
            return
        self._send(signal.SIGKILL)
        self._process.wait()
        self._listener.join()
        assert self._process.stdout
        self._process.stdout.close()
        self._errors.close()

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            now, (first, *others) = time.perf_counter(), [*line.split(), ""]
            with self._heard:
                if first == "before" and others[0].isdigit():
                    self.before_bytes = int(others[0])
                if not first.isdigit():
                    continue
                self.first_seconds = self.first_seconds or now - self._started
                self._images, self._lines, self._told_at = self._images + int(first), self._lines + 1, now
                self._heard.notify_all()
        with self._heard:
            self._has_ended = True
            self._heard.notify_all()

    def _wait_for_line_after(self, moment: float) -> tuple[int, float]:
        """Wait for the first line after a moment; return the images until then and when it came."""
        self._wait_for(lambda: self._told_at >= moment)
        with self._heard:
            return self._images, self._told_at

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        with self._heard:
            came = self._heard.wait_for(lambda: self._has_ended or condition(), _PATIENCE)
            if self._has_ended:
                raise Ended(self._last_words())
        if not came:
            raise Ended(f"no step within {_PATIENCE:.0f} s")

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().splitlines() if line.strip()]
        return f"ended with {code}: {lines[-1][:200]}" if lines else f"ended with {code}"


@contextlib.contextmanager
def ending(programs: Sequence[Program]) -> Iterator[None]:
    """End all that are in the list when this is left, also by a signal that asks for it."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    former = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for program in programs:
            program.end()
        for number, handler in former.items():
            signal.signal(number, handler)
