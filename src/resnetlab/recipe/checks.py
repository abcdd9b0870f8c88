"""Refusing values of a recipe that cannot be, all at once."""

from resnetlab.errors import UsageError

Floats = tuple[float, ...]


def refuse(owner: str, *checks: tuple[bool, str]) -> None:
    """Raise one UsageError with the text of every check that holds.

    Raises:
        UsageError: If any check holds.
    """
    problems = [text for is_wrong, text in checks if is_wrong]
    if problems:
        raise UsageError(f"{owner}: " + "; ".join(problems))
