"""What training tells whoever watches, and what it is told: signals become one flag that every loop polls."""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any

from resnetlab.base.machine.signals import COMING_AGAIN, ENDING_SIGNALS, TIME_LIMIT, may_be_taken
from resnetlab.parallel.world import World


class Observer:
    """Told of everything that a person may want to see, in the order it happens; this one shows nothing."""

    def begin(self, facts: Mapping[str, str], *, step: int, num_steps: int) -> None:
        """Training starts, or goes on after `step` updates; `facts` are what to show of the run."""

    def past(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Training goes on, and these rows are in metrics.jsonl already; told once, after `begin`."""

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        """Update `step` was made; the run has seen `samples` images in `seconds` of updates."""

    def lately(self, *, loss: float, accuracy: float) -> None:
        """The last updates had this mean loss (nats) and share of right answers, on their training batches.

        They are those of the last one to two rows of training, as far as that is known without waiting for
        the device: after each update on a CPU, else after each such row.
        """

    def train_row(self, row: Mapping[str, Any]) -> None:
        """A row of training was written to metrics.jsonl: step, learning_rate, train_loss, train_accuracy."""

    def evaluating(self, done: int, total: int) -> None:
        """`done` of `total` samples were evaluated."""

    def row(self, row: Mapping[str, Any]) -> None:
        """A row of evaluation was written to metrics.jsonl.

        It has beside what stands there the run's `samples` and `seconds` of updates so far, `peak_memory` in
        bytes (0 if unknown), `is_best`, and with images from files `wait`, the share of the time since the
        row before in which training waited for them.
        """

    def note(self, text: str) -> None:
        """Something happened that is worth a line."""

    def ended(self, result: Mapping[str, Any]) -> None:
        """The run came to its end; `result` is what RESULT.json says."""

    def stopped(self, error: BaseException) -> None:
        """The run stopped before its end, by a signal or a mistake."""

    def own_note(self, text: str) -> None:
        """Something happened in this process, of several that make the run, that is worth a line."""
        self.note(text)


class Silence(Observer):
    """An observer by name, for who wants to see nothing."""


class Aside(Observer):
    """Of a process that is not the first of several: what all know is the first one's to show.

    Args:
        observer: Who is told what only this process knows.
        name: What to call this process.
    """

    def __init__(self, observer: Observer, name: str) -> None:
        self._observer, self._name = observer, name

    def own_note(self, text: str) -> None:
        """Tell it, with the name of this process."""
        self._observer.own_note(f"{self._name}: {text}")


def as_seen_by(observer: Observer, world: World) -> Observer:
    """Return who watches a run in this one of the processes that make it."""
    return observer if world.is_first else Aside(observer, world.name)


_Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None
_ECHO_SECONDS = 5.0


class Interrupt:
    """While it is entered, the first signal sets a flag; the second acts as it did before.

    So a first Ctrl-C finishes the step and saves, and a second one leaves at once. A terminal that closes
    and a limit of CPU time that is passed are no second one (see `COMING_AGAIN`); the latter, once it was
    told, is ignored from then on, so that there is time to leave. Several runs may share one: it may be
    entered anew while it is, and outside the main thread, where Python delivers no signals, entering it
    changes nothing. What is not ours to hear stays as it is (see `may_be_taken`).

    What follows within some seconds in one of several processes is the same signal again: from torchrun,
    which hands on what the system has sent to each process, for instance as a service or a job ends.
    """

    def __init__(self) -> None:
        self.signal_name = ""
        self.is_shared = False
        """Whether all processes know of the signal, and leave what they do at the same place."""
        self._heard_at = 0.0
        self._before: dict[int, _Handler] = {}
        self._depth = 0

    @property
    def is_requested(self) -> bool:
        """Whether a signal has come."""
        return bool(self.signal_name)

    def share(self, world: World) -> bool:
        """Return whether any process has heard a signal, and take note of it; the same at each of them."""
        heard = next(filter(None, world.gather(self.signal_name)), "")
        self.signal_name = self.signal_name or heard
        self.is_shared = bool(heard)
        return self.is_shared

    def __enter__(self) -> "Interrupt":
        if _is_main():
            if self._depth == 0:
                ours = filter(may_be_taken, ENDING_SIGNALS)
                self._before = {number: signal.signal(number, self._note) for number in ours}
            self._depth += 1
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        is_second = bool(self._heard_at)
        if number == TIME_LIMIT:
            self._before[number] = signal.SIG_IGN
        if is_second and (number in COMING_AGAIN or time.monotonic() - self._heard_at < _ECHO_SECONDS):
            return
        self.signal_name = self.signal_name or signal.Signals(number).name
        self._heard_at = time.monotonic()
        if is_second or "RANK" not in os.environ:
            self._restore(but=COMING_AGAIN)
        if is_second:
            signal.raise_signal(number)

    def _restore(self, but: Sequence[int] = ()) -> None:
        for number, handler in self._before.items():
            if number not in but:
                signal.signal(number, handler)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _is_main():
            self._depth -= 1
            if self._depth == 0:
                self._restore()


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()
