"""Which split a folder, a shard or a table's row belongs to, and what to do when there is only one."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from resnetlab.data.encoded import EncodedSource, EncodedSplit, Reader
from resnetlab.data.split import hold_out
from resnetlab.errors import DataError, UsageError

PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""What people call the splits, in lower case, and what we call them."""

TEST_DIVISOR = 5  # the test split is one fifth, as of the digits
SPLIT_SEED = 0  # fixed, so that accuracies compare between runs of any seed


def part_in(name: str) -> str | None:
    """Return the split that a word of the name says, e.g. "val" for "imagenet-validation-00.tar"."""
    words = re.split(r"[^a-z]+", name.casefold())
    return next((PARTS[word] for word in words if word in PARTS), None)


def refuse_two_of_a_part(where: str, names: Iterable[str]) -> None:
    """Raise a DataError if two folders mean the same split, as valid and validation do."""
    named = [(PARTS[name.casefold()], name) for name in names]
    for part in dict.fromkeys(PARTS.values()):
        same = [name for each, name in named if each == part]
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
    if for_scoring and parts:
        first = next(iter(parts.values()))
        return EncodedSource(
            name=name,
            class_names=tuple(class_names),
            train=first,
            test=first,
            found=dict(parts),
            origin=origin,
            notes=tuple(notes),
        )
    if "train" not in parts:
        found = " and ".join(parts) or "nothing"
        raise DataError(f"{origin}: has no train split, found {found}", hint="Name it train.")
    train, test, val = parts["train"], parts.get("test"), parts.get("val")
    said = list(notes)
    if test is None and val is not None:
        said.append("there is no test split: the validation split serves as one")
        test, val = val, None
    if test is None:
        said.append(f"there is one split only: a fifth of each class is held out for test, seed {SPLIT_SEED}")
        train, test = _divide(train, class_names, origin)
    return EncodedSource(
        name=name,
        class_names=tuple(class_names),
        train=train,
        test=test,
        val=val,
        origin=origin,
        is_partial=is_partial,
        notes=tuple(said),
    )


def _divide(
    everything: EncodedSplit, class_names: Sequence[str], origin: str
) -> tuple[EncodedSplit, EncodedSplit]:
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
