"""SIGTERM and its like end a command as Ctrl-C does: what is half written goes first."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from resnetlab.base.machine.signals import ENDING_SIGNALS, TIME_LIMIT, Terminated, giving_way

if TYPE_CHECKING:
    from resnetlab.base.pages.server import Server

PATIENCE_SECONDS = 5.0
_ANSWER_SECONDS = 3.0
"""That answers under way have to be given, when a server is ended."""
TERMINATED = 128 + signal.SIGTERM
"""The exit code after SIGTERM."""


@contextlib.contextmanager
def heard_signals() -> Iterator[None]:
    """Raise Terminated where SIGTERM or its like finds the main thread inside; a second one ends at once.

    So does the first after some seconds, if the way out is blocked, for instance by a thread that reads
    from a disk that does not answer. Where somebody else hears such a signal, or nobody is to, that stays.
    That the limit of CPU time is passed is told every second from then on: it is heard once.
    """
    left = threading.Event()

    @giving_way
    def hear(number: int, frame: FrameType | None) -> NoReturn:
        for each in ours:
            signal.signal(each, signal.SIG_IGN if each == TIME_LIMIT == number else signal.SIG_DFL)
        threading.Thread(target=_end_unless, args=(left, 128 + number), daemon=True).start()
        raise Terminated(number)

    is_main = threading.current_thread() is threading.main_thread()
    ours = [each for each in ENDING_SIGNALS if is_main and signal.getsignal(each) is signal.SIG_DFL]
    for each in ours:
        signal.signal(each, hear)
    try:
        yield
    finally:
        left.set()
        for each in ours:
            if signal.getsignal(each) is not signal.SIG_IGN:  # the time limit, once it was told
                signal.signal(each, signal.SIG_DFL)


def _end_unless(left: threading.Event, code: int) -> None:
    if not left.wait(PATIENCE_SECONDS):
        os._exit(code)


def served_until_stopped(server: "Server", *, opens: bool) -> None:
    """Serve until Ctrl-C or SIGTERM; answers that are under way are given before.

    Args:
        server: Who answers.
        opens: Whether a browser is opened.

    Raises:
        Terminated: At SIGTERM and its like; Ctrl-C is how a server is meant to end.
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
