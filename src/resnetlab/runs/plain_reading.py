"""Reading the JSON of a run: whatever is wrong with it, or with what lies in its place, is one error."""

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

_MOST_BYTES = 2**28
"""Of a JSON file: the validation samples of a run on ImageNet are 15 MB."""
_MOST_DIGITS = 300
"""Of a whole number: any such can be reckoned with as a float."""


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=_whole)


def parse_json(content: bytes) -> Any:
    """Return what JSON text says.

    Raises:
        ValueError: If it is none, holds NaN, Infinity or a number too large, or is nested without end.
    """
    try:
        return _DECODER.decode(content.decode("utf-8", "surrogatepass"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        OSError: If it cannot be read.
        ValueError: As `parse_json`, or if it is no plain file, or larger than any of ours.
    """
    return parse_json(read_plain(path, most=_MOST_BYTES))


def read_plain(path: Path, *, most: int) -> bytes:
    """Return the content of a plain file, whose size is looked at before.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is a device, a pipe or the like, or has more than `most` bytes.
    """
    with open_plain(path, most=most) as stream:
        return stream.read()


@contextlib.contextmanager
def open_plain(path: Path, *, most: int) -> Iterator[IO[bytes]]:
    """Open a plain file to be read in parts; raises as `read_plain`."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError("it is no plain file")
        if facts.st_size > most:
            raise ValueError(f"it has {facts.st_size:,} bytes, more than can be")
        yield stream
