"""What a tracker is to a run, whichever it is; and what of a run it is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from resnetlab.runs.hyper_parameters import HyperParameters

PROJECT = "resnetlab"
"""Where a tracker files runs if nobody says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The run that is to be followed."""

    path: Path
    name: str
    """As it is listed: its directory's name, in a study behind the study's."""
    group: str
    """The study's name; empty of a run alone."""
    project: str
    """Under which to file it; empty for the tracker's own choice."""
    hyper_parameters: HyperParameters


class Tracker(Protocol):
    """A run in the tracker. Whatever it raises ends the following, not the run."""

    def begin(self, subject: Subject, known: Mapping[str, Any]) -> dict[str, Any]:
        """List the run, or go on with the one that was listed before.

        Args:
            subject: The run.
            known: What this returned for it before; empty if it is new.

        Returns:
            What finds it again, as plain data that JSON holds.
        """

    @property
    def place(self) -> str:
        """Where the run is to be seen, in a few words: an address, or what to type."""

    @property
    def last_step(self) -> int:
        """The last step of which it has numbers, as far as it can say; -1 otherwise."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the numbers of a step."""

    def picture(self, name: str, png: bytes, step: int) -> None:
        """Take a picture."""

    def end(self, summary: Mapping[str, float], *, is_whole: bool) -> None:
        """Take how the run ended, and close it; not `is_whole` if it did not come to its end."""
