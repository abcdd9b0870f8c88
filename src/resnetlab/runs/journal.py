"""Append-only JSON lines. A torn last line, left by a killed process, is tolerated and cut off."""

import json
from pathlib import Path
from typing import Any

from resnetlab import files
from resnetlab.errors import DataError
from resnetlab.runs.plain_reading import parse_json, read_plain

_MOST_BYTES = 2**32


class Journal:
    """A file of JSON rows that grows at its end."""

    def __init__(self, path: Path, *, length: int | None = None) -> None:
        """Open the journal, cut back to its first `length` bytes, or after its last whole line."""
        files.refuse_foreign(path)  # before it is read
        whole = _whole_length(path)
        if length is not None and length > whole:
            raise DataError(
                f"{path} has {whole:,} bytes of whole rows; the checkpoint was written after {length:,}",
                hint="The file was cut or replaced since. Put it back, or start a new run.",
            )
        files.cut_file(path, whole if length is None else length)
        self._appender = files.Appender(path)

    @property
    def length(self) -> int:
        """Size in bytes."""
        return self._appender.length

    def add(self, row: dict[str, Any]) -> None:
        """Append one row; numbers that are not finite are refused."""
        self._appender.write((json.dumps(row, allow_nan=False) + "\n").encode())

    def flush(self) -> None:
        """Wait until all rows are on the disk."""
        self._appender.flush()

    def close(self) -> None:
        """Close the file."""
        self._appender.close()


def _whole_length(path: Path) -> int:
    return _read(path).rfind(b"\n") + 1


def _read(path: Path) -> bytes:
    """Return the content of a journal, nothing if it is not there."""
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
    rows, content = [], _read(path)
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            row = parse_json(line)
            if not isinstance(row, dict):
                raise ValueError("not a JSON object")
        except ValueError as error:
            if passes_over_damage:
                continue
            told = str(error) if str(error).startswith("not ") else f"not JSON ({error})"
            raise DataError(f"{path}, line {number}: {told}") from error
        rows.append(row)
    return rows
