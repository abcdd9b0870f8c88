"""What every labelled collection is checked for, however its images are kept."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from resnetlab.errors import DataError

Labels = npt.NDArray[np.int64]


class Labelled(Protocol):
    """Samples with labels, whatever they are samples of."""

    @property
    def labels(self) -> Labels:
        """Shape (N,), indices into the class names."""

    def __len__(self) -> int: ...


def samples_per_class(labels: Labels, num_classes: int) -> list[int]:
    """Return how many samples each class has."""
    return [int(count) for count in np.bincount(labels, minlength=num_classes)]


def class_name_problems(names: Sequence[str], *, least: int = 2) -> Iterator[str]:
    """Yield what is wrong with a collection's class names: fewer than `least`, or one twice."""
    if len(names) < least:
        yield f"needs at least {'two classes' if least == 2 else 'one class'}, has {len(names)}"
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        yield f"class names occur twice: {', '.join(twice)}"


def label_problems(part: str, num_images: int, labels: Labels, num_classes: int) -> Iterator[str]:
    """Yield what is wrong with a split's labels: type, shape, number, range."""
    if labels.dtype != np.int64 or labels.ndim != 1:
        yield f"{part} labels are {labels.dtype} {labels.shape}, expected int64 (N,)"
        return
    if num_images != len(labels):
        yield f"{part} has {num_images} images but {len(labels)} labels"
    if not len(labels):
        yield f"{part} is empty"
    bad = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(bad):
        where = f"record {bad[0]} has label {labels[bad[0]]}"
        yield f"{part}: {where}, labels are 0 to {num_classes - 1} ({len(bad)} such records)"


def missing_classes(
    class_names: Sequence[str], parts: Mapping[str, Labels], *, is_partial: bool
) -> tuple[list[str], list[str]]:
    """Return problems and notes about classes that a part ("train", "test") has no image of.

    In "train" that is a problem, unless the collection is part of a larger one; elsewhere a note.
    """
    texts = {part: _without(part, labels, class_names) for part, labels in parts.items()}
    problems = [text for part, text in texts.items() if part == "train" and text and not is_partial]
    return problems, [text for text in texts.values() if text]


def _without(part: str, labels: Labels, class_names: Sequence[str]) -> str:
    counts = samples_per_class(labels, len(class_names))
    missing = [name for name, count in zip(class_names, counts, strict=True) if not count]
    return f"{part} has no image of {first_of(missing)}" if missing else ""


def refuse(where: str, problems: Iterable[str], *, hint: str = "") -> None:
    """Raise one DataError with all the problems, if there are any; each line begins with `where`."""
    lines = [f"{where}: {text}" for text in problems]
    if lines:
        raise DataError("\n".join(lines), hint=hint)


def first_of(items: Sequence[object], most: int = 5) -> str:
    """Return "a, b, c, d, e and 3 more"."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(map(str, items[:most])) + more


def in_a_line(text: str) -> str:
    """Return the text with what would break or hide a part of its line (a file's name may) escaped.

    Bytes that are no UTF-8 stay as they are, for the stream to write them back.
    """
    return "".join(
        letter if letter.isprintable() or "\udc80" <= letter <= "\udcff" else repr(letter)[1:-1]
        for letter in text
    )


def number_classes(labels: Sequence[str]) -> tuple[tuple[str, ...], Labels]:
    """Return the class names that written labels stand for, and each label as an index into them.

    Whole numbers are put in the order of numbers, anything else in plain `sorted()` order.
    """
    distinct = set(labels)
    are_numbers = all(_is_number(label) for label in distinct)
    names = sorted(distinct, key=int) if are_numbers else sorted(distinct)
    place = {name: index for index, name in enumerate(names)}
    indices = np.fromiter((place[label] for label in labels), np.int64, len(labels))
    return tuple(names), indices


def _is_number(label: str) -> bool:
    """Return whether it is a whole number as one writes it; one of twenty digits is a name."""
    return label.isdecimal() and len(label) < 19 and str(int(label)) == label


def numbering_notes(class_names: Sequence[str]) -> list[str]:
    """Return what to say of labels that are whole numbers, but not 0, 1, 2, ..."""
    if not all(map(_is_number, class_names)) or [*class_names] == [*map(str, range(len(class_names)))]:
        return []
    index, name = next((index, name) for index, name in enumerate(class_names) if name != str(index))
    return [f"labels are {class_names[0]} to {class_names[-1]}: class {index} is the one called {name}"]
