"""WebDataset shards: tar files in which an image and its label have the same name before the dot."""

import json
import re
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resnetlab.data.encoded import EncodedImage, EncodedSource, Names
from resnetlab.data.folder import IMAGE_SUFFIXES, is_hidden
from resnetlab.data.labelling import first_of, number_classes, numbering_notes, refuse
from resnetlab.data.parts import divide_by_part, source_from_parts
from resnetlab.data.record_index import Records, ShardIndex, index_shards, join
from resnetlab.data.shards import find_shards, shard_parts
from resnetlab.data.tars import all_members, is_regular, opened, read_member
from resnetlab.errors import DataError

SHARD_NAME = re.compile(r"^(?P<stem>.*?)(?P<number>\d+)?\.tar$")
_MOST_LABEL_BYTES = 2**20
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
        shard, number = self.records.locate(index)
        return f"{self.records.shards[shard]}/{self.records.names[shard][number]}"

    def size(self, index: int) -> int:
        """Return the image's length in bytes."""
        return int(self.records.lengths[index])

    def read(self, index: int) -> EncodedImage:
        """Return the image's content."""
        place = self.place(index)
        return EncodedImage(self.records.read(index, place), place)


def open_webdataset(
    path: Path, *, progress: Callable[[int, int], None] | None = None, for_scoring: bool = False
) -> EncodedSource:
    """Open the .tar shards in a folder, or those that a pattern such as x-{000..127}.tar names.

    An image's label is in its .cls (a whole number or a name) or in the "label" of its .json. The
    split is what a shard's name or folder says: train, val or test. A classes.json beside the shards
    gives the order of the classes; else they are sorted.

    Args:
        path: A folder, a file or a pattern.
        progress: Is told how many shards are indexed, of how many.
        for_scoring: Whether it is to be scored: see `source_from_parts`.

    Raises:
        DataError: If a shard is missing from the sequence of numbers, damaged or compressed, or an
            image has no label.
    """
    path = Path(path)
    root, shards = find_shards(path, SHARD_NAME)
    refuse(str(path), _missing_shards(shards))
    part_of = shard_parts(shards)
    indices = index_shards(root, shards, "webdataset", index_tar, progress)
    reader = WebDatasetReader(join(root, shards, indices))
    unread = _unread(shards, indices)
    refuse(str(path), [] if len(reader) else ["; ".join(["the shards have no images", *unread])])
    written = [index.labels[code] for index in indices for code in index.label_codes]
    class_names, labels = _in_recorded_order(root / CLASSES, *number_classes(written))
    parts = [part_of[shard] for shard, index in zip(shards, indices, strict=True) for _ in range(len(index))]
    return source_from_parts(
        name=root.resolve().name,
        origin=str(path),
        class_names=class_names,
        parts=divide_by_part(reader, parts, labels),
        notes=[*numbering_notes(class_names), *unread],
        for_scoring=for_scoring,
    )


def _unread(shards: Sequence[str], indices: Sequence[ShardIndex]) -> list[str]:
    """Return what to say of labels without an image."""
    names = [f"{shard}/{name}" for shard, index in zip(shards, indices, strict=True) for name in index.unread]
    return [f"labels without an image that is read: {len(names):,} ({first_of(names)})"] * bool(names)


def _in_recorded_order(
    path: Path, class_names: tuple[str, ...], labels: npt.NDArray[np.int64]
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the classes in the order that `data pack` wrote beside the shards, if it did."""
    if not path.is_file():
        return class_names, labels
    try:
        recorded = [str(name) for name in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: no list of class names: {error}") from error
    refuse(str(path), [f"lacks class {name}" for name in class_names if name not in recorded])
    place = np.array([recorded.index(name) for name in class_names], np.int64)
    return tuple(recorded), place[labels]


def _missing_shards(shards: Sequence[str]) -> Iterator[str]:
    """Yield the gaps in each sequence of numbered shards."""
    numbers: dict[str, dict[int, str]] = defaultdict(dict)
    for shard in shards:
        match = SHARD_NAME.search(shard)
        if match and match["number"]:
            numbers[match["stem"]][int(match["number"])] = match["number"]
    for stem, present in numbers.items():
        width = len(next(iter(present.values())))
        missing = [f"{stem}{n:0{width}}.tar" for n in range(min(present), max(present)) if n not in present]
        if missing:
            yield f"{len(missing):,} shards are missing: {first_of(missing)}"


class _Member(NamedTuple):
    """What a tar has under one name."""

    name: str
    offset: int
    length: int


def index_tar(path: Path) -> ShardIndex:
    """Find the images of a tar and their labels.

    Raises:
        DataError: If it is compressed, damaged or cut short, or an image is a hard link or has no
            readable label.
    """
    images: dict[str, _Member] = {}
    texts: dict[str, tarfile.TarInfo] = {}
    objects: dict[str, tarfile.TarInfo] = {}
    with opened(path) as archive:
        for member in all_members(archive, path.name):
            folder, _, name = member.name.rpartition("/")
            if any(is_hidden(part) and part not in (".", "..") for part in member.name.split("/")):
                continue
            stem, _, suffix = name.partition(".")
            key = f"{folder}/{stem}"
            kind = "." + suffix.lower().rpartition(".")[2]
            if kind in IMAGE_SUFFIXES and (member.islnk() or member.issparse()):
                raise DataError(
                    f"{path.name}: {member.name} is a hard link or has holes, and no plain file",
                    hint="Make the archive again: tar --hard-dereference, and without --sparse.",
                )
            if not is_regular(member):
                continue
            if kind in IMAGE_SUFFIXES:
                if key in images:
                    raise DataError(f"{path.name}: {images[key].name} and {member.name} have the same name")
                images[key] = _Member(member.name, member.offset_data, member.size)
            elif kind == ".cls":
                texts[key] = member
            elif kind == ".json":
                objects[key] = member
        labels = objects | texts  # a .json beside a .cls may be about anything
        chosen = {key: _read_label(archive, labels[key], path) for key in images if key in labels}
    unread = [member.name for key, member in labels.items() if key not in images]
    return _shard_index(path, images, chosen, unread)


def _read_label(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> str:
    where = f"{path.name}/{member.name}"
    if member.size > _MOST_LABEL_BYTES:
        raise DataError(f"{where}: {member.size:,} bytes are no label")
    content = read_member(archive, member, path.name)
    try:
        text = content.decode().strip()
        value = json.loads(text)["label"] if member.name.lower().endswith(".json") else text
        str(value).encode()  # JSON can spell halves of characters
    except (ValueError, KeyError, TypeError, RecursionError) as error:  # of JSON and Unicode: ValueErrors
        raise DataError(f"{where}: has no label ({type(error).__name__}: {error})") from error
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise DataError(f"{where}: the label is {value!r}, neither a whole number nor a name")
    if str(value).startswith("-"):
        raise DataError(f"{where}: the label {value} is below 0")
    return str(value)


def _shard_index(
    path: Path, images: dict[str, _Member], labels: dict[str, str], unread: Sequence[str]
) -> ShardIndex:
    if without := [image.name for key, image in images.items() if key not in labels]:
        raise DataError(
            f"{path.name}: images without a label: {first_of(without)}",
            hint="Each needs a .cls or a .json of the same name beside it.",
        )
    chosen = [labels[key] for key in images]
    distinct = sorted(set(chosen))
    code = {label: index for index, label in enumerate(distinct)}
    return ShardIndex(
        offsets=np.array([image.offset for image in images.values()], np.int64),
        lengths=np.array([image.length for image in images.values()], np.int64),
        label_codes=np.array([code[label] for label in chosen], np.int64),
        labels=tuple(distinct),
        texts=("",) * len(distinct),
        synsets=("",) * len(distinct),
        names=Names.of(image.name for image in images.values()),
        unread=tuple(unread),
    )
