"""Signals become one flag that every loop polls."""

import signal
import threading
from types import FrameType, TracebackType

from resnetlab.data.loader import TRAINERS_SIGNALS


class Interrupt:
    """While it is entered, the first signal sets a flag; the second acts as it did before.

    So a first Ctrl-C finishes the step and saves, and a second one leaves at once. Several runs may
    share one: it may be entered anew while it is, and outside the main thread, where Python delivers
    no signals, entering it changes nothing.
    """

    def __init__(self) -> None:
        self.signal_name = ""
        self._before: dict[int, object] = {}
        self._depth = 0

    @property
    def is_requested(self) -> bool:
        """Whether a signal has come."""
        return bool(self.signal_name)

    def __enter__(self) -> "Interrupt":
        if _is_main():
            if self._depth == 0:
                self._before = {number: signal.signal(number, self._note) for number in TRAINERS_SIGNALS}
            self._depth += 1
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal_name = signal.Signals(number).name
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _is_main():
            self._depth -= 1
            if self._depth == 0:
                self._restore()


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()
