"""Which split a folder, a shard or a table's row belongs to, and what to do when there is only one."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from resnetlab.data.sources.encoded import EncodedSource, EncodedSplit, Reader
from resnetlab.data.sources.labelling import spelling_notes
from resnetlab.data.sources.source import Samples, Source
from resnetlab.data.sources.split import hold_out
from resnetlab.errors import DataError, UsageError

SplitT = TypeVar("SplitT", bound=Samples)

PARTS = {
    "train": "train", "training": "train", "trn": "train", "trainval": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val", "development": "val",
    "test": "test", "testing": "test", "tst": "test",
    "eval": "test", "evaluation": "test", "holdout": "test", "heldout": "test",
}  # fmt: skip
"""What people call the splits, in lower case, and what we call them. See EITHER, too."""

EITHER = frozenset({"eval", "evaluation", "holdout", "heldout"})
"""Words for a split that is the test split, or, where another one is called test, the validation split."""

_MEANINGLESS = frozenset({
    "set", "sets", "data", "dataset", "datasets", "image", "images", "img", "imgs", "pic", "pics",
    "picture", "pictures", "photo", "photos", "jpg", "jpeg", "png", "split", "splits", "part", "subset",
    "folder", "dir", "seg", "cls", "clf", "class", "classes", "classification", "final", "raw", "new",
    "orig", "original", "resized", "cropped", "full", "all", "my", "the", "ds", "db", "shard", "shards",
    "public",
})  # fmt: skip
"""Words beside a split's that say nothing of what the pictures show."""

VAL_SERVES = "there is no test split: the validation split serves as one"
"""The note of a source whose test split that is."""

TEST_DIVISOR = 5  # the test split is one fifth, as of the digits
SPLIT_SEED = 0  # fixed, so that accuracies compare between runs of any seed


@dataclass(frozen=True, slots=True)
class SplitName:
    """A name that a split may have."""

    part: str
    """train, val or test; of EITHER's words it is test."""

    is_either: bool
    rest: str
    """The other words that mean something: "station" of train_station, nothing of "training-set 2017"."""


def split_name(name: str) -> SplitName | None:
    """Return which split a name speaks of, e.g. train for seg_train, TrainSet and "train2017"; if any.

    A name that speaks of two, as train_test_split does, is none of a split; train_val is train.
    """
    words = [word for each in _words(name) for word in _unglued(each)]
    found = list(dict.fromkeys(word for word in words if word in PARTS))
    parts = {PARTS[word] for word in found}
    if not parts or (len(parts) > 1 and parts != {"train", "val"}):
        return None
    rest = [word for word in words if word not in PARTS and word not in _MEANINGLESS and len(word) > 1]
    part = "train" if "train" in parts else parts.pop()
    return SplitName(part, all(word in EITHER for word in found), " ".join(rest))


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case; camel case divides, hold-out is one word."""
    divided = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    text = " ".join(re.findall(r"[^\W\d_]+", divided)).casefold()
    return re.sub(r"\b(hold|held) out\b", r"\1out", text).split()


def _unglued(word: str) -> list[str]:
    """Return "train", "set" for "trainset"."""
    for known in PARTS:
        if word.startswith(known) and word[len(known) :] in _MEANINGLESS:
            return [known, word[len(known) :]]
    return [word]


def parts_of(where: str, names: Iterable[str]) -> dict[str, str]:
    """Return the split of each of the names that speak of one, which lie beside each other.

    Eval, evaluation and holdout mean test, and val where another name says test.

    Raises:
        DataError: If there are names of all three beside one of these, which then could be either.
    """
    read = {name: found for name in names if (found := split_name(name))}
    sure = {found.part for found in read.values() if not found.is_either}
    open_ones = [name for name, found in read.items() if found.is_either]
    if open_ones and {"test", "val"} <= sure:
        raise DataError(
            f"{where}: {open_ones[0]} beside a validation and a test split could be either",
            hint="Move it elsewhere, or rename what is not to be used.",
        )
    held = "val" if "test" in sure else "test"
    return {name: held if found.is_either else found.part for name, found in read.items()}


def sayer_of(path: str) -> str | None:
    """Return that part of a path with "/" which says its split: the file's name, else a folder above it."""
    return next((name for name in reversed(path.split("/")) if split_name(name)), None)


def part_in(path: str) -> str | None:
    """Return the split that a path says alone, e.g. "val" for "imagenet-validation-00.tar"."""
    sayer = sayer_of(path)
    return parts_of(path, [sayer])[sayer] if sayer else None


def refuse_two_of_a_part(where: str, names: Iterable[str]) -> None:
    """Raise a DataError if two folders mean the same split, as valid and validation do."""
    named = parts_of(where, names)
    for part in dict.fromkeys(PARTS.values()):
        same = [name for name, each in named.items() if each == part]
        if len(same) > 1:
            raise DataError(f"{where}: {' and '.join(same)} both mean the {part} split", hint="Keep one.")


def divide_by_part(
    reader: Reader, parts: Sequence[str], labels: npt.NDArray[np.int64]
) -> dict[str, EncodedSplit]:
    """Return the splits of a reader's images, given for each image the split it belongs to."""
    part_of = np.array(parts, dtype="<U5")
    chosen = {part: np.flatnonzero(part_of == part) for part in dict.fromkeys(PARTS.values())}
    return {part: EncodedSplit(reader, at, labels[at]) for part, at in chosen.items() if len(at)}


def source_from_parts(
    *,
    name: str,
    origin: str,
    class_names: Sequence[str],
    parts: Mapping[str, EncodedSplit],
    notes: Sequence[str] = (),
    is_partial: bool = False,
    for_scoring: bool = False,
) -> EncodedSource:
    """Make the source of the splits that were found, which are some of train, val and test.

    Training images alone are divided by class with the seed 0, a fifth for the test split; val
    without test is the test split. Both are noted. For scoring nothing is divided, and any split is
    enough: they stand in the source's `found`.

    Raises:
        DataError: If there is no training split to train on, or too few images to divide, or whatever
            `EncodedSource` refuses.
    """
    chosen = arrange(parts, class_names, origin, notes, for_scoring=for_scoring)
    return EncodedSource(
        name=name,
        class_names=tuple(class_names),
        train=chosen.train,
        test=chosen.test,
        val=chosen.val,
        found=chosen.found,
        origin=origin,
        is_partial=is_partial,
        notes=chosen.notes,
    )


@dataclass(frozen=True, slots=True)
class Arranged(Generic[SplitT]):
    """The splits of a source as `Source` holds them."""

    train: SplitT
    test: SplitT
    val: SplitT | None
    found: Mapping[str, SplitT] | None
    notes: tuple[str, ...]


def arrange(
    parts: Mapping[str, SplitT],
    class_names: Sequence[str],
    origin: str,
    notes: Sequence[str],
    *,
    for_scoring: bool,
) -> Arranged[SplitT]:
    """Return the splits that were found as a source holds them; see `source_from_parts`.

    Raises:
        DataError: If there is no training split to train on, or too few images to divide.
    """
    notes = [*notes, *spelling_notes(class_names)]
    if for_scoring and parts:
        first = next(iter(parts.values()))
        return Arranged(first, first, None, dict(parts), tuple(notes))
    if "train" not in parts:
        found = " and ".join(parts) or "nothing"
        raise DataError(f"{origin}: has no train split, found {found}", hint="Name it train.")
    train, test, val, said = _train_test_val(parts, class_names, origin)
    return Arranged(train, test, val, None, (*notes, *said))


def as_trained_on(source: Source[SplitT]) -> Source[SplitT] | None:
    """Return a source that was opened for scoring as it is to those who train on it, if they can."""
    if source.found is None:
        return source
    if "train" not in source.found:
        return None
    try:
        train, test, val, said = _train_test_val(source.found, source.class_names, source.origin)
        notes = (*source.notes, *said)
        return replace(source, train=train, test=test, val=val, found=None, notes=notes)
    except DataError:
        return None


def _train_test_val(
    parts: Mapping[str, SplitT], class_names: Sequence[str], origin: str
) -> tuple[SplitT, SplitT, SplitT | None, list[str]]:
    """Return the splits that one trains with, of those that there are, and what is to be said of it."""
    train, test, val = parts["train"], parts.get("test"), parts.get("val")
    said = []
    if test is None and val is not None:
        said.append(VAL_SERVES)
        test, val = val, None
    if test is None:
        said.append(f"there is one split only: a fifth of each class is held out for test, seed {SPLIT_SEED}")
        train, test = _divide(train, class_names, origin)
    return train, test, val, said


def _divide(everything: SplitT, class_names: Sequence[str], origin: str) -> tuple[SplitT, SplitT]:
    try:
        train, test = hold_out(everything, max(1, len(everything) // TEST_DIVISOR), SPLIT_SEED)
    except UsageError as error:
        counts = everything.samples_per_class(len(class_names))
        rarest = int(np.argmin(counts))
        raise DataError(
            f"{origin}: too few images to divide into train and test: "
            f"class {class_names[rarest]} has {counts[rarest]}",
            hint="Add images, or make a train and a test split yourself.",
        ) from error
    return everything.take(train), everything.take(test)
