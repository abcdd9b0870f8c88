"""What training tells whoever watches; the command line draws it, Python may ignore it."""

from collections.abc import Mapping
from typing import Any, Protocol


class Observer(Protocol):
    """Told of everything that a person may want to see, in the order it happens."""

    def begin(self, facts: Mapping[str, str], *, step: int, num_steps: int) -> None:
        """Training starts, or goes on after `step` updates; `facts` are what to show of the run."""

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        """Update `step` was made; the run has seen `samples` images in `seconds` of updates."""

    def evaluating(self, done: int, total: int) -> None:
        """`done` of `total` samples were evaluated."""

    def row(self, row: Mapping[str, Any]) -> None:
        """A row of evaluation was written to metrics.jsonl."""

    def note(self, text: str) -> None:
        """Something happened that is worth a line."""


class Silence:
    """An observer that shows nothing."""

    def begin(self, facts: Mapping[str, str], *, step: int, num_steps: int) -> None:
        """Show nothing."""

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        """Show nothing."""

    def evaluating(self, done: int, total: int) -> None:
        """Show nothing."""

    def row(self, row: Mapping[str, Any]) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""
