"""Files that are read by a process of its own, whose memory and time have limits.

What a damaged file does to a library's memory, or whether the library ever comes to an end, no check before
it can tell: HDF5's goes in circles where an address leads back, and hears no signal meanwhile. So the system
sees to it: the process gets no more memory than reading such a file can take, and is ended after so much of
the processor's time.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

PATIENCE_SECONDS = 600
"""By the clock, for a file that comes slowly over a network."""
_FREE_BYTES, _COPIES = 2**29, 8
"""What a reader may take for any file, and how many times its size: as tensors, copied, and written."""
FREE_SECONDS, _BYTES_A_SECOND = 20.0, 10e6
"""Of the processor, for any file, and how fast the rest is read at least: ours are read 50 times as fast, in
tenths of a second, which a small computer may take twenty times as long for."""
_STATUS = Path("/proc/self/status")


class UnreadError(Exception):
    """A process did not come to the end of a file; says why."""


def read_apart(module: str, path: Path, *arguments: str) -> Any:
    """Return the JSON that `python -m MODULE FILE SECONDS ARGUMENTS` prints.

    It has called `accept_limits` with the size of the file and SECONDS.

    Raises:
        UnreadError: If it was ended by a limit, or died.
    """
    command = [sys.executable, "-P", "-m", module, str(path.absolute()), str(FREE_SECONDS), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, timeout=PATIENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnreadError(f"not read within {PATIENCE_SECONDS} seconds") from error
    try:
        return json.loads(result.stdout)
    except ValueError as error:
        if hasattr(signal, "SIGPROF") and result.returncode == -signal.SIGPROF:
            raise UnreadError("reading it does not come to an end") from error
        said = result.stderr.decode(errors="replace").strip().splitlines()
        last = said[-1] if said else f"exit code {result.returncode}"
        raise UnreadError(f"the process that read it died ({last})") from error


def accept_limits(size: int, free_seconds: float, *, room: int = 0) -> None:
    """Have the system end this process if a file of `size` bytes takes too long, and refuse it more memory.

    Where a system has no such limits, there are none: of memory, everywhere but on Linux.

    Args:
        size: Of the file.
        free_seconds: Of the processor, for a file of whatever size.
        room: Bytes of memory beyond what a file of that size takes, for one that unpacks to more.
    """
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, free_seconds + (size + room) / _BYTES_A_SECOND)
    if (used := _data_bytes()) is None:
        return
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        most = used + _FREE_BYTES + _COPIES * size + room
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))


def answer(told: object) -> NoReturn:
    """Print what `read_apart` returns, and end at once: Python's own end takes all libraries apart, 0.4 s."""
    sys.stdout.write(json.dumps(told))
    sys.stdout.flush()
    os._exit(0)


def _data_bytes() -> int | None:
    """Return what counts towards the limit of memory already, libraries and stacks; None if unknown."""
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmData:"):
                return 1024 * int(line.split()[1])
    return None
