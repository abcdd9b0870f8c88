"""The signals by which people, terminals and schedulers ask a program to end."""

import signal
import weakref
from collections.abc import Callable
from typing import TypeVar

ENDING_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
    if hasattr(signal, name)  # Windows has the first two
)
"""Ctrl-C; services, containers and schedulers; a terminal that closes; and what Slurm, Grid Engine and LSF
send some time before they kill (sbatch --signal, qsub -notify, bsub -wa, a soft limit of CPU time). Who
trains answers by saving. They come to whole groups of processes, so that workers do not answer at all."""
HANG_UP = getattr(signal, "SIGHUP", 0)
TIME_LIMIT = getattr(signal, "SIGXCPU", 0)
COMING_AGAIN = (HANG_UP, TIME_LIMIT)
"""What comes again by itself, and is never a second wish: a terminal that closes is told of by the kernel and
by the shell; and Linux says after every further second of CPU time that the soft limit is passed."""
_MEANINGS_OF_OTHERS = ("SIGUSR1", "SIGUSR2", "SIGXCPU")
_Handler = TypeVar("_Handler", bound=Callable[..., object])
_giving_way = weakref.WeakSet[Callable[..., object]]()


class Terminated(KeyboardInterrupt):
    """A signal came that asks the program to end, and is not Ctrl-C.

    Args:
        number: Which.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number, self.exit_code = number, 128 + number


def giving_way(handler: _Handler) -> _Handler:
    """Return a handler of ours, which whoever trains may replace while it does."""
    _giving_way.add(handler)
    return handler


def may_be_taken(number: int) -> bool:
    """Return whether a signal is ours to hear.

    A handler from outside Python could not be put back. Under nohup SIGHUP does not count. To SIGUSR1,
    SIGUSR2 and SIGXCPU others give meanings of their own, as submitit does: a handler of theirs stays.
    """
    handler = signal.getsignal(number)
    if handler is None or (number == HANG_UP and handler is signal.SIG_IGN):
        return False
    is_others = handler is not signal.SIG_DFL and handler not in _giving_way
    return not (is_others and signal.Signals(number).name in _MEANINGS_OF_OTHERS)
