"""Names for the classes of a network: one for each logit, two for a single one."""

import re
from collections import Counter
from collections.abc import Sequence

from resnetlab.base.units import first_of
from resnetlab.data.arrays.cifar import CIFAR10_NAMES
from resnetlab.errors import UsageError
from resnetlab.weights.facts.naming import Naming
from resnetlab.weights.loading import OpenedWeights

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
        raise UsageError(f"class names occur twice: {first_of(twice)}")
    return (*names, *(f"class {index}" for index in range(len(names), count)))


# Namings of trainers for CIFAR-10 alone; kuangliu's names, of four stages, are copied for other data.
_CIFAR10 = (
    "akamaster", "keras-example", "tensorflow-official-cifar", "tensorflow-research", "chaoji-tf1",
    "chaoji-tf2",
)  # fmt: skip


def known_names(naming: Naming) -> tuple[tuple[str, ...], str]:
    """Return the names of the classes that a naming's files have, where that is certain, and a remark."""
    is_cifar = naming.name in _CIFAR10 and (naming.spec.classes, len(naming.spec.blocks)) == (10, 3)
    if not (is_cifar and naming.has_head):
        return (), ""
    title = naming.dialect.title
    return tuple(
        CIFAR10_NAMES
    ), f"the classes are CIFAR-10's, as {title} of 10 classes: --classes names others"


def names_of(opened: OpenedWeights) -> tuple[tuple[str, ...], list[str]]:
    """Return the names of a file's classes, as far as they are known, and what to say of them.

    Those that occur twice get their number behind them.
    """
    names, note = (opened.class_names, "") if opened.class_names else known_names(opened.naming)
    distinct, _ = distinct_names(names)
    return distinct, [note] if note else []


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
