"""SIGTERM ends a command as Ctrl-C does: what is half written goes first."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

PATIENCE_SECONDS = 5.0
TERMINATED = 128 + signal.SIGTERM
"""The exit code."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""

    exit_code = TERMINATED


@contextlib.contextmanager
def heard_sigterm() -> Iterator[None]:
    """Raise Terminated where SIGTERM finds the main thread inside; a second one ends the process at once.

    So does the first after some seconds, if the way out is blocked, for instance by a thread that reads
    from a disk that does not answer. Where somebody else hears SIGTERM, or nobody is to, that stays.
    """
    left = threading.Event()

    def hear(number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        threading.Thread(target=_end_unless, args=(left,), daemon=True).start()
        raise Terminated

    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if is_ours:
        signal.signal(signal.SIGTERM, hear)
    try:
        yield
    finally:
        left.set()
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end_unless(left: threading.Event) -> None:
    if not left.wait(PATIENCE_SECONDS):
        os._exit(TERMINATED)
