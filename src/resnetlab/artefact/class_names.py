"""Names for the classes of a network: one for each logit, none for two."""

from collections import Counter
from collections.abc import Sequence

from resnetlab.errors import UsageError


def name_classes(names: Sequence[str], count: int) -> tuple[str, ...]:
    """Return a name for each of `count` logits: a network may have more of them than its data has classes.

    Raises:
        UsageError: If there are more names than logits, or one stands for two.
    """
    if len(names) > count:
        raise UsageError(f"{len(names)} class names, but the network has {count} classes")
    if twice := repeated(names):
        raise UsageError(f"class names occur twice: {', '.join(twice[:5])}")
    return (*names, *(f"class {index}" for index in range(len(names), count)))


def repeated(names: Sequence[str]) -> list[str]:
    """Return the names that occur more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


def distinct_names(names: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the names, those that occur more than once with their index, and which these were.

    The usual list of ImageNet's classes has "crane" and "maillot" twice: "crane (134)", "crane (517)".
    """
    twice, taken, found = set(repeated(names)), set(names), []
    for index, name in enumerate(names):
        if name in twice:
            while name in taken:
                name = f"{name} ({index})"
            taken.add(name)
        found.append(name)
    return tuple(found), sorted(twice)
