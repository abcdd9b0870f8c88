"""The rows of a run on its way, as many as its curve needs."""

from collections.abc import Mapping, Sequence
from typing import Any

from resnetlab.base.lettering import Letters
from resnetlab.reporting.text_chart import TextChart, curve_text

_MOST_ROWS = 2000
"""Of training; more are pooled in pairs, so that a curve costs the same however long the run is."""


class CurveRows:
    """Keeps what a curve shows of a run on its way."""

    def __init__(self) -> None:
        self.num_steps = 0
        self._rows: list[Mapping[str, Any]] = []
        self._trained = 0
        self._drawn: tuple[object, TextChart | None] = (None, None)

    def add(self, *rows: Mapping[str, Any]) -> None:
        """Add rows of metrics.jsonl."""
        self._rows += rows
        self._trained += sum(row["kind"] == "train" for row in rows)
        while self._trained > _MOST_ROWS:
            self._rows = pooled(self._rows)
            self._trained = -(-self._trained // 2)

    def chart(self, columns: int, lines: int, letters: Letters) -> TextChart | None:
        """Return the curve, or None if there is none yet, or no room for one.

        Args:
            columns: Of the whole chart.
            lines: The same, the axis included; it takes eleven at most.
            letters: What to draw with.
        """
        rows = self._rows
        asked = (len(rows), id(rows), columns, lines, letters, self.num_steps)
        if self._drawn[0] != asked:
            self._drawn = asked, self._fitted([*rows], columns, lines, letters)
        return self._drawn[1]

    def _fitted(
        self, rows: Sequence[Mapping[str, Any]], columns: int, lines: int, letters: Letters
    ) -> TextChart | None:
        for height in (7, 5):
            chart = curve_text(rows, width=columns, height=height, num_steps=self.num_steps, letters=letters)
            if chart and chart.height <= lines:
                return chart
        return None


def pooled(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rows with each two of training as one of the steps of both."""
    found: list[Mapping[str, Any]] = []
    first: Mapping[str, Any] | None = None
    before = 0  # the step at which `first` begins
    for row in rows:
        if row["kind"] != "train":
            found.append(row)
        elif first is None:
            first = row
        else:
            one, two = first["step"] - before, row["step"] - first["step"]
            mean = (one * first["train_accuracy"] + two * row["train_accuracy"]) / max(1, one + two)
            found.append(dict(row) | {"train_accuracy": mean})
            first, before = None, row["step"]
    return [*found, *([first] if first else [])]
