"""ImageNet as TFRecord shards: train-00000-of-01024, ..., validation-00127-of-00128."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resnetlab.data.encoded import EncodedSource
from resnetlab.data.labelling import first_of, refuse
from resnetlab.data.parts import divide_by_part, source_from_parts
from resnetlab.data.record_index import ShardIndex, index_shards, join
from resnetlab.data.shards import find_shards, shard_parts
from resnetlab.data.tfrecord_records import SYNSET, TFRecordReader, index_tfrecord

SHARD_NAME = re.compile(r"^(?P<stem>.*)-(?P<number>\d{5})-of-(?P<total>\d{5})(\.tfrecords?)?$|\.tfrecords?$")

_IMAGENET_CLASSES = 1000  # asked for by number, they never mean 999 and the background

Labels = npt.NDArray[np.int64]


def open_tfrecord(
    path: Path,
    *,
    classes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    for_scoring: bool = False,
) -> EncodedSource:
    """Open the shards in a folder, or those that a pattern names.

    ImageNet's labels are 1 to 1000, and 0 is the background, which no image has. They are shifted to
    0 to 999, unless `classes` is greater than the highest label (and not 1000): then class 0 is
    "background", as in the original trainers with their 1001 classes. Labels that begin with 0 stay as
    they are. Which of it was done stands in the notes.

    Class names are the records' image/class/synset (n01440764, ...) if every record has one and no
    two classes the same, which the notes say: an image folder of the same data has the same classes
    in the same order. Else they are image/class/text, with the label's number where two classes have
    the same text.

    Args:
        path: A folder or a pattern, e.g. "imagenet/*-of-*".
        classes: How many classes there are; None takes it from the labels.
        progress: Is told how many shards are indexed, of how many.
        for_scoring: Whether it is to be scored: see `source_from_parts`.

    Raises:
        DataError: If shards are missing, a record is damaged or has no label, or a label is out of
            range; naming shard, record and offset.
    """
    path = Path(path)
    root, shards = find_shards(path, SHARD_NAME)
    refuse(str(path), _missing_shards(shards))
    indices = index_shards(root, shards, "tfrecord", index_tfrecord, progress)
    reader = TFRecordReader(join(root, shards, indices))
    refuse(str(path), [] if len(reader) else ["the shards have no records"])
    written = np.concatenate([np.array(index.labels, np.int64)[index.label_codes] for index in indices])
    numbering = _numbering(int(written.min()), int(written.max()), classes)
    labels = written - numbering.shift
    refuse(str(path), _size_problems(numbering.num_classes, len(reader)))
    refuse(str(path), _range_problems(written, labels, numbering.num_classes, reader))
    parts = divide_by_part(reader, _part_of_each(shards, indices), labels)
    if numbering.has_background and "train" in parts and not for_scoring:
        lacking = np.setdiff1d(np.arange(1, numbering.num_classes), parts["train"].labels)
        refuse(str(path), [f"train has no image of class {first_of(lacking.tolist())}"] * bool(len(lacking)))
    synsets = _synsets(indices)
    named = [f"classes are named by {SYNSET}, as in an image folder of the same data"] * bool(synsets)
    return source_from_parts(
        name=root.resolve().name,
        origin=str(path),
        class_names=_class_names(synsets or _texts(indices), numbering),
        parts=parts,
        notes=[*numbering.notes, *named],
        is_partial=numbering.has_background,  # it alone is without images
        for_scoring=for_scoring,
    )


def _missing_shards(shards: Sequence[str]) -> Iterator[str]:
    """Yield what is missing of each set of shards that says how many it has."""
    numbers: dict[tuple[str, str], set[int]] = {}
    for shard in shards:
        match = SHARD_NAME.search(shard)
        if match and match["total"]:
            numbers.setdefault((match["stem"], match["total"]), set()).add(int(match["number"]))
    for (stem, total), present in numbers.items():
        missing = [f"{stem}-{n:05}-of-{total}" for n in range(int(total)) if n not in present]
        if missing:
            yield f"{len(missing):,} of {int(total):,} {stem} shards are missing: {first_of(missing)}"


def _part_of_each(shards: Sequence[str], indices: Sequence[ShardIndex]) -> list[str]:
    parts = shard_parts(shards)
    return [parts[shard] for shard, index in zip(shards, indices, strict=True) for _ in range(len(index))]


class _Numbering(NamedTuple):
    """How written labels become class indices: less `shift`."""

    shift: int
    num_classes: int
    has_background: bool
    notes: tuple[str, ...]


def _numbering(lowest: int, highest: int, classes: int | None) -> _Numbering:
    if lowest <= 0:
        return _Numbering(0, classes or highest + 1, False, ())
    if classes is not None and classes > highest and classes != _IMAGENET_CLASSES:
        note = "class 0 is the background, which no image has, as in the original trainers"
        return _Numbering(0, classes, True, (note,))
    note = (
        f"labels {lowest:,} to {highest:,} are taken to count from 1 (0 is the background, which no image "
        f"has) and made to count from 0; classes={highest + 1} keeps the background"
    )
    return _Numbering(1, classes or highest, False, (note,))


def _size_problems(num_classes: int, num_records: int) -> Iterator[str]:
    """Yield what is wrong with more classes than records can have, before a name is made for each."""
    if num_classes > max(num_records, _IMAGENET_CLASSES) + 1:
        yield f"{num_classes:,} classes by the labels or by classes=, but {num_records:,} records"


def _range_problems(
    written: Labels, labels: Labels, num_classes: int, reader: TFRecordReader
) -> Iterator[str]:
    bad = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(bad):
        first = int(bad[0])
        yield (
            f"{reader.place(first)} has label {written[first]}, out of range for {num_classes:,} classes "
            f"({len(bad):,} such records)"
        )


def _synsets(indices: Sequence[ShardIndex]) -> dict[int, str]:
    """Return each label's synset; nothing if they do not tell all labels apart."""
    pairs = {pair for index in indices for pair in zip(index.labels, index.synsets, strict=True)}
    synsets = {int(label): synset for label, synset in pairs}
    tells_apart = len(pairs) == len(synsets) == len(set(synsets.values()))
    return synsets if tells_apart and all(synsets.values()) else {}


def _texts(indices: Sequence[ShardIndex]) -> dict[int, str]:
    texts: dict[int, str] = {}
    for index in indices:
        for label, text in zip(index.labels, index.texts, strict=True):
            texts[int(label)] = texts.get(int(label)) or text
    return texts


def _class_names(texts: Mapping[int, str], numbering: _Numbering) -> list[str]:
    """Return each class' text, with its label where two have the same; without text, the label."""
    labels = range(numbering.shift, numbering.shift + numbering.num_classes)
    names = [texts.get(label) or str(label) for label in labels]
    if numbering.has_background:
        names[0] = "background"
    frequency = Counter(names)
    return [
        name if frequency[name] == 1 else f"{name} ({label})"
        for name, label in zip(names, labels, strict=True)
    ]
