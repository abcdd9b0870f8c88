"""TFRecord shards: train-00000-of-01024, ..., of ImageNet, TensorFlow Datasets, Kaggle and others."""

import functools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resnetlab.base.units import first_of
from resnetlab.data.records.record_index import ShardIndex, index_shards
from resnetlab.data.records.shards import find_shards, shard_parts
from resnetlab.data.records.tfrecord_records import SYNSET, TEXT, TFRecordReader, index_tfrecord
from resnetlab.data.sources.choices import FLAG, LEFT_OPEN, Choices
from resnetlab.data.sources.encoded import EncodedSource, EncodedSplit
from resnetlab.data.sources.labelling import name_classes, number_classes, refuse
from resnetlab.data.sources.parts import divide_by_part, source_from_parts
from resnetlab.errors import DataError, UsageError, nearest

SHARD_NAME = re.compile(
    r"^(?P<stem>.*)-(?P<number>\d{3,6})-of-(?P<total>\d{3,6})(\.tfrec(ords?)?)?(\.gz)?$"
    r"|\.tfrec(ords?)?(\.gz)?$"
)
CHOICES = ("image_column", "label_column", "subset", "class_names")
_ARRAY_RECORD = ".array_record"

_IMAGENET_CLASSES = 1000  # asked for by number, they never mean 999 and the background

Labels = npt.NDArray[np.int64]


def open_tfrecord(
    path: Path,
    *,
    classes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    for_scoring: bool = False,
    choices: Choices = LEFT_OPEN,
) -> EncodedSource:
    """Open the shards in a folder, or those that a pattern names.

    The image and the label of a record are ImageNet's image/encoded and image/class/label, else the only
    features that are called so, as TensorFlow Datasets and others write them: an image file, or raw pixels
    with their height and width; a whole number, or a text. Shards that are compressed with gzip are kept
    unpacked in the cache. Test shards without labels are left out, which the notes say.

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
        choices: See CHOICES.

    Raises:
        DataError: If shards are missing, a record is damaged or has no label, or a label is out of
            range; naming shard, record and offset.
    """
    path = Path(path)
    root, shards, doubled = find_shards(_data_folder(path, choices.subset), SHARD_NAME)
    refuse(str(path), _missing_shards(shards))
    reader, indices = _indexed(root, shards, choices, progress)
    refuse(str(path), [] if len(reader) else ["the shards have no records"])
    is_kept, notes = _labelled(path, shards, indices)
    part_of = shard_parts(shards)
    kept = zip(shards, is_kept, indices, strict=True)
    parts = [part_of[shard] if is_one else "" for shard, is_one, index in kept for _ in range(len(index))]
    labelled = [index for index, is_one in zip(indices, is_kept, strict=True) if is_one]
    at = np.flatnonzero(np.array([part != "" for part in parts]))
    class_names, own, numbering, said = _classes(path, root, labelled, choices, classes, reader, at)
    labels = np.zeros(len(reader), np.int64)
    labels[at] = own
    found = divide_by_part(reader, parts, labels)
    _refuse_lacking(path, numbering, found)
    return source_from_parts(
        name=root.resolve().name,
        origin=str(path),
        class_names=class_names,
        parts=found,
        notes=[*doubled, *notes, *said],
        is_partial=numbering.has_background,  # it alone is without images
        for_scoring=for_scoring,
    )


def _refuse_lacking(path: Path, numbering: "_Numbering", parts: Mapping[str, EncodedSplit]) -> None:
    """Raise a DataError if a class beside the background has no training image."""
    if numbering.has_background and "train" in parts:
        lacking = np.setdiff1d(np.arange(1, numbering.num_classes), parts["train"].labels)
        refuse(str(path), [f"train has no image of class {first_of(lacking.tolist())}"] * bool(len(lacking)))


def _classes(
    path: Path,
    root: Path,
    indices: Sequence[ShardIndex],
    choices: Choices,
    classes: int | None,
    reader: TFRecordReader,
    at: Labels,
) -> tuple[Sequence[str], Labels, "_Numbering", list[str]]:
    """Return the classes, the labels of the records that have one, how these were numbered, and notes.

    Raises:
        DataError: If a label is out of range, or whatever `_named` refuses.
    """
    named = _named(path, root, indices, choices)
    if named is not None:
        class_names, labels, notes = named
        return class_names, labels, _Numbering(0, len(class_names), False, ()), notes
    written = np.concatenate([np.array(index.labels, np.int64)[index.label_codes] for index in indices])
    numbering = _numbering(int(written.min()), int(written.max()), classes)
    labels = written - numbering.shift
    refuse(str(path), _size_problems(numbering.num_classes, len(reader)))
    refuse(str(path), _range_problems(written, labels, numbering.num_classes, reader, at))
    synsets = _synsets(indices)
    note = f"classes are named by {SYNSET}, as in an image folder of the same data"
    names = _class_names(synsets or _texts(indices), numbering)
    return names, labels, numbering, [*numbering.notes, *[note] * bool(synsets)]


def holds_tfds(path: Path) -> bool:
    """Return whether TensorFlow Datasets keeps something in or below a folder."""
    return bool(_tfds_folders(path))


def _tfds_folders(path: Path) -> list[Path]:
    """Return the folders NAME/VERSION or NAME/CONFIG/VERSION in and below a folder."""
    marks = [mark for depth in range(1, 5) for mark in path.glob("*/" * depth + "features.json")]
    return sorted(mark.parent for mark in marks if any(map(SHARD_NAME.search, os.listdir(mark.parent))))


def _data_folder(path: Path, subset: str) -> Path:
    """Return the folder of a dataset of TensorFlow Datasets below `path`, if it holds such; else `path`.

    Raises:
        UsageError: If there are several, and none is chosen.
    """
    found = _tfds_folders(path) if path.is_dir() else []
    folders = {each.relative_to(path).as_posix(): each for each in found}
    if subset in folders or len(folders) == 1:
        return folders.get(subset) or next(iter(folders.values()))
    if folders or subset:
        shown = [*folders]
        raise UsageError(
            f"{path}: " + (f"no subset {subset}" if subset else f"{len(folders)} datasets"),
            hint=f"{nearest(subset, shown)} Choose with {FLAG} subset=NAME: {first_of(shown)}.".strip(),
        )
    return path


def _indexed(
    root: Path, shards: Sequence[str], choices: Choices, progress: Callable[[int, int], None] | None
) -> tuple[TFRecordReader, list[ShardIndex]]:
    """Return the reader of all records, and the index of each shard."""
    if other := [shard for shard in shards if _ARRAY_RECORD in shard]:
        raise DataError(
            f"{root / other[0]}: an ArrayRecord, which is not read",
            hint="Write it as TFRecords: tfds.builder(NAME, file_format='tfrecord').",
        )
    kind = "|".join(["tfrecord", choices.image_column, choices.label_column])
    build = functools.partial(index_tfrecord, choices=choices)
    records, indices = index_shards(root, shards, kind, build, progress)
    return TFRecordReader(records, choices), indices


def _labelled(
    path: Path, shards: Sequence[str], indices: Sequence[ShardIndex]
) -> tuple[list[bool], list[str]]:
    """Return whether each shard has labels, and a note on those that have none: labels may be kept secret.

    Raises:
        DataError: If no shard of the training split has any, or only some have.
    """
    part_of = shard_parts(shards)
    has = [not {*index.labels} <= {"", "-1"} or not len(index) for index in indices]
    without = [shard for shard, is_labelled in zip(shards, has, strict=True) if not is_labelled]
    if not without:
        return has, []
    if len(without) == len(shards) or any(part_of[shard] == "train" for shard in without):
        having = next(
            index.others for index, is_labelled in zip(indices, has, strict=True) if not is_labelled
        )
        raise DataError(
            f"{path}: records without a label: {first_of(without)}",
            hint=f"They have {first_of(having, most=12)}. {FLAG} label_column=NAME takes another feature.",
        )
    return has, [f"shards without labels, left out: {first_of(without)}"]


def _named(
    path: Path, root: Path, indices: Sequence[ShardIndex], choices: Choices
) -> tuple[Sequence[str], Labels, list[str]] | None:
    """Return the classes, the labels and notes if labels are texts or a file names the classes; else None.

    TensorFlow Datasets lays the names beside the shards, as label.labels.txt.

    Raises:
        DataError: If some shards have texts and others numbers, or the names are too few.
    """
    sources = {index.label_source for index in indices if len(index)}
    if len(sources) > 1:
        raise DataError(f"{path}: the labels of some shards are numbers, of others texts")
    field = next((index.others[0] for index in indices if index.others), "")
    beside = root / f"{field.replace('/', '.')}.labels.txt"
    if TEXT not in sources and not beside.is_file() and not choices.class_names:
        return None
    texts = [index.labels[code] for index in indices for code in index.label_codes]
    class_names, labels = number_classes(texts)
    if TEXT in sources and not choices.class_names:
        return class_names, labels, []
    return name_classes(class_names, labels, choices.naming if choices.class_names else beside)


def _missing_shards(shards: Sequence[str]) -> Iterator[str]:
    """Yield what is missing of each set of shards that says how many it has, and which is there twice."""
    numbers: dict[tuple[str, str], set[int]] = {}
    for shard in shards:
        match = SHARD_NAME.search(shard)
        if match and match["total"]:
            numbers.setdefault((match["stem"], match["total"]), set()).add(int(match["number"]))
    for (stem, total), present in numbers.items():
        missing = [f"{stem}-{n:0{len(total)}}-of-{total}" for n in range(int(total)) if n not in present]
        if missing:
            yield f"{len(missing):,} of {int(total):,} {stem} shards are missing: {first_of(missing)}"
    for stem in dict.fromkeys(stem for stem, _ in numbers):
        totals = sorted(int(total) for other, total in numbers if other == stem)
        if len(totals) > 1:
            told = " and ".join(f"of {total:,}" for total in totals)
            yield f"{stem} has shards {told}: they are of several versions; move all but one away"


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
    written: Labels, labels: Labels, num_classes: int, reader: TFRecordReader, at: Labels
) -> Iterator[str]:
    bad = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(bad):
        first = int(bad[0])
        yield (
            f"{reader.place(int(at[first]))} has label {written[first]}, out of range for {num_classes:,}"
            f" classes ({len(bad):,} such records)"
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
