"""Numbers that a forecast stands on, each with its unit and its source, and replaced by name. No torch."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from resnetlab.errors import UsageError, nearest

UNITS = {
    "": 1.0, "cores": 1.0, "devices": 1.0, "images/s": 1.0, "kB": 1e3, "GB/s": 1e9, "GiB": 2.0**30,
    "TFLOP/s": 1e12, "us": 1e-6, "ms": 1e-3,
}  # fmt: skip
"""What a number of a unit is in plain units: bytes, operations, seconds."""


@dataclass(frozen=True)
class Assumption:
    """One number, as people write it."""

    name: str
    value: float
    unit: str
    source: str
    """Where it comes from, after one of stated, published, measured, fitted, guessed and given."""

    @property
    def plain(self) -> float:
        """The number in plain units."""
        return self.value * UNITS[self.unit]

    @property
    def text(self) -> str:
        """The number with its unit."""
        number = f"{self.value:,.0f}" if self.value >= 1000 else f"{self.value:.4g}"
        return f"{number} {self.unit}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return {"value": self.value, "unit": self.unit, "source": self.source}


class Assumptions:
    """Assumptions by name."""

    def __init__(self, assumptions: Iterable[Assumption]) -> None:
        self._by_name = {each.name: each for each in assumptions}

    def __iter__(self) -> Iterator[Assumption]:
        return iter(self._by_name.values())

    def __getitem__(self, name: str) -> float:
        """Return a number in plain units."""
        return self._by_name[name].plain

    def replaced(self, texts: Iterable[str]) -> "Assumptions":
        """Return them with numbers that the user gives as NAME=VALUE, in the assumption's own unit.

        Raises:
            UsageError: If a text is not of that form, names nothing assumed here, or its number cannot be.
        """
        found, seen = dict(self._by_name), set[str]()
        for text in texts:
            name, equals, value = (part.strip() for part in text.partition("="))
            if not equals:
                raise UsageError(
                    f"--assume {text}: not of the form NAME=VALUE", hint="E.g. --assume network=100"
                )
            if name not in found:
                names = ", ".join(found)
                raise UsageError(
                    f"--assume {text}: nothing called {name!r} is assumed here",
                    hint=nearest(name, found) or f"Assumed are {names}.",
                )
            if name in seen:
                raise UsageError(f"{name} is given twice by --assume", hint="Leave out one of them.")
            seen.add(name)
            found[name] = _given(found[name], value, text)
        return Assumptions(found.values())


def _given(assumption: Assumption, text: str, written: str) -> Assumption:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    is_time = assumption.unit in ("us", "ms")
    if not 0 <= value < float("inf") or (value == 0 and not is_time):
        unit = f" of {assumption.unit}" if assumption.unit else ""
        raise UsageError(f"--assume {written}: {assumption.name} is a number{unit} above 0")
    return replace(assumption, value=value, source=f"given; without it {assumption.text}")
