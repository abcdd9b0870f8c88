"""The rows of metrics.jsonl, however many there are and while they grow: each is read once, few are kept."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from resnetlab.base.reading.plain import open_plain
from resnetlab.errors import DataError
from resnetlab.reporting.values import is_count, is_share
from resnetlab.runs.journal import read_parts

Row = Mapping[str, Any]

MOST_ROWS = 2**16
"""Rows of training, and of evaluation, that are kept at most: 30 MB."""

_SEAM = 512
_MEANS = ("train_loss", "train_accuracy")


Numbered = tuple[int, int, Row]
"""The line of a row, the steps that it is of, and the row."""


class GrowingRows:
    """The rows of one metrics.jsonl, checked.

    From `MOST_ROWS` rows of training on neighbours are joined, all by the same number, to means over their
    steps; of as many evaluations those are left out that are neither least nor greatest among neighbours.

    Args:
        path: The file, which need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._forget()

    def _forget(self) -> None:
        self._file: tuple[int, int] | None = None
        self._end, self._lines, self._seam = 0, 0, b""
        self._step = self._trained = 0
        self._trains = _Kept(_mean, 2)
        self._evaluations = _Kept(_extremes, 4)

    def read(self) -> tuple[Row, ...]:
        """Return the rows, in their order; those that were read before are not read again.

        Raises:
            DataError: If a line is no row, with its number.
        """
        try:
            if not self._is_the_same():
                self._forget()
            for part in read_parts(self._path, start=self._end, lines=self._lines):
                self._add(part.rows)
                self._end, self._lines = part.end, part.lines
            self._mark()
        except DataError:
            self._forget()
            raise
        numbered = [*self._trains.rows(), *self._evaluations.rows()]
        return tuple(row for _, _, row in sorted(numbered, key=lambda each: each[0]))

    def _is_the_same(self) -> bool:
        """Return whether what was read is still what the file begins with, as far as its end tells."""
        try:
            facts = os.stat(self._path)
            if self._file != (facts.st_dev, facts.st_ino) or facts.st_size < self._end:
                return False
            return self._bytes_before_the_end() == self._seam
        except (OSError, ValueError):
            return False

    def _mark(self) -> None:
        try:
            facts = os.stat(self._path)
            self._file, self._seam = (facts.st_dev, facts.st_ino), self._bytes_before_the_end()
        except (OSError, ValueError):
            self._forget()

    def _bytes_before_the_end(self) -> bytes:
        with open_plain(self._path, most=2**62) as stream:
            stream.seek(max(0, self._end - _SEAM))
            return stream.read(min(self._end, _SEAM))

    def _add(self, rows: Sequence[Row]) -> None:
        before = self._step
        for number, row in enumerate(rows, start=self._lines + 1):
            if wrong := problem_of(row, before):
                raise DataError(f"{self._path}, line {number}: {wrong}")
            before = row["step"]
            if row["kind"] == "train":
                self._trains.add((number, before - self._trained, row))
                self._trained = before
            else:
                self._evaluations.add((number, 0, row))
        self._step = before


class _Kept:
    """Rows in their order, of which there never are more than `MOST_ROWS`.

    Args:
        join: Returns half as many rows for some neighbours.
        number: How many of them.
    """

    def __init__(self, join: Callable[[Sequence[Numbered]], list[Numbered]], number: int) -> None:
        self._join, self._number = join, number
        self._joined: list[Numbered] = []
        self._open: list[Numbered] = []
        self._last: Numbered | None = None
        self._at_once = 1
        """Rows of the file that are joined."""

    def add(self, row: Numbered) -> None:
        self._last = row
        if self._at_once == 1:
            self._joined.append(row)
        else:
            self._open.append(row)
            if len(self._open) < self._at_once:
                return
            self._joined += self._join(self._open)
            self._open = []
        if len(self._joined) >= MOST_ROWS:
            whole, self._joined = self._joined, []
            for start in range(0, len(whole), self._number):
                self._joined += self._join(whole[start : start + self._number])
            self._at_once = 2 * self._at_once if self._at_once > 1 else self._number

    def rows(self) -> list[Numbered]:
        """Return them; the last one of the file is the last here."""
        found = self._joined + (self._join(self._open) if self._open else [])
        return [*found, self._last] if self._last and found[-1][0] < self._last[0] else found


def _mean(rows: Sequence[Numbered]) -> list[Numbered]:
    """Return the rows as one, of the steps of all."""
    line, _, last = rows[-1]
    steps = sum(each for _, each, _ in rows)
    means: dict[str, float] = {}
    for name in _MEANS if steps else ():
        try:
            means[name] = math.fsum([each * row[name] for _, each, row in rows]) / steps
        except (KeyError, TypeError, ValueError, OverflowError):  # it has none, or something else there
            continue
    return [(line, steps, {**last, **means})]


def _extremes(rows: Sequence[Numbered]) -> list[Numbered]:
    """Return the least and the greatest of evaluations, in their order."""
    ordered = sorted(rows, key=lambda each: float(each[2]["accuracy"]))
    return sorted((ordered[0], ordered[-1]), key=lambda each: each[0])[: len(rows)]


def problem_of(row: Row, before: int) -> str:
    """Return why this can be no row of metrics.jsonl behind one of step `before`; "" if it can."""
    kind, step = row.get("kind"), row.get("step")
    if kind == "train" and type(step) is int and step >= before and "epoch" not in row:
        share = row.get("train_accuracy")
        if type(share) is float and 0 <= share <= 1:  # as nearly all are
            return ""
    name = "train_accuracy" if kind == "train" else "accuracy"
    if kind not in ("train", "val", "test"):
        return f"kind is {kind!r}, not train, val or test"
    if not is_count(step) or step < before:
        return f"step is {step!r}, after {before}"
    if not is_share(row.get(name)):
        return f"{name} is {row.get(name)!r}, not a number in [0, 1]"
    epoch = row.get("epoch", 0)
    if not isinstance(epoch, int | float) or not 0 <= epoch < math.inf:
        return f"epoch is {epoch!r}, no finite number from 0 on"
    return ""
