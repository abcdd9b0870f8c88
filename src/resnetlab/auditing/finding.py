"""What a check of a promise says: what was expected, what was found, and why it matters."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from resnetlab.base.lettering import in_a_line
from resnetlab.base.units import first_of

Verdict = Literal["pass", "fail", "unknown"]

_MOST_TOLD = 3


class Found(NamedTuple):
    """What a look at a run's files came to."""

    verdict: Verdict
    text: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A promise, and whether it was kept."""

    name: str
    expected: str
    found: str
    why: str
    """Why it matters."""
    verdict: Verdict
    """unknown: the files do not tell."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return dict(vars(self))


@dataclass(frozen=True)
class Promise:
    """What is promised of a run's files, and who looks whether it is kept."""

    name: str
    expected: str
    why: str
    look: Callable[[Any], Found | None] | None = None
    """Looks at a run's `Facts`; its None: one like this promises nothing of it. None: others look."""
    reads_all: bool = False
    """Whether large files are read for it: weights, or an answer to every image."""

    def finding(self, found: Found) -> Finding:
        """Return what was found of it."""
        return Finding(
            name=self.name, expected=self.expected, found=in_a_line(found.text), why=self.why,
            verdict=found.verdict,
        )  # fmt: skip


class NotTold(Exception):
    """Raised where a run's files do not say what a check needs: its finding is unknown."""


def passed(text: str) -> Found:
    """Return that a promise was kept."""
    return Found("pass", text)


def unknown(text: str) -> Found:
    """Return that the files do not tell, and what they lack."""
    return Found("unknown", text)


def judged_unless(doubt: str, problems: Iterable[str], kept: str) -> Found:
    """Return as `judged`; with a doubt whether it can be known, a problem leaves the promise unknown."""
    found = judged(problems, kept)
    return unknown(f"{found.text}: {doubt}") if doubt and found.verdict == "fail" else found


def judged(problems: Iterable[str], kept: str) -> Found:
    """Return that a promise was kept, or the first of the problems and how many more there are."""
    told = [*problems]
    return Found("fail", first_of(told, _MOST_TOLD, between="; ")) if told else passed(kept)
