"""What was found of one thing, and of several: as text that fits a terminal, and as plain data."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from resnetlab.auditing.finding import Finding
from resnetlab.auditing.finding import Verdict as Kept
from resnetlab.base.lettering import in_a_line, shorter
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
    is_judged: bool = True
    """False of a run that is being written: what it promises was not looked at."""

    @property
    def is_sound(self) -> bool:
        """Whether it was judged, and no promise is broken."""
        return self.is_judged and not self.broken

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The promises that are."""
        return tuple(each for each in self.findings if each.verdict == "fail")

    @property
    def sentence(self) -> str:
        """How many promises are kept, broken, and not known to be either."""
        if not self.is_judged:
            return "not judged"
        counts = Counter(finding.verdict for finding in self.findings)
        told = [f"{counts[each]} {word}" for each, word in _WORDS.items() if counts[each]]
        return f"{len(self.findings)} promises: {', '.join(told)}"

    def text(self, columns: int | None = None, *, in_full: bool = False) -> str:
        """Return what is broken first, with what was promised and why it matters, then a line for each other.

        Args:
            columns: Of whoever reads it.
            in_full: Whether of every promise all is said.
        """
        width = text_width(columns)
        lines = [titled(f"{self.kind} ", f"{in_a_line(self.path)}: {self.sentence}", width=width), ""]
        for each in sorted(self.findings, key=lambda finding: finding.verdict != "fail"):
            title = f"{_WORDS[each.verdict]:<10}{each.name:<{_INDENT - 10}} "
            if each.verdict == "pass" and not in_full:
                lines.append(titled(title, shorter(each.found, max(width - len(title), 8)), width=width))
                continue
            is_whole = in_full or each.verdict == "fail"
            promised = f". Promised: {each.expected}." if is_whole else "."
            lines.append(titled(title, f"{each.found}{promised}", width=width))
            if is_whole:
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
            "is_judged": self.is_judged,
            "seal": self.seal or None,
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True, repr=False)
class Verdicts:
    """What was found of everything that was asked about. Printed, it is the table."""

    each: tuple[Verdict, ...]

    @property
    def is_sound(self) -> bool:
        """Whether all were judged, and no promise of any is broken."""
        return all(verdict.is_sound for verdict in self.each)

    def text(self, columns: int | None = None, *, in_full: bool = False) -> str:
        """Return all of it as `Verdict.text`; of several first those with a broken promise."""
        ordered = sorted(self.each, key=lambda verdict: verdict.is_sound)
        parts = [verdict.text(columns, in_full=in_full) for verdict in ordered]
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
