"""The line of a run that moves while it is made: how far, how good lately, how fast."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resnetlab.base.units import format_seconds
from resnetlab.runs.journal import KINDS
from resnetlab.training.observer import Observer
from resnetlab.watching.pace import Pace

_LEAST = 10
"""Columns of a bar."""
_GAP = 2


@dataclass(frozen=True)
class Bar:
    """What a line shows."""

    title: str
    share: float
    """Of the way, in [0, 1]."""
    parts: tuple[tuple[int, str], ...]
    """Texts behind it; those of the highest numbers are left out first where it is narrow."""

    def fitted(self, columns: int, title: int) -> tuple[int, str]:
        """Return how long the bar is in so many columns, and the texts behind it.

        Args:
            columns: Of the whole line.
            title: Those of the title, which may be one of several below each other.
        """
        parts = sorted(self.parts)
        while parts and title + 1 + _LEAST + sum(_GAP + len(text) for _, text in parts) > columns:
            parts.pop()
        texts = [text for weight, text in self.parts if (weight, text) in parts]
        told = "".join(" " * _GAP + text for text in texts)
        return max(0, min(4 * _LEAST, columns - title - 1 - len(told))), told


class RunBar(Observer):
    """Keeps what there is to show of a run on its way; it is told as any observer, and asked for its `bar`.

    Args:
        title: What it is called; None says what it is doing.
    """

    def __init__(self, title: str | None = None) -> None:
        self.pace = Pace()
        self._title = title
        self._lately: tuple[float, float] | None = None
        self._evaluating: tuple[int, int] | None = None
        self._evaluated = ""
        self._has_begun = False

    def begin(self, facts: Mapping[str, str], *, step: int, num_steps: int) -> None:
        """Take note of the length."""
        self._has_begun = True
        self.pace.begin(step=step, num_steps=num_steps)

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        """Take note of how far it is."""
        self._evaluating = None
        self.pace.progress(step, samples=samples, seconds=seconds)

    def lately(self, *, loss: float, accuracy: float) -> None:
        """Take note of how good it is."""
        self._lately = loss, accuracy

    def evaluating(self, done: int, total: int) -> None:
        """Take note that it is evaluated."""
        self._evaluating = done, total

    def row(self, row: Mapping[str, Any]) -> None:
        """Take note of how good it was."""
        self._evaluating = None
        self._evaluated = f"{KINDS.get(row['kind'], row['kind'])} {100 * row['accuracy']:.2f} %"

    def bar(self) -> Bar:
        """Return what to show now."""
        if not self._has_begun:
            return Bar(self._title or "waiting", 0.0, ((0, "waiting"),) if self._title else ())
        pace, parts = self.pace, []
        if self._evaluating:
            done, total = self._evaluating
            if not self._title:
                return Bar("evaluating", done / total, ((0, f"{done:,}/{total:,}"),))
            parts.append((0, f"evaluating {done / max(1, total):.0%}".replace("%", " %")))
        parts.append((3, f"{pace.step:,}/{pace.num_steps:,}"))
        if self._lately:
            loss, accuracy = self._lately
            parts += [(4, f"loss {loss:.4f}" if loss < 100 else f"loss {loss:.4g}")]
            parts += [(1, f"{100 * accuracy:.1f} % right")]
        if self._title and self._evaluated:
            parts.append((2, self._evaluated))
        if (speed := pace.images_per_second) is not None:
            parts.append((5, f"{speed:,.0f} images/s"))
        if pace.step >= pace.num_steps:
            parts.append((0, "finishing"))
        elif (left := pace.left) is not None:
            parts.append((0, f"{format_seconds(left)} left"))
        return Bar(self._title or "training", pace.step / max(1, pace.num_steps), tuple(parts))
