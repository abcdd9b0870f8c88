"""What was found of one thing, and of several: as text that fits a terminal, and as plain data."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from resnetlab.auditing.finding import Finding
from resnetlab.auditing.finding import Verdict as Kept
from resnetlab.base.lettering import in_a_line
from resnetlab.show.tables.align import text_width, titled

_WORDS: dict[Kept, str] = {"pass": "kept", "fail": "broken", "unknown": "not known"}
_INDENT = 27


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found of a run, a study or a model."""

    kind: str
    """run, study or model."""
    path: str
    findings: tuple[Finding, ...]
    seal: str = ""
    """The hash of hashes of a run that is sealed, or was now."""

    @property
    def is_sound(self) -> bool:
        """Whether no promise is broken."""
        return not self.broken

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The promises that are."""
        return tuple(each for each in self.findings if each.verdict == "fail")

    @property
    def sentence(self) -> str:
        """How many promises are kept, broken, and not known to be either."""
        counts = Counter(finding.verdict for finding in self.findings)
        told = [f"{counts[each]} {word}" for each, word in _WORDS.items() if counts[each]]
        return f"{len(self.findings)} promises: {', '.join(told)}"

    def text(self, columns: int | None = None) -> str:
        """Return a line for each promise, in so many columns; of what is broken also why it matters."""
        width = text_width(columns)
        lines = [titled(f"{self.kind} ", f"{in_a_line(self.path)}: {self.sentence}", width=width), ""]
        for each in sorted(self.findings, key=lambda finding: finding.verdict != "fail"):
            title = f"{_WORDS[each.verdict]:<10}{each.name:<{_INDENT - 10}} "
            lines.append(titled(title, f"{each.found}. Promised: {each.expected}.", width=width))
            if each.verdict == "fail":
                lines.append(titled(" " * len(title), f"Why it matters: {each.why}.", width=width))
        if self.seal:
            lines += ["", titled("seal  ", self.seal, width=width)]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "kind": self.kind,
            "path": self.path,
            "is_sound": self.is_sound,
            "seal": self.seal or None,
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True, repr=False)
class Verdicts:
    """What was found of everything that was asked about. Printed, it is the table."""

    each: tuple[Verdict, ...]

    @property
    def is_sound(self) -> bool:
        """Whether no promise of any is broken."""
        return all(verdict.is_sound for verdict in self.each)

    def text(self, columns: int | None = None) -> str:
        """Return all of it in so many columns; of several first those with a broken promise."""
        parts = [verdict.text(columns) for verdict in sorted(self.each, key=lambda verdict: verdict.is_sound)]
        return "\n\n".join([*parts, self.sentence] if len(parts) > 1 else parts)

    @property
    def sentence(self) -> str:
        """How many of them keep every promise."""
        sound = sum(verdict.is_sound for verdict in self.each)
        return f"{sound} of {len(self.each)} break no promise"

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<verdict: {self.sentence}>"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"is_sound": self.is_sound, "verdicts": [verdict.to_json() for verdict in self.each]}
