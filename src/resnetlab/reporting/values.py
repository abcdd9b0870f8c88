"""What the values of a run's files are: others may have written them."""

from resnetlab.base.reading.plain import is_count as is_count
from resnetlab.base.reading.plain import is_number as is_number
from resnetlab.base.reading.plain import is_share as is_share


def number_of(value: object) -> float | None:
    """Return it if it is a finite number."""
    return value if is_number(value) else None


def first_line_of(value: object) -> str:
    """Return the first line of a text, such as what an error said; empty if it has none."""
    return next(iter(str(value).splitlines()), "")


def texts_of(value: object) -> list[str]:
    """Return the items of a list as texts; none if it is no list."""
    return [str(each) for each in value] if isinstance(value, list) else []
