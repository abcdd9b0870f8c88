"""What the values of a run's files are: others may have written them."""

import math
from typing import TypeGuard


def is_count(value: object) -> TypeGuard[int]:
    """Return whether a value of a file is a whole number from 0 on."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_share(value: object) -> TypeGuard[float]:
    """Return whether it is a number in [0, 1]."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def is_number(value: object) -> TypeGuard[float]:
    """Return whether it is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number_of(value: object) -> float | None:
    """Return it if it is a finite number."""
    return value if is_number(value) else None


def first_line_of(value: object) -> str:
    """Return the first line of a text, such as what an error said; empty if it has none."""
    return next(iter(str(value).splitlines()), "")


def texts_of(value: object) -> list[str]:
    """Return the items of a list as texts; none if it is no list."""
    return [str(each) for each in value] if isinstance(value, list) else []
