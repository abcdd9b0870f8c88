"""SIGTERM ends a command as Ctrl-C does: what is half written goes first."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@contextlib.contextmanager
def heard_sigterm() -> Iterator[None]:
    """Raise Terminated where SIGTERM finds the main thread inside; a second one ends the process at once.

    Where somebody else hears SIGTERM, or nobody is to, that stays.
    """
    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if is_ours:
        signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise Terminated
