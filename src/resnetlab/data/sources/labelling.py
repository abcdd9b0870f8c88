"""What every labelled collection is checked for, however its images are kept."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from resnetlab.base.reading.plain import read_text
from resnetlab.base.units import first_of
from resnetlab.errors import DataError

Labels = npt.NDArray[np.int64]

LABEL_TITLES = frozenset(
    {
        "label", "labels", "label_name", "label_id", "class", "classes", "class_name", "classname",
        "class_id", "classid", "class_label", "category", "category_name", "category_id", "target", "y",
    }
)  # fmt: skip
"""What people call a column of labels, in lower case."""


_MISSING = frozenset({"nan", "null", "n/a", "#n/a", "<na>", "?"})
"""What programs write where there is no label."""


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


def label_text(value: object, where: str) -> str:
    """Return a label of a JSON or a text file as text: a whole number, a name, or true and false.

    Raises:
        DataError: If it is anything else, naming `where`.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int) or not str(value).strip():
        raise DataError(f"{where}: the label is {value!r}, neither a whole number nor a name")
    text = str(value).strip()
    try:
        text.encode()  # JSON can spell halves of characters
    except UnicodeError as error:
        raise DataError(f"{where}: has no label ({type(error).__name__}: {error})") from error
    if text.startswith("-") and text[1:].isdecimal():
        raise DataError(f"{where}: the label {text} is below 0")
    return text


def name_classes(
    class_names: Sequence[str], labels: Labels, naming: Path | tuple[str, ...]
) -> tuple[tuple[str, ...], Labels, list[str]]:
    """Return the classes that a file names, a line each, the labels as indices into them, and notes.

    Labels that are whole numbers are the lines' numbers, from 0; from 1 if they are 1 to the number of
    lines. Other labels are the names themselves, and the file gives their order.

    Args:
        class_names: As `number_classes` returns them.
        labels: As `number_classes` returns them.
        naming: The file, or its lines.

    Raises:
        DataError: If the file cannot be read, or names fewer classes than there are.
    """
    lines = naming if isinstance(naming, tuple) else _lines(naming)
    file = "the names of the classes" if isinstance(naming, tuple) else str(naming)
    names = [line.strip() for line in lines if line.strip()]
    found, indices = in_order_of(names, class_names, labels, file)
    is_shifted = not any(map(_is_number, names)) and str(len(names)) in class_names
    return found, indices, [f"label 1 is the first class of {Path(file).name}"] * is_shifted


def _lines(path: Path) -> Sequence[str]:
    try:
        return read_text(path, encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{path}: cannot be read: {reason}",
            hint="It names the classes, one a line; --data-set class_names=FILE says where it lies.",
        ) from error


def in_order_of(
    names: Sequence[str], class_names: Sequence[str], labels: Labels, where: str
) -> tuple[tuple[str, ...], Labels]:
    """Return `names` as the classes and the labels as indices into them; see `name_classes`.

    Raises:
        DataError: If `names`, of the file at `where`, lacks a class.
    """
    place: dict[str, int] = {name: index for index, name in enumerate(names)}
    if all(map(_is_number, class_names)) and not any(map(_is_number, names)):
        numbers = [*map(int, class_names)]
        shift = 1 if min(numbers) == 1 and max(numbers) == len(names) else 0
        place = {name: number - shift for name, number in zip(class_names, numbers, strict=True)}
        if max(numbers) - shift >= len(names):
            raise DataError(f"{where}: names {len(names):,} classes, there is a label {max(numbers):,}")
    refuse(where, [f"lacks class {name}" for name in class_names if name not in place])
    return tuple(names), np.array([place[name] for name in class_names], np.int64)[labels]


def _is_number(label: str) -> bool:
    """Return whether it is a whole number as one writes it; one of twenty digits is a name."""
    return label.isdecimal() and len(label) < 19 and str(int(label)) == label


def numbering_notes(class_names: Sequence[str]) -> list[str]:
    """Return what to say of labels that are whole numbers, but not 0, 1, 2, ..."""
    if not all(map(_is_number, class_names)) or [*class_names] == [*map(str, range(len(class_names)))]:
        return []
    index, name = next((index, name) for index, name in enumerate(class_names) if name != str(index))
    return [f"labels are {class_names[0]} to {class_names[-1]}: class {index} is the one called {name}"]


def spelling_notes(class_names: Sequence[str]) -> list[str]:
    """Return what to say of classes whose names are hardly those of different classes.

    They differ in nothing but capitals, blanks and how letters are composed, as Cat and cat; they stand for a
    label that is missing; or they are numbers with fractions, which a measure has and no class.
    """
    alike: dict[str, list[str]] = {}
    for name in class_names:
        alike.setdefault(plainly_spelt(name), []).append(name)
    pairs = [" and ".join(map(repr, names)) for names in alike.values() if len(names) > 1]
    missing = [name for name in class_names if name.strip().casefold() in _MISSING]
    fractions = [name for name in class_names if re.fullmatch(r"-?\d*\.\d+", name)]
    told = f"{fractions[0]}, {fractions[-1]}" if len(fractions) > 1 else ""
    return [
        *[f"classes whose names are spelt alike, read as different ones: {first_of(pairs)}"] * bool(pairs),
        *[f"a class is called {missing[0]!r}: are these images whose label is missing?" for _ in missing[:1]],
        *[f"labels are numbers with fractions ({told}): each of them is a class of its own"] * bool(told),
    ]


def plainly_spelt(name: str) -> str:
    """Return a class name without capitals, blanks and the choice of how its letters are composed."""
    return unicodedata.normalize("NFKC", "".join(re.split(r"[\s_-]+", name))).casefold()
