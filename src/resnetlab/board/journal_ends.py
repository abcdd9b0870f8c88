"""The ends of a run's journals: what they say last, without reading what they said before."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resnetlab.base.reading.plain import open_plain, parse_json
from resnetlab.errors import DataError
from resnetlab.reporting.growing import problem_of
from resnetlab.reporting.values import is_number
from resnetlab.runs.directory import OFTEN

Row = Mapping[str, Any]

_FIRST, _MOST = 2**14, 2**22
_EVALUATIONS = (b'"test"', b'"val"')
_MANY = 1000


class LastRows:
    """The last row of a metrics.jsonl, and its last evaluation.

    Args:
        path: The file, which need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.forget()

    def forget(self) -> None:
        """Read anew."""
        self._end = 0
        self._rows: tuple[Row, ...] = ()

    def read(self) -> tuple[Row, ...]:
        """Return these rows, in their order.

        Raises:
            DataError: If they are no rows.
        """
        size = _size(self._path)
        if size < self._end:  # cut back by a resume
            self.forget()
        if self._end and size - self._end <= _MOST:
            content = _behind(self._path, self._end)
            try:
                self._keep((*self._rows, *self._found(content)), self._end + len(content))
                return self._rows
            except DataError:  # cut back and grown again since: what is read begins within a line
                self.forget()
        reach, found = _FIRST, list[Row]()
        while True:
            content, start = _end_of(self._path, size, reach)
            if not found or any(kind in content for kind in _EVALUATIONS):
                found = self._found(content)
            if not start or reach > _MOST or any(row["kind"] != "train" for row in found):
                break
            reach *= 16
        self._keep(found, size - len(content) + content.rfind(b"\n") + 1)
        return self._rows

    def _keep(self, rows: Sequence[Row], end: int) -> None:
        evaluations = [row for row in rows if row["kind"] != "train"][-1:]
        trained = [row for row in rows if row["kind"] == "train"][-1:]
        self._rows = tuple(sorted((*trained, *evaluations), key=lambda row: int(row["step"])))
        self._end = end

    def _found(self, content: bytes) -> list[Row]:
        """Return the last of the whole rows in a part of the file, and the last evaluation."""
        found: list[Row] = []
        for line in reversed(_whole_lines(content)):
            if found and not any(kind in line for kind in _EVALUATIONS):
                continue
            row = _parsed(line)
            if wrong := "it is no JSON object" if row is None else problem_of(row, 0):
                raise DataError(f"{self._path}, at its end: {wrong}")
            assert row is not None
            found.append(row)
            if row["kind"] != "train":
                break
        return found[::-1]


class LastEvents:
    """What happened since a run was last begun or gone on with, but for what happens often.

    Args:
        path: events.jsonl, which need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.forget()

    def forget(self) -> None:
        """Read anew."""
        self._end = 0
        self._rows: list[Row] = []
        self.began: float | None = None
        """When the first event was, in seconds since 1970."""

    def read(self) -> Sequence[Row]:
        """Return these events, in their order; lines that are damaged are passed over."""
        size = _size(self._path)
        if size < self._end:
            self.forget()
        if not self._end and size:
            first = next(iter(_whole_lines(_end_of(self._path, min(size, _FIRST), _FIRST)[0])), b"")
            time = (_parsed(first) or {}).get("time")
            self.began = float(time) if is_number(time) else None
        is_new = not self._end or size - self._end > _MOST
        content = _end_of(self._path, size, _MOST // 16)[0] if is_new else _behind(self._path, self._end)
        rows = [] if is_new else [*self._rows]
        for line in _whole_lines(content):
            if (row := _parsed(line)) is None:
                continue
            kind = row.get("event") if isinstance(row.get("event"), str) else None
            rows = [] if kind in ("start", "resume") else rows
            if kind in OFTEN:
                rows = [each for each in rows if each.get("event") != kind]
            elif rows and rows[-1].get("event") == kind:
                rows.pop()
            rows.append(row)
        self._end = size - len(content) + content.rfind(b"\n") + 1 if is_new else self._end + len(content)
        self._rows = rows[:1] + rows[1:][-_MANY:]
        return [*self._rows]


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _end_of(path: Path, size: int, most: int) -> tuple[bytes, int]:
    """Return the last bytes before `size`, from the beginning of a line on, and where they begin."""
    start = max(0, size - most)
    content = _read(path, start, size - start)
    if start:
        cut = content.find(b"\n") + 1
        content, start = content[cut:], start + cut
    return content, start


def _behind(path: Path, start: int) -> bytes:
    """Return the whole lines behind `start`."""
    content = _read(path, start, _MOST + _FIRST)
    return content[: content.rfind(b"\n") + 1]


def _read(path: Path, start: int, count: int) -> bytes:
    try:
        with open_plain(path, most=2**62) as stream:
            stream.seek(start)
            return stream.read(count)
    except FileNotFoundError:
        return b""
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _whole_lines(content: bytes) -> list[bytes]:
    return content[: content.rfind(b"\n") + 1].split(b"\n")[:-1]


def _parsed(line: bytes) -> Row | None:
    try:
        row = parse_json(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
