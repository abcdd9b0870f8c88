"""Which of a network's answers each class of some data is: by name, and by order where that is said."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resnetlab.base.units import first_of
from resnetlab.data.sources.labelling import Labels
from resnetlab.errors import DataError, UsageError, nearest
from resnetlab.weights.facts.imagenet_classes import imagenet_classes

_WORDNET = re.compile(r"n\d{8}")


class Match(NamedTuple):
    """The classes of some data in a network."""

    logits: npt.NDArray[np.int64]
    """For each class of the data the number of its logit; -1 for one that has no image and no logit."""

    scored: tuple[int, ...]
    """Which classes of the data have a logit."""

    notes: tuple[str, ...]


def match_classes(
    data: str, theirs: Sequence[str], labels: Labels, ours: Sequence[str], *, by_order: bool = False
) -> Match:
    """Find the network's answer for each class of the data.

    The data may have some of the network's classes only. If the network's have no names, its number or
    its order decides, which is said.

    Args:
        data: The data's name, for messages.
        theirs: The data's classes.
        labels: Of the images, indices into `theirs`; a class without an image does not matter.
        ours: The network's classes, one for each logit.
        by_order: Take the classes by their order where the names differ.

    Raises:
        DataError: If the data has images of classes that the network does not have.
        UsageError: If they are to be taken by their order, but are not equally many.
    """
    place = {name: index for index, name in enumerate(ours)} | _in_words(ours)
    unknown = [theirs[index] for index in np.unique(labels) if theirs[index] not in place]
    if not unknown:
        notes = ["the classes have the network's names and are taken by these, not by their order"] * by_order
        return _by(place, theirs, [*notes, *_part(data, theirs, ours)])
    if by_order:
        if len(theirs) != len(ours):
            raise UsageError(f"by their order: {data} has {len(theirs):,} classes, the network {len(ours):,}")
        return _in_order(
            theirs, f"the classes are taken by their order, as asked: {_first_pairs(theirs, ours)}"
        )
    if _are_numbered(ours) or (_in_words(ours) and all(name.isdecimal() for name in theirs)):
        if len(theirs) == len(ours):
            _refuse_numbers_as_text(data, theirs)
            what = "have no names" if _are_numbered(ours) else "are ImageNet's, the data's are numbers"
            return _in_order(theirs, f"the network's classes {what}; taken is the order of the data's")
        numbers = {name: int(name) for name in theirs if name.isdecimal() and len(name) < 10}
        if len(numbers) == len(theirs) and max(numbers.values()) < len(ours):
            note = "the network's classes have no names; the data's numbers are taken for theirs"
            return _by(numbers, theirs, [note, *_part(data, theirs, ours)])
    lacking = first_of([name for name in ours if name not in set(theirs)]) or "none"
    raise DataError(
        f"{data} has other classes than the network: {len(unknown):,} of its {len(theirs):,} are none of the"
        f" network's {len(ours):,} ({first_of(unknown)}); in the network alone: {lacking}",
        hint=_hint(unknown, theirs, ours),
    )


def _in_words(ours: Sequence[str]) -> dict[str, int]:
    """Return the index of each of ImageNet's classes by its words, all or the first, if no other has them.

    Empty if the network's classes are others.
    """
    if [*ours] != [*imagenet_classes()]:
        return {}
    words = [*imagenet_classes().values()]
    first = [each.partition(",")[0] for each in words]
    alone = {name: index for index, name in enumerate(first) if first.count(name) == 1}
    return alone | {name: index for index, name in enumerate(words) if words.count(name) == 1}


def _refuse_numbers_as_text(data: str, names: Sequence[str]) -> None:
    """Raise a DataError if the names are the numbers from 0, but not in the order of numbers."""
    numbers = [str(number) for number in range(len(names))]
    if set(names) != set(numbers) or [*names] == numbers:
        return
    index, name = next((index, name) for index, name in enumerate(names) if name != str(index))
    raise DataError(
        f"{data}'s classes are numbers in the order of text ({first_of(names)}), and the network's classes"
        f" have no names: {name} can be its class {name}, or its class {index}",
        hint=f"--by-order takes the second, as of networks that were trained on such folders; for the first,"
        f" `resnetlab import FILE --classes NAMES` with the names 0 to {len(names) - 1}.",
    )


def _are_numbered(names: Sequence[str], start: int = 0) -> bool:
    """Return whether the names from `start` on only stand for a logit that has none."""
    return all(name == f"class {index}" for index, name in enumerate(names) if index >= start)


def _by(place: dict[str, int], theirs: Sequence[str], notes: Sequence[str]) -> Match:
    logits = np.array([place.get(name, -1) for name in theirs], np.int64)
    return Match(logits, tuple(np.flatnonzero(logits >= 0).tolist()), tuple(notes))


def _in_order(theirs: Sequence[str], note: str) -> Match:
    return Match(np.arange(len(theirs)), tuple(range(len(theirs))), (note,))


def _part(data: str, theirs: Sequence[str], ours: Sequence[str]) -> list[str]:
    """Return what to say of data that has not all of the network's classes."""
    known = len(set(theirs) & set(ours)) or len(theirs)
    if known == len(ours) or _are_numbered(ours, known):
        return []
    return [f"{data} has {known:,} of the network's {len(ours):,} classes; any of these can be its answer"]


def _first_pairs(theirs: Sequence[str], ours: Sequence[str]) -> str:
    pairs = [f"{name} is the network's {own}" for name, own in zip(theirs, ours, strict=True)]
    return first_of(pairs, 3)


def _hint(unknown: Sequence[str], theirs: Sequence[str], ours: Sequence[str]) -> str:
    hints = [nearest(unknown[0], ours, most=1)] if len(unknown) == 1 else []
    are_ids = [any(_WORDNET.fullmatch(name) for name in names) for names in (theirs, ours)]
    if _are_numbered(ours):
        hints.append("The network's classes have no names.")
    elif are_ids[0] != are_ids[1]:
        hints.append("One side has WordNet's numbers, the other words.")
    if all(name.isdecimal() for name in unknown):
        hints.append("--data-set class_names=FILE names the classes of arrays, tables and shards.")
    hints.append("`resnetlab import FILE --classes NAMES` gives a network the data's names.")
    if len(theirs) == len(ours):
        hints.append("If they are the same classes in the same order: --by-order.")
    return " ".join(filter(None, hints))
