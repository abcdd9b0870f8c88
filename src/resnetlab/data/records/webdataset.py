"""WebDataset shards: tar files in which an image and its label have the same name before the dot."""

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resnetlab.base.reading.plain import read_json
from resnetlab.base.units import first_of
from resnetlab.data.folders.by_folder import ByFolder, by_folder
from resnetlab.data.folders.lists import Archived, plain_path
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.images.kinds import Kind, LeftOut
from resnetlab.data.records.record_index import Records, ShardIndex, index_shards
from resnetlab.data.records.shards import find_shards, shard_parts
from resnetlab.data.records.webdataset_index import BY_FOLDER, LABEL_HINT, index_tar
from resnetlab.data.sources.choices import FLAG, LEFT_OPEN, Choices
from resnetlab.data.sources.encoded import EncodedSource
from resnetlab.data.sources.labelling import (
    in_order_of,
    name_classes,
    number_classes,
    numbering_notes,
    refuse,
)
from resnetlab.data.sources.parts import divide_by_part, source_from_parts, split_name
from resnetlab.errors import DataError

SHARD_NAME = re.compile(r"^(?P<stem>.*?)(?P<number>\d+)?\.(tar|tar\.gz|tgz)$")
_WORDNET = re.compile(r"n\d{8}")
CLASSES = "classes.json"
"""A list of the class names in the order of their labels, which may lie beside the shards."""


@dataclass(frozen=True, eq=False, slots=True)
class WebDatasetReader:
    """The images of tar shards."""

    records: Records

    def __len__(self) -> int:
        return len(self.records)

    def place(self, index: int) -> str:
        """Return e.g. "photos-000003.tar/n01440764_18.jpg"."""
        return f"{self.records.shards[self.records.locate(index)[0]]}/{self.path_within(index)}"

    def path_within(self, index: int) -> str:
        """Return the image's path in its shard."""
        shard, number = self.records.locate(index)
        return self.records.names[shard][number]

    def size(self, index: int) -> int:
        """Return the image's length in bytes."""
        return int(self.records.lengths[index])

    def read(self, index: int) -> EncodedImage:
        """Return the image's content."""
        place = self.place(index)
        return EncodedImage(self.records.read(index, place), place)


def open_webdataset(
    path: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
    for_scoring: bool = False,
    choices: Choices = LEFT_OPEN,
) -> EncodedSource:
    """Open the .tar shards in a folder, or those that a pattern such as x-{000..127}.tar names.

    An image's label is in its .cls (a whole number or a name) or in the "label" of its .json, NAME.cls
    beside NAME.jpg; else in the one other kind of file that lies beside all images (.txt, .label, ...), or
    under the one other key that the JSONs have; without any such file it is the image's folder, or its shard
    if each holds the images of a class. The split is what a shard's name or folder says: train, val or test.
    A classes.json beside the shards gives the order of the classes; else they are sorted.

    Args:
        path: A folder, a file or a pattern.
        progress: Is told how many shards are indexed, of how many.
        for_scoring: Whether it is to be scored: see `source_from_parts`.
        choices: `image_column` and `label_column`, suffixes such as "left.jpg" and "coarse.cls", or a key
            of the JSONs ("meta.label"), or "folder"; `class_names`; `split_list`, of shards without labels.

    Raises:
        DataError: If a shard is missing from the sequence of numbers, damaged or compressed, or an
            image has no label, or it can be in several places.
    """
    path = Path(path)
    root, shards, doubled = find_shards(path, SHARD_NAME)
    refuse(str(path), _missing_shards(shards))
    build = functools.partial(index_tar, choices=choices)
    records, indices = index_shards(root, shards, _kind(choices), build, progress)
    reader = WebDatasetReader(records)
    notes = [*doubled, *_notes(shards, indices)]
    left_out = _left_out(indices)
    told = ["the shards have no images", *notes, *left_out.notes()]
    refuse(str(path), left_out.problems(len(reader)) if len(reader) else ["; ".join(told)])
    written, parts, more = _labels_and_parts(path, reader, shards, indices, choices, for_scoring)
    class_names, labels = number_classes(written)
    if choices.class_names:
        class_names, labels, said = name_classes(class_names, labels, choices.naming)
        more += said
    else:
        class_names, labels = _in_recorded_order(root / CLASSES, class_names, labels)
    return source_from_parts(
        name=_collection_name(path, root),
        origin=str(path),
        class_names=class_names,
        parts=divide_by_part(reader, parts, labels),
        notes=[*numbering_notes(class_names), *more, *notes],
        for_scoring=for_scoring,
    )


def _collection_name(path: Path, root: Path) -> str:
    """Return the folder's name, or that of a compressed archive, which is a collection of its own."""
    is_whole = path.is_file() and path.suffix in (".gz", ".tgz")
    return path.name.partition(".")[0] if is_whole else root.resolve().name


def _kind(choices: Choices) -> str:
    """Return what the kept index of a shard depends on."""
    return "|".join(["webdataset", choices.image_column, choices.label_column])


def _labels_and_parts(
    path: Path,
    reader: WebDatasetReader,
    shards: Sequence[str],
    indices: Sequence[ShardIndex],
    choices: Choices,
    for_scoring: bool,
) -> tuple[list[str], list[str], list[str]]:
    """Return the label and the split of each image, and what to note.

    Raises:
        DataError: If the shards have their labels in different places, or there are none.
    """
    part_of = shard_parts(shards)
    parts = [part_of[shard] for shard, index in zip(shards, indices, strict=True) for _ in range(len(index))]
    written = [index.labels[code] for index in indices for code in index.label_codes]
    if not any(written):
        whole = _are_classes(shards, indices)
        places = [
            f"{_stem(shard)}/{name}" if whole else name
            for shard, index in zip(shards, indices, strict=True)
            for name in map(index.names.__getitem__, range(len(index)))
        ]
        shelf = Archived(
            {
                name: functools.partial(reader.records.read_at, number, offset, length)
                for number, index in enumerate(indices)
                for name, offset, length in index.papers
            }
        )
        found = by_folder(places, str(path), shelf, for_scoring=for_scoring, split_list=choices.split_list)
        has_own = set(found.parts) - {""} != {"train"}
        chosen = [own if has_own or not own else part for own, part in zip(found.parts, parts, strict=True)]
        notes = [*found.notes, *_left_out(indices, found).notes()]
        what = "the names of the shards" if whole else "the folders in the shards"
        return found.labels, chosen, [f"the classes are {what}", *notes]
    if without := [reader.place(index) for index, label in enumerate(written) if not label]:
        raise DataError(f"{path}: images without a label: {first_of(without)}", hint=LABEL_HINT)
    whence = {index.label_source: shard for shard, index in zip(shards, indices, strict=True) if len(index)}
    if len(whence) > 1:
        told = [f"{source or '.cls or .json'} ({shard})" for source, shard in whence.items()]
        raise DataError(
            f"{path}: the shards have their labels in different places: {', '.join(told)}",
            hint=f"Choose with {FLAG} label_column=SUFFIX.",
        )
    source = next(iter(whence))
    distinct = len(set(written))
    if source == ".txt" and not choices.label_column and 2 * distinct > len(written) + 1:
        raise DataError(
            f"{path}: the .txt files are no labels: {distinct:,} different texts for {len(written):,} images",
            hint=f"{FLAG} label_column=txt takes them all the same, {BY_FOLDER} the folders instead.",
        )
    said = [f"the labels are those of {source}"] * bool(source and not choices.label_column)
    return written, parts, [*said, *_left_out(indices).notes()]


def _are_classes(shards: Sequence[str], indices: Sequence[ShardIndex]) -> bool:
    """Return whether each shard holds the images of a class, which its name says, as ImageNet's do.

    Their images lie in no folders then, and their names differ in more than numbers, or are WordNet's.
    """
    full = [shard for shard, index in zip(shards, indices, strict=True) if len(index)]
    names = [_stem(shard).rpartition("/")[2] for shard in full]
    if all(map(_WORDNET.fullmatch, names)):
        is_told = len(names) > 1
    else:
        words = {re.sub(r"[\d\W_]+", "", name).casefold() for name in names}
        is_told = len(words) == len(set(names)) > 1 and "" not in words and not any(map(split_name, names))
    return is_told and not any(
        "/" in plain_path(index.names[number]) for index in indices for number in range(len(index))
    )


def _stem(shard: str) -> str:
    """Return a shard's path without its suffix."""
    match = SHARD_NAME.search(shard)
    return shard[: match.start(3) - 1] if match else shard


def _left_out(indices: Sequence[ShardIndex], found: ByFolder | None = None) -> LeftOut:
    """Return what is not read; of shards without labels what lies in the class folders, as of a folder."""
    left_out = LeftOut()
    for folder, name, state, number in (row for index in indices for row in index.left_out):
        if found is None or found.is_in_class(f"{folder}/{name}"):
            left_out.count(Kind(name, "", state), number)
    return left_out


def _notes(shards: Sequence[str], indices: Sequence[ShardIndex]) -> list[str]:
    """Return what to say of labels without an image, and of images beside those that are read."""
    names = [f"{shard}/{name}" for shard, index in zip(shards, indices, strict=True) for name in index.unread]
    others = sorted({f".{suffix}" for index in indices for suffix in index.others})
    return [
        *[f"labels without an image that is read: {len(names):,} ({first_of(names)})"] * bool(names),
        *[f"further images of a sample, not read: {first_of(others)}"] * bool(others),
    ]


def _in_recorded_order(
    path: Path, class_names: tuple[str, ...], labels: npt.NDArray[np.int64]
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the classes in the order that `data pack` wrote beside the shards, if it did."""
    if not path.is_file():
        return class_names, labels
    try:
        recorded = [str(name) for name in read_json(path)]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: no list of class names: {error}") from error
    return in_order_of(recorded, class_names, labels, str(path))


def _missing_shards(shards: Sequence[str]) -> Iterator[str]:
    """Yield the gaps in each sequence of numbered shards."""
    numbers: dict[str, dict[int, str]] = defaultdict(dict)
    ends: dict[str, str] = {}
    for shard in shards:
        match = SHARD_NAME.search(shard)
        if match and match["number"] and not _WORDNET.fullmatch(_stem(shard).rpartition("/")[2]):
            numbers[match["stem"]][int(match["number"])] = match["number"]
            ends[match["stem"]] = shard[match.end("number") :]
    for stem, present in numbers.items():
        width = len(next(iter(present.values())))
        missing = [
            f"{stem}{n:0{width}}{ends[stem]}" for n in range(min(present), max(present)) if n not in present
        ]
        if missing:
            yield f"{len(missing):,} shards are missing: {first_of(missing)}"
