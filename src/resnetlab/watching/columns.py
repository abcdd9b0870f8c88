"""The table of a run's evaluations as plain data: which columns fit a width, their heads, a row's texts.

    columns = columns_of(row, width=80)
    for line in head_lines(columns): ...
    print(row_line(columns, row))

A row is an observer's, with what `Pace.measured` adds. Imports no torch.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resnetlab.base.units import format_bytes, format_seconds
from resnetlab.runs.journal import KINDS

Row = Mapping[str, Any]

_GAP = 2
_SHORT = {"validation": "val."}


@dataclass(frozen=True, kw_only=True)
class Column:
    """What one column shows of each row."""

    name: str
    head: str
    group: str
    """What it is a number of, told above it and its neighbours: training, test, validation, or nothing."""
    width: int
    text: Callable[[Row], str]
    """Of a row; "-" where the row does not tell it."""


def columns_of(row: Row, *, width: int | None = None) -> tuple[Column, ...]:
    """Return the columns for a run whose evaluations are like this row, from left to right.

    What matters less is left out where it is narrow: 80 columns have room for epoch, loss and accuracy of
    training and of what is evaluated, images/s and the time left, and 37 for epoch, both accuracies and the
    time left.

    Args:
        row: Any row of the run's evaluations.
        width: Columns of the terminal; None takes all.
    """
    found = {column.name: column for column in _all(KINDS.get(str(row["kind"]), str(row["kind"])))}
    has = {
        "wait": "wait" in row,
        "peak_memory": bool(row.get("peak_memory")),
        "is_best": row["kind"] == "val",
    }
    chosen, used = set[str](), -_GAP
    for name in _BY_WEIGHT:
        if not has.get(name, True):
            continue
        used += found[name].width + _GAP
        if width is not None and used >= width and chosen:  # the last column of a terminal stays free
            break
        chosen.add(name)
    return tuple(column for column in found.values() if column.name in chosen)


_BY_WEIGHT = (
    "epoch", "accuracy", "train_accuracy", "left", "loss", "train_loss", "images_per_second", "is_best",
    "wait", "seconds", "step", "learning_rate", "peak_memory",
)  # fmt: skip
"""What is left out last stands first."""


def _all(watched: str) -> list[Column]:
    def column(
        name: str, head: str, width: int, text: Callable[[Any], str], group: str = "", default: Any = None
    ) -> Column:
        def told(row: Row) -> str:
            value = row.get(name, default)
            return "-" if value is None else text(value)

        return Column(name=name, head=head, group=group, width=width, text=told)

    return [
        column("epoch", "epoch", 6, lambda value: f"{value:.2f}" if value < 1000 else f"{value:.1f}"),
        column("step", "step", 9, lambda value: f"{value:,}"),
        column("learning_rate", "lr", 9, lambda value: f"{value:.4g}"),
        column("train_loss", "loss", 7, _loss, "training"),
        column("train_accuracy", "accuracy", 8, _share, "training"),
        column("loss", "loss", 7, _loss, watched),
        column("accuracy", "accuracy", 8, _share, watched),
        column("is_best", "", 4, lambda value: "best" if value else "", default=False),
        column("images_per_second", "images/s", 8, lambda value: f"{value:,.0f}"),
        column("wait", "wait", 7, lambda value: f"{100 * value:.1f} %"),
        column("peak_memory", "memory", 9, format_bytes),
        column("seconds", "elapsed", 8, format_seconds),
        column("left", "left", 8, format_seconds),
    ]


def _loss(value: float) -> str:
    return f"{value:.4f}" if value < 100 else f"{value:.4g}"


def _share(value: float) -> str:
    return f"{100 * value:.2f} %"


def head_lines(
    columns: Sequence[Column], *, rule: str = "\N{BOX DRAWINGS LIGHT HORIZONTAL}"
) -> tuple[str, str]:
    """Return the two lines above the rows: what groups of columns are of, and each column's head.

    Args:
        columns: As `columns_of` returned them.
        rule: The letter to draw a group's line with.
    """
    groups = []
    for group, those in itertools.groupby(columns, key=lambda column: column.group):
        widths = [column.width for column in those]
        width = sum(widths) + _GAP * (len(widths) - 1)
        name = group if len(group) + 2 <= width else _SHORT.get(group, group)
        told = f" {name} " if len(name) + 2 <= width else name
        groups.append(f"{told:{rule}^{width}}" if group else " " * width)
    heads = [f"{column.head:>{column.width}}" for column in columns]
    return (" " * _GAP).join(groups).rstrip(), (" " * _GAP).join(heads).rstrip()


def row_line(columns: Sequence[Column], row: Row) -> str:
    """Return the row's texts under the heads."""
    return (" " * _GAP).join(f"{column.text(row):>{column.width}}" for column in columns).rstrip()
