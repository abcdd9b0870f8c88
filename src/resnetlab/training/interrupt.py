"""Signals become one flag that every loop polls."""

import signal
import threading
from types import FrameType, TracebackType

from resnetlab.data.loader import TRAINERS_SIGNALS


class Interrupt:
    """While it is entered, the first signal sets a flag; the second acts as it did before.

    So a first Ctrl-C finishes the step and saves, and a second one leaves at once. Outside the
    main thread, where Python delivers no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.signal_name = ""
        self._before: dict[int, object] = {}

    @property
    def is_requested(self) -> bool:
        """Whether a signal has come."""
        return bool(self.signal_name)

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in TRAINERS_SIGNALS}
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
        self._restore()
