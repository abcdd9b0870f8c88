"""SIGTERM ends a command as Ctrl-C does: what is half written goes first."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from resnetlab.base.pages.server import Server

PATIENCE_SECONDS = 5.0
_ANSWER_SECONDS = 3.0
"""That answers under way have to be given, when a server is ended."""
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


def served_until_stopped(server: "Server", *, opens: bool) -> None:
    """Serve until Ctrl-C or SIGTERM; answers that are under way are given before.

    Args:
        server: Who answers.
        opens: Whether a browser is opened.

    Raises:
        Terminated: At SIGTERM; Ctrl-C is how a server is meant to end.
    """
    sys.stdout.flush()  # where it is has been said, and whoever reads it waits
    if opens:
        import webbrowser

        webbrowser.open(server.url)
    try:
        server.serve_forever()
    except KeyboardInterrupt as stop:
        server.finish(_ANSWER_SECONDS)
        if isinstance(stop, Terminated):
            raise
