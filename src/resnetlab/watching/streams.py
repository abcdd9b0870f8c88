"""How something is shown on a stream while work goes on, whatever becomes of the stream."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast


class OnTheWay:
    """A stream for what is shown while work goes on, which does not stop when nobody can see it any more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_lost = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        r"""Write the text, letters that the stream has not as \xe9; when it fails first, say so, once."""
        if not self._is_lost:
            write = getattr(self._stream, "write_as_it_is", self._stream.write)  # a bar that moves, say
            with self._going_on():
                try:
                    write(text)
                except UnicodeEncodeError as error:  # of a script's own output; nothing was written yet
                    write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
        return len(text)

    def flush(self) -> None:
        """Write what is held back; as `write`."""
        if not self._is_lost:
            with self._going_on():
                self._stream.flush()

    @contextlib.contextmanager
    def _going_on(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._is_lost = True
            if not isinstance(error, BrokenPipeError):  # else who reads it has left, and knows
                print(f"resnetlab: {why_unwritten(error)}; the work goes on", file=sys.stderr)


def on_the_way(stream: TextIO) -> TextIO:
    """Return the stream for what is shown on the way, see `OnTheWay`."""
    return cast(TextIO, OnTheWay(stream))


def why_unwritten(error: OSError) -> str:
    """Say in a line why the output could not be written."""
    cause = os.strerror(error.errno or errno.EIO)
    return f"the output could not be written: {'it is closed' if error.errno == errno.EBADF else cause}"
