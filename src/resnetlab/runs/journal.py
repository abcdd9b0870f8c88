"""Append-only JSON lines. A torn last line, left by a killed process, is tolerated and cut off."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnetlab.base import files
from resnetlab.base.reading.plain import open_plain, parse_json, read_plain
from resnetlab.errors import CheckpointError, DataError, WriteError

KINDS = {"train": "training", "val": "validation", "test": "test"}
"""The kinds of rows of metrics.jsonl and of parts of the data, in words."""

_MOST_BYTES = 2**32
_PART = 2**18
_LONGEST_ROW = 2**24


class Journal:
    """A file of JSON rows that grows at its end."""

    def __init__(self, path: Path, *, length: int | None = None) -> None:
        """Open the journal, cut back to its first `length` bytes, or after its last whole line."""
        files.refuse_foreign(path)  # before it is read
        content = read_content(path)
        kept = content[: content.rfind(b"\n") + 1 if length is None else length]
        files.cut_file(path, len(kept))
        self._hash = hashlib.sha256(kept)
        self._appender = files.Appender(path)
        self._is_doubtful = bool(kept)  # what another process has left may be in memory alone

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal digits."""
        return self._hash.hexdigest()

    @property
    def length(self) -> int:
        """Size in bytes."""
        return self._appender.length

    def add(self, row: dict[str, Any]) -> None:
        """Append one row; numbers that are not finite are refused."""
        line = (json.dumps(row, allow_nan=False) + "\n").encode()
        self._appender.write(line)
        self._hash.update(line)

    def flush(self) -> None:
        """Wait until all rows are on the disk; where that has failed, or may have, all are written anew."""
        if self._is_doubtful:
            self._write_anew()
        self._is_doubtful = True
        self._appender.flush()
        self._is_doubtful = False

    def _write_anew(self) -> None:
        path, content = self._appender.path, read_content(self._appender.path)
        if hashlib.sha256(content).hexdigest() != self.digest:
            raise WriteError(f"{path} is not what was written", hint="Look at the disk, and resume the run.")
        files.write_file(path, content)
        with contextlib.suppress(OSError):
            self._appender.close()
        self._appender = files.Appender(path)

    def close(self) -> None:
        """Close the file."""
        self._appender.close()


def refuse_changed(path: Path, *, length: int, digest: str) -> None:
    """Raise unless a journal still begins with the bytes that it had when a checkpoint was written.

    Args:
        path: The journal.
        length: Its size then.
        digest: Its SHA-256 then; empty if none was kept, by version 0.1.0: the length alone is checked.

    Raises:
        CheckpointError: If it was cut, replaced or changed since.
    """
    files.refuse_foreign(path)  # before it is read
    content = read_content(path)
    if (whole := content.rfind(b"\n") + 1) < length:
        raise CheckpointError(f"{path} has {whole:,} bytes of whole rows, and had {length:,} then")
    if digest and hashlib.sha256(content[:length]).hexdigest() != digest:
        raise CheckpointError(f"{path} was changed since: its first {length:,} bytes are not those of then")


def read_content(path: Path) -> bytes:
    """Return the bytes of a journal, nothing if it is not there.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        return read_plain(path, most=_MOST_BYTES)
    except FileNotFoundError:
        return b""
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def read_rows(path: Path, *, passes_over_damage: bool = False) -> list[dict[str, Any]]:
    """Return all whole rows of a journal; a missing file has none.

    Args:
        path: The file.
        passes_over_damage: Whether lines that are no JSON objects are left out: those of events.jsonl
            are never waited for, so that a power cut may leave zeros in its midst.

    Raises:
        DataError: If a whole line is no JSON object, with its number.
    """
    return [row for part in read_parts(path, passes_over_damage=passes_over_damage) for row in part.rows]


@dataclass(frozen=True)
class Part:
    """Some rows of a journal, in their order."""

    rows: list[dict[str, Any]]
    end: int
    """The bytes of the file up to the end of these rows."""
    lines: int
    """The lines up to there."""


def read_parts(
    path: Path, *, start: int = 0, lines: int = 0, passes_over_damage: bool = False
) -> Iterator[Part]:
    """Yield the whole rows of a journal in parts so small that memory does not matter.

    Args:
        path: The file; a missing one has no rows.
        start: The bytes that are passed over: whole rows.
        lines: The lines in them.
        passes_over_damage: As `read_rows`.

    Raises:
        DataError: As `read_rows`.
    """
    try:
        with open_plain(path, most=_MOST_BYTES) as stream:
            stream.seek(start)
            rest = b""
            while block := stream.read(_PART):
                whole, ending, rest = (rest + block).rpartition(b"\n")
                if len(rest) > _LONGEST_ROW:
                    raise DataError(f"{path}, line {lines + 1}: longer than any row")
                if not ending:
                    continue
                rows = _parsed(whole, path, lines, passes_over_damage=passes_over_damage)
                start += len(whole) + 1
                lines += whole.count(b"\n") + 1
                yield Part(rows, start, lines)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _parsed(whole: bytes, path: Path, before: int, *, passes_over_damage: bool) -> list[dict[str, Any]]:
    """Return the rows of whole lines, the first of which is that behind `before` ones."""
    count = whole.count(b"\n") + 1
    if whole[:1] == b"{" and whole[-1:] == b"}" and whole.count(b"}\n{") == count - 1:
        try:  # all at once, a third of the time; whatever is wrong is found line by line
            rows = parse_json(b"[%b]" % whole.replace(b"\n", b","))
            if len(rows) == count and all(type(row) is dict for row in rows):
                return list(rows)
        except ValueError:
            pass
    found = []
    for number, line in enumerate(whole.split(b"\n"), start=before + 1):
        try:
            row = parse_json(line)
            if not isinstance(row, dict):
                raise ValueError("not a JSON object")
        except ValueError as error:
            if passes_over_damage:
                continue
            told = str(error) if str(error).startswith("not ") else f"not JSON ({error})"
            raise DataError(f"{path}, line {number}: {told}") from error
        found.append(row)
    return found
