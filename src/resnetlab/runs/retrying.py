"""Writing again what a disk or a network did not take, where the error may pass.

Only what is written whole anew may be tried again: after an fsync that failed, a second one of the same file
calls good what the first has lost. Source: Rebello et al., Can Applications Recover from fsync Failures?,
USENIX ATC 2020.
"""

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from resnetlab.errors import WriteError

T = TypeVar("T")

PASSING = (errno.EIO, errno.EINTR, errno.EAGAIN, errno.EBUSY, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN)
"""Errors of disks and network file systems that may pass; a full disk and a missing right do not soon."""

PAUSES = (0.5, 2.0, 5.0)
"""Seconds before each new try; after the last the error counts."""


def try_again(write: Callable[[], T], tell: Callable[[str], None]) -> T:
    """Return what `write` returns, which is called again, after pauses, where an error may pass.

    Args:
        write: Writes something whole, or anew what an earlier call has left.
        tell: Told of every error that is passed over, in a sentence.

    Raises:
        WriteError: If it does not pass.
    """
    for seconds in PAUSES:
        try:
            return write()
        except WriteError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno not in PASSING:
                raise
            tell(f"It was tried again after {seconds:g} s: {error.args[0]}")
            time.sleep(seconds)
    return write()
