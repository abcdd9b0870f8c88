"""Reading what others may have written: whatever is wrong with a file, or lies in its place, is one error.

A file is looked at before it is read: a pipe may never end, a device gives zeros for ever, and a file whose
bytes were never written takes the memory of its whole size. What is raised is OSError or ValueError, without
the path: who reads says which file it is, in an error of its own.
"""

import contextlib
import errno
import json
import math
import os
import re
import select
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn, TypeGuard

MOST_JSON_BYTES = 2**28
"""Of a JSON file: the validation samples of a run on ImageNet are 15 MB."""
_MOST_DIGITS = 300
"""Of a whole number: any such can be reckoned with as a float."""
MOST_FREE_BYTES, MOST_RATIO = 2**26, 100
"""What may be asked for by whatever few bytes, and beyond it how many times the bytes that stand for it."""
_MOST_EXTENTS = 4096
_BLOCK_BYTES = 512
"""Of what stat counts, on every system."""


def refuse_more(asked: int, stored: int, what: str, *, ratio: int = MOST_RATIO) -> None:
    """Raise ValueError if so few bytes stand for so many as they cannot.

    Args:
        asked: The bytes that they would take.
        stored: Those in the file.
        what: What it is, in words, in the plural.
        ratio: How many times the bytes in the file it may be: by default what trained numbers can.
    """
    if asked > max(MOST_FREE_BYTES, ratio * stored):
        raise ValueError(f"{what} would take {asked:,} bytes, of {stored:,} in the file")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:20]} is no number that can be")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=_whole)
_DECODER_OF_LARGE = json.JSONDecoder(parse_constant=_refuse, parse_int=_whole, parse_float=_finite)
_MAY_BE_LARGE = re.compile(rb"[eE]\+?0*[1-9]\d\d|\d{209}")  # with e99 no fewer digits are beyond all floats
# What asks about each number takes twice as long.


def parse_json(content: bytes) -> Any:
    """Return what JSON text says.

    Raises:
        ValueError: If it is none, holds NaN, Infinity or a number too large, or is nested without end.
    """
    try:
        decoder = _DECODER_OF_LARGE if _MAY_BE_LARGE.search(content) else _DECODER
        return decoder.decode(content.decode("utf-8", "surrogatepass"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def parse_foreign_json(text: str) -> Any:
    """Return what another program's JSON says; its numbers need not be finite.

    Raises:
        ValueError: If it is none, or nested without end.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def read_json(path: Path, *, most: int = MOST_JSON_BYTES, is_ours: bool = True) -> Any:
    """Return the content of a JSON file.

    Args:
        path: The file.
        most: The bytes that it may have.
        is_ours: Else it may begin with a byte order mark, and hold numbers that are not finite, as other
            programs write them.

    Raises:
        OSError: If it cannot be read.
        ValueError: As `parse_json`, or if it is no plain file, or larger than any of ours.
    """
    content = read_plain(path, most=most)
    return parse_json(content) if is_ours else parse_foreign_json(content.decode("utf-8-sig"))


def read_text(
    path: Path, *, most: int = MOST_JSON_BYTES, encoding: str = "utf-8", errors: str = "strict"
) -> str:
    """Return the content of a text file, its lines ended as Python has them.

    Raises:
        OSError: If it cannot be read.
        UnicodeDecodeError: If it is of another encoding.
        ValueError: As `read_plain`.
    """
    text = read_plain(path, most=most).decode(encoding, errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_plain(path: Path | str, *, most: int | None = None) -> bytes:
    """Return the content of a plain file, whose size is looked at before.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is a device, a pipe or the like, has more than `most` bytes, or hardly any that were
            ever written.
    """
    with open_plain(path, most=most) as stream:
        return stream.read()


def look_at(path: Path, *, most: int | None = None) -> None:
    """Raise as `read_plain`, for what a library opens by its path."""
    with open_plain(path, most=most):
        pass


PATIENCE_SECONDS = 10.0
"""Until somebody must write into a pipe."""


def read_pipe(path: Path, *, most: int) -> bytes:
    """Return what is written into a pipe, which its user made.

    Raises:
        OSError: If nobody writes.
        ValueError: If there comes more than so many bytes.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # else it waits for who writes
    with os.fdopen(descriptor, "rb") as stream:
        if not select.select([stream], [], [], PATIENCE_SECONDS)[0]:
            what = f"it is a pipe, and nobody wrote for {PATIENCE_SECONDS:g} s"
            raise TimeoutError(errno.ETIMEDOUT, what)
        os.set_blocking(descriptor, True)
        content = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(f"more than {most:,} bytes come from it")
    return content


@contextlib.contextmanager
def open_plain(path: Path | str, *, most: int | None = None) -> Iterator[IO[bytes]]:
    """Open a plain file to be read in parts; raises as `read_plain`."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        facts = os.fstat(descriptor)
        if stat.S_ISDIR(facts.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError("it is no plain file, but a pipe or a device")
        if most is not None and facts.st_size > most:
            raise ValueError(f"it has {facts.st_size:,} bytes, more than can be")
        _refuse_holes(descriptor, facts)
    except BaseException:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


def _refuse_holes(descriptor: int, facts: os.stat_result) -> None:
    """Raise ValueError if hardly anything of a large file was ever written; where that can be asked."""
    size = facts.st_size
    if size <= MOST_FREE_BYTES or not hasattr(os, "SEEK_DATA"):
        return
    written = end = 0
    for _ in range(_MOST_EXTENTS):
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:  # this file system cannot say
                written = size
            break
        written += end - start
        if written * MOST_RATIO >= size:
            break
    else:  # a copy without its zeros has holes without number; fewer blocks than bytes if it is compressed
        written = max(written, _BLOCK_BYTES * facts.st_blocks)
    os.lseek(descriptor, 0, os.SEEK_SET)
    if written * MOST_RATIO < size:
        raise ValueError(f"it has {size:,} bytes, of which {written:,} were ever written")


def is_count(value: object) -> TypeGuard[int]:
    """Return whether a value of a file is a whole number from 0 on."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_share(value: object) -> TypeGuard[float]:
    """Return whether it is a number in [0, 1]."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def is_number(value: object) -> TypeGuard[float]:
    """Return whether it is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
