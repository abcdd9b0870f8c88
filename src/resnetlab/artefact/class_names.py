"""Names for the classes of a network: one for each logit, two for a single one."""

import re
from collections import Counter
from collections.abc import Sequence

from resnetlab.errors import UsageError

_NUMBERED = re.compile(r"class \d+")


def class_count(logits: int) -> int:
    """Return how many classes so many logits tell apart: one says of two which."""
    return max(logits, 2)


def name_classes(names: Sequence[str], logits: int) -> tuple[str, ...]:
    """Return a name for each class of so many logits: a network may have more of them than its data.

    One logit tells two classes apart, the second by a positive logit; a single name is the second's.

    Raises:
        UsageError: If there are more names than classes, or one stands for two.
    """
    count = class_count(logits)
    if len(names) > count:
        raise UsageError(f"{len(names)} class names, but the network has {count} classes")
    if logits == 1 and len(names) == 1 and not _NUMBERED.fullmatch(names[0]):
        return f"not {names[0]}", names[0]
    if twice := repeated(names):
        raise UsageError(f"class names occur twice: {', '.join(twice[:5])}")
    return (*names, *(f"class {index}" for index in range(len(names), count)))


def logit_note(names: Sequence[str], logits: int) -> tuple[str, ...]:
    """Return what a user should know of a network's single logit; nothing of several."""
    if logits != 1 or len(names) != 2:
        return ()
    return (f'one logit: its sigmoid is the probability of "{names[1]}", the rest that of "{names[0]}"',)


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
