"""What the processes of a run print: the first as ever; the others no output, and errors with their number.

The lines are marked by a small program of its own that outlives the process, so that they arrive however
it ends.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

from resnetlab.base.machine.signals import ENDING_SIGNALS

_MARKER = f"""
import os, signal, socket, sys
for number in {[*map(int, ENDING_SIGNALS)]}:
    signal.signal(number, signal.SIG_IGN)
if path := os.environ.get("RESNETLAB_LAUNCHER"):  # who launched us waits until all is said
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(path)
    except OSError:
        pass
mark, rest = sys.argv[1].encode(), b""
while data := os.read(0, 65536):
    *lines, rest = (rest + data).split(b"\\n")
    if lines:
        os.write(1, b"".join(mark + line + b"\\n" for line in lines))
if rest:
    os.write(1, mark + rest + b"\\n")
"""

_own_errors: list[int] = []


def mark_others(environment: Mapping[str, str] = os.environ) -> None:
    """Silence this process's output and mark its errors `[process 2] `, unless it is the first or alone.

    Called before torch is imported, whose words on each lost connection are a page of frames else. Does
    nothing where the variables that say which it is are missing or cannot be.
    """
    if "RANK" in environment:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    rank, size = environment.get("RANK", ""), environment.get("WORLD_SIZE", "")
    if not (rank.isdecimal() and size.isdecimal() and int(rank) > 0 and os.name == "posix") or _own_errors:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    command = [sys.executable, "-I", "-S", "-c", _MARKER, f"[process {int(rank)}] "]
    subprocess.Popen(command, stdin=reading, stdout=2, start_new_session=True)
    _own_errors.append(os.dup(2))
    os.dup2(writing, 2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    for descriptor in (reading, writing, nothing):
        os.close(descriptor)
    # Anew: a stream keeps in mind that it was a file, in which there are places to go back to.
    sys.stdout = os.fdopen(1, "w", errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Drop what this process writes as errors: of libraries that do not only raise them."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def unmark() -> None:
    """Let this process's errors through as they are: what ends the run is said without a mark."""
    if _own_errors:
        sys.stderr.flush()
        os.dup2(_own_errors[0], 2)
