"""The exception tree. Each class carries the exit code its command ends with.

A message for users says what is wrong (with the value), where, and what to do. Our own mistakes
are `assert`s; they never reach this tree.

    ResnetlabError
    ├── UsageError        2   an argument, a name, a recipe or a spec that cannot be
    ├── DataError         3   data that is missing, damaged or not what it says
    ├── DivergedError     4   a number that stopped being finite
    ├── CheckpointError   5   a checkpoint that cannot be used
    ├── LockedError       6   a run directory in use by another process
    ├── OutOfMemory      71   memory that the system or the device did not give (EX_OSERR)
    ├── WriteError       74   a file that could not be written (EX_IOERR)
    └── Interrupted      75   stopped on request, resumable (EX_TEMPFAIL)
        └── LostProcess       another process of the run was killed, stopped or lost; resumable
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence


class ResnetlabError(Exception):
    """What a user can mend. `hint` says how, on a line of its own."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\n{self.hint}" if self.hint else message


class UsageError(ResnetlabError):
    """An argument, a name, a recipe or a model specification that cannot be."""

    exit_code = 2


class DataError(ResnetlabError):
    """Data that is missing, damaged, or not what it claims to be."""

    exit_code = 3


class DivergedError(ResnetlabError):
    """A loss, gradient or parameter that stopped being a finite number."""

    exit_code = 4


class CheckpointError(ResnetlabError):
    """A checkpoint that cannot be read, verified or matched with the model."""

    exit_code = 5


class LockedError(ResnetlabError):
    """A run directory that another process is using."""

    exit_code = 6


class OutOfMemory(ResnetlabError):
    """More memory was asked for than the system or the device had."""

    exit_code = 71


class WriteError(ResnetlabError):
    """A file that could not be written: full disk, missing right, broken device."""

    exit_code = 74


class Interrupted(ResnetlabError):
    """Stopped by a signal after saving; the run can be resumed."""

    exit_code = 75


class LostProcess(Interrupted):
    """Another process of the same run was killed, stopped or lost; the run can be resumed."""


def nearest(name: str, known: Iterable[str], *, most: int = 3) -> str:
    """Return "Did you mean A or B?" for the known names nearest to `name`, or an empty string."""
    matches = difflib.get_close_matches(name, list(known), n=most, cutoff=0.51)  # half is chance
    return f"Did you mean {' or '.join(matches)}?" if matches else ""


def one_of(what: str, given: object, known: Sequence[str], meant: Mapping[str, str] | None = None) -> None:
    """Raise UsageError if `given` is none of the known names, with the nearest one.

    Args:
        what: The argument, for the message.
        given: What was given for it.
        known: What it can be.
        meant: What people call these, where the letters do not tell.
    """
    if given in known:
        return
    other = (meant or {}).get(str(given).casefold(), str(given).casefold())
    hint = f"Did you mean {other}?" if other in known else nearest(str(given), known, most=1)
    raise UsageError(f"{what} is one of {', '.join(known)}, got {given!r}", hint=hint)
