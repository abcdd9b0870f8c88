"""Append-only JSON lines. A torn last line, left by a killed process, is tolerated and cut off."""

import json
from pathlib import Path
from typing import Any

from resnetlab import files
from resnetlab.errors import DataError


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
    return path.read_bytes().rfind(b"\n") + 1 if path.exists() else 0


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return all whole rows of a journal; a missing file has none.

    Raises:
        DataError: If a whole line is no JSON object, with its number.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_bytes()[: _whole_length(path)].splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number}: not JSON ({error})") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number}: not a JSON object")
        rows.append(row)
    return rows
