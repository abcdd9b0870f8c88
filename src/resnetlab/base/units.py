"""Durations ("90ep", "5000st") and the words for bytes, seconds and counts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from resnetlab.errors import UsageError


@dataclass(frozen=True, order=False)
class Duration:
    """A length of training: a whole number of epochs or of steps (optimizer updates)."""

    count: int
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in ("ep", "st") or self.count < 0:
            raise UsageError(f"not a duration: {self.count}{self.unit}")

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read "90ep" or "5000st"; a bare number counts steps.

        Raises:
            UsageError: If the text is anything else.
        """
        match = re.fullmatch(r"\s*(\d+)\s*(ep|st|epochs?|steps?|)\s*", str(text))
        if match is None:
            raise UsageError(
                f"not a duration: {text!r}",
                hint="Write epochs as 90ep and steps (optimizer updates) as 5000st.",
            )
        return cls(int(match[1]), "ep" if match[2].startswith("ep") else "st")


def length_of(epochs: object, steps: object, *, prefix: str = "") -> Duration | None:
    """Return the length that one of the two counts says, or None if neither is given.

    Args:
        epochs: A count, or its text.
        steps: The same in steps.
        prefix: Of the names as the user wrote them.

    Raises:
        UsageError: If both are given, or one is no count from 1 on.
    """
    given = {name: count for name, count in (("epochs", epochs), ("steps", steps)) if count is not None}
    if len(given) > 1:
        told = " and ".join(f"{prefix}{name} {count}" for name, count in given.items())
        raise UsageError(f"the length is given twice: {told}", hint="Leave out one of them.")
    for name, count in given.items():
        length = Duration.parse(f"{count}{'ep' if name == 'epochs' else 'st'}")
        if length.count < 1:
            raise UsageError(f"{prefix}{name} {count}: a length is at least 1")
        return length
    return None


def count_of(text: str, total: int) -> str:
    """Return the count that a share such as "10%" is of so many, at least 1; any other text as it is.

    Raises:
        UsageError: If the share is not above 0 and at most 100 %.
    """
    number = text.strip().removesuffix("%")
    if number == text.strip():
        return text
    try:
        share = float(number) / 100
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise UsageError(f"{text}: not a share above 0 and at most 100 %", hint="E.g. 10%.")
    return str(max(1, round(share * total)))


def format_bytes(count: float) -> str:
    """Return e.g. "1.5 GiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def format_seconds(seconds: float) -> str:
    """Return e.g. "0.8 s", "42 s", "3:05" (min:s) or "1:02:05" (h:min:s)."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


def format_count(count: float) -> str:
    """Return e.g. "269.7 k" or "40.6 M"."""
    for unit, digits in (("", 0), (" k", 1), (" M", 1), (" G", 1), (" T", 1)):
        if round(abs(count), digits) < 1000:  # 999,999 is 1.0 M, not 1000.0 k
            return f"{count:.{digits}f}{unit}"
        count /= 1000
    return f"{count:.1f} P"


def counted(count: int, word: str) -> str:
    """Return "1 row", "2,000 rows": how many there are of what a word names, its plural by an s."""
    return f"{count:,} {word}{'s' * (count != 1)}"


def format_rounded(count: float) -> str:
    """Return e.g. "270 k" or "1.7 M" for a count that its source has rounded: no digit is added."""
    return format_count(count).replace(".0 ", " ")


def first_of(items: Sequence[object], most: int = 5, *, between: str = ", ") -> str:
    """Return "a, b, c, d, e and 3 more"."""
    more = f"{between.rstrip(' ,')} and {len(items) - most:,} more" if len(items) > most else ""
    return between.join(map(str, items[:most])) + more
