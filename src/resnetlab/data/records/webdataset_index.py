"""Which image of a WebDataset shard has which label, by the names in the tar."""

import functools
import os
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from resnetlab.base.reading.plain import parse_foreign_json
from resnetlab.base.units import first_of
from resnetlab.data.archives.tars import all_members, is_regular, opened, read_member
from resnetlab.data.folders.lists import MOST_BYTES, SUFFIXES
from resnetlab.data.images.kinds import START, Kind, image_suffixes, kind_of_named
from resnetlab.data.records.record_index import ShardIndex
from resnetlab.data.sources.choices import FLAG, LEFT_OPEN, Choices
from resnetlab.data.sources.encoded import Names
from resnetlab.data.sources.labelling import label_text
from resnetlab.data.sources.leftovers import is_hidden_path
from resnetlab.errors import DataError

BY_FOLDER = "folder"
"""The `label_column` by which an image's folder is its label."""

LABEL_HINT = (
    'A label lies in NAME.cls, or as "label" in NAME.json, beside NAME.jpg; '
    f"{FLAG} label_column=SUFFIX takes it from elsewhere."
)

_OWN_KINDS = ("cls", "json")  # the format's own; a .json beside a .cls may be about anything
_OTHER_KINDS = ("class", "label", "index", "txt")  # of people; webdataset's decoders know them too
_KINDS = (*_OWN_KINDS, *_OTHER_KINDS)
_MOST_LABEL_BYTES = 2**20
_NOTED = (*SUFFIXES, ".mat", ".json")
_NAME_KEYS = ("class_name", "label_name", "category_name", "classname", "class_label")
_KEYS = (
    "class", "cls", "category", "target", "class_id", "label_id", "category_id", "class_index", "label_index",
    *_NAME_KEYS,
)  # fmt: skip
"""What people call the label in a JSON that has no "label"."""


class _Member(NamedTuple):
    """An image in a tar."""

    name: str
    offset: int
    length: int


@dataclass
class _Shard:
    """What a tar holds, by path and name without the suffix."""

    where: str
    images: dict[str, _Member] = field(default_factory=dict)
    texts: dict[str, dict[str, tarfile.TarInfo]] = field(default_factory=lambda: defaultdict(dict))
    """By suffix."""
    other_images: set[str] = field(default_factory=set)
    """The suffixes of images that are passed over."""
    files: list[tarfile.TarInfo] = field(default_factory=list)
    """All that are no images which are read."""
    left_out: Counter[tuple[str, Kind]] = field(default_factory=Counter)
    """What is not read of these, by its folder."""


class _LabelColumn(NamedTuple):
    """Where the labels are: in files of these suffixes; of a JSON in the value at this path."""

    suffixes: tuple[str, ...]
    path: tuple[str, ...] = ()
    title: str = ""
    """What to call it, if it is not the format's own."""


def index_tar(path: Path, choices: Choices = LEFT_OPEN) -> ShardIndex:
    """Find the images of a tar and their labels.

    An image belongs to the label of the very same name, NAME.jpg to NAME.cls; else the only image of a
    sample, NAME.png.jpg say, to that of the name up to the first dot, as the format has it. Without any
    file of labels the labels are empty.

    Args:
        path: The tar.
        choices: `image_column` and `label_column`.

    Raises:
        DataError: If it is compressed, damaged or cut short, or an image is a hard link, has no
            readable label or shares it with another one.
    """
    with opened(path) as archive:
        shard = _sorted_members(archive, path.name, choices)
        column = _label_column(shard, choices.label_column)
        _count_left_out(archive, shard, has_labels=column is not None)
        if column is None:
            unlabelled = _whole_samples(shard)
            return _shard_index({key: (image, "") for key, image in unlabelled.items()}, shard, (), "")
        matched = _match(shard, column)
        reader = _LabelReader(archive, column, path.name)
        labels = {key: (shard.images[key], reader.read(member)) for key, member in matched.items()}
    reader.refuse_two_answers()
    used = {member.name for member in matched.values()}
    firsts = {_first_dot(key) for key in shard.images}
    unread = [
        member.name
        for suffix in reversed(column.suffixes)
        for key, member in shard.texts[suffix].items()
        if member.name not in used and _first_dot(key) not in firsts
    ]
    return _shard_index(labels, shard, unread, reader.title)


def _sorted_members(archive: tarfile.TarFile, where: str, choices: Choices) -> _Shard:
    """Return the images and the small files of a tar."""
    asked_image, asked_label = (
        text.casefold().removeprefix(".") for text in (choices.image_column, choices.label_column)
    )
    shard = _Shard(where)
    for member in all_members(archive, where):
        if is_hidden_path(member.name):
            continue
        folder, _, name = member.name.rpartition("/")
        low = name.casefold()
        kind = low.rpartition(".")[2] if "." in low else ""
        is_image = low.endswith(f".{asked_image}") if asked_image else f".{kind}" in image_suffixes()
        if not (kind or asked_image) and is_regular(member):
            is_image = kind_of_named(name, functools.partial(_start, archive, member)).state == "read"
        if is_image and (member.islnk() or member.issparse()):
            raise DataError(
                f"{where}: {member.name} is a hard link or has holes, and no plain file",
                hint="Make the archive again: tar --hard-dereference, and without --sparse.",
            )
        if not is_regular(member):
            continue
        if not is_image and f".{kind}" in image_suffixes():
            shard.other_images.add(low.partition(".")[2])
            continue
        suffix = (asked_image or kind) if is_image else kind
        if asked_label and not is_image and low.endswith(f".{asked_label}"):
            suffix = asked_label
        key = f"{folder}/{name[: len(name) - len(suffix) - 1] if suffix else name}"
        if not is_image:
            shard.files.append(member)
        if is_image:
            if before := shard.images.get(key):
                raise _two_of_a_name(where, before.name, member.name)
            shard.images[key] = _Member(member.name, member.offset_data, member.size)
        elif before_text := shard.texts[suffix].get(key):
            if suffix in _KINDS or suffix == asked_label:
                raise _two_of_a_name(where, before_text.name, member.name)
        else:
            shard.texts[suffix][key] = member
    return shard


def _start(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    return stream.read(START) if stream else b""


def _count_left_out(archive: tarfile.TarFile, shard: _Shard, *, has_labels: bool) -> None:
    """Count what is not read; beside labels only pictures: the other files of a sample are its own."""
    samples = {*map(_first_dot, shard.images)}
    for member in shard.files:
        name = member.name if "/" in member.name else f"/{member.name}"  # as the keys have it
        if has_labels and _first_dot(name) in samples:
            continue
        kind = kind_of_named(member.name, functools.partial(_start, archive, member))
        if kind.state == "unread" or not has_labels:
            shard.left_out[os.path.dirname(member.name), kind] += 1


def _two_of_a_name(where: str, first: str, second: str) -> DataError:
    if first == second:
        return DataError(f"{where}: {first} is in it twice", hint="Make the archive again.")
    hint = f"Choose the images with {FLAG} image_column=SUFFIX."
    return DataError(f"{where}: {first} and {second} have the same name before the suffix", hint=hint)


def _first_dot(key: str) -> str:
    """Return path and name up to the first dot: what the format calls a sample's key."""
    folder, slash, name = key.rpartition("/")
    return folder + slash + name.partition(".")[0]


def _label_column(shard: _Shard, asked: str) -> _LabelColumn | None:
    """Return where the labels are, or None if no file holds any.

    Raises:
        DataError: If two kinds of files can hold them.
    """
    asked = asked.removeprefix(".")
    if asked == BY_FOLDER:
        return None
    if asked:
        suffix, is_json, path = f".{asked}".rpartition(".json.")
        if asked.casefold() in shard.texts or asked.casefold().rpartition(".")[2] in _KINDS:
            return _LabelColumn((asked.casefold(),), title=f".{asked}")
        if is_json:
            return _LabelColumn(((suffix + ".json").removeprefix(".").casefold(),), (*path.split("."),))
        return _LabelColumn(("json",), (*asked.split("."),))
    samples = {*shard.images, *map(_first_dot, shard.images)}
    beside = {
        suffix
        for suffix, texts in shard.texts.items()
        if any(key in samples or _first_dot(key) in samples for key in texts)
    }
    if not beside.isdisjoint(_OWN_KINDS):
        return _LabelColumn(_OWN_KINDS)
    others = [suffix for suffix in _OTHER_KINDS if suffix in beside]
    if len(others) > 1:
        raise DataError(
            f"{shard.where}: the label can be in {' or '.join(f'.{suffix}' for suffix in others)}",
            hint=f"Choose with {FLAG} label_column={others[0]}.",
        )
    return _LabelColumn((others[0],), title=f".{others[0]}") if others else None


def _match(shard: _Shard, column: _LabelColumn) -> dict[str, tarfile.TarInfo]:
    """Return the label of each image that is read, by the image's key and in the shard's order.

    Raises:
        DataError: If an image has none, or several share one.
    """
    found: dict[str, tarfile.TarInfo] = {}
    for suffix in reversed(column.suffixes):
        found |= shard.texts[suffix]
    matched: dict[str, tarfile.TarInfo] = {}
    sharing: dict[str, list[str]] = defaultdict(list)
    without: list[str] = []
    for key, image in shard.images.items():
        first = _first_dot(key)
        if key in found:
            matched[key] = found[key]
        elif first != key and first in shard.images:
            shard.other_images.add(_suffix_after(image.name, first))
        elif first in found:
            sharing[first].append(key)
        else:
            without.append(image.name)
    _refuse_without(shard, without)
    for first, keys in sharing.items():
        if len(keys) > 1:
            names = [shard.images[key].name for key in keys]
            suffix = _suffix_after(names[0], first)
            raise DataError(
                f"{shard.where}: {first_of(names)} have the same name up to the first dot, and one label",
                hint=f"Choose the images with {FLAG} image_column={suffix}.",
            )
        matched[keys[0]] = found[first]
    return {key: matched[key] for key in shard.images if key in matched}


def _whole_samples(shard: _Shard) -> dict[str, _Member]:
    """Return the images but for the further ones of a sample, x.seg.png beside x.jpg."""
    kept = {}
    for key, image in shard.images.items():
        first = _first_dot(key)
        if first != key and first in shard.images:
            shard.other_images.add(_suffix_after(image.name, first))
        else:
            kept[key] = image
    return kept


def _suffix_after(name: str, first: str) -> str:
    return name[len(first.removeprefix("/")) + 1 :].casefold()


def _refuse_without(shard: _Shard, without: Sequence[str]) -> None:
    if not without:
        return
    beside = {
        member.name.rpartition("/")[2].partition(".")[2]
        for texts in shard.texts.values()
        for member in texts.values()
    }
    having = f" The shard has {first_of(sorted(f'.{each}' for each in beside if each))}." if beside else ""
    raise DataError(
        f"{shard.where}: images without a label: {first_of(without)}",
        hint=LABEL_HINT + having,
    )


class _LabelReader:
    """Reads labels, and finds out under which key the JSONs of a shard have them."""

    def __init__(self, archive: tarfile.TarFile, column: _LabelColumn, where: str) -> None:
        self._archive, self._column, self._where = archive, column, where
        self._pairs: set[tuple[str, str]] = set()
        self._keys: tuple[str, ...] = ()
        self.title = column.title

    def read(self, member: tarfile.TarInfo) -> str:
        """Return the label as text; raise DataError if there is none."""
        where = f"{self._where}/{member.name}"
        if member.size > _MOST_LABEL_BYTES:
            raise DataError(f"{where}: {member.size:,} bytes are no label")
        content = read_member(self._archive, member, self._where)
        is_json = member.name.casefold().endswith(".json")
        try:
            text = content.decode("utf-8-sig").strip()
            value = parse_foreign_json(text) if is_json else text
        except (ValueError, RecursionError) as error:  # of JSON and Unicode: ValueErrors
            raise DataError(f"{where}: has no label ({type(error).__name__}: {error})") from error
        if is_json:
            return label_text(self._inside(value, where), where)
        lines = text.split("\n")
        if len(lines) > 1 and (self.title or all(line.strip().isdecimal() for line in lines)):
            raise DataError(f"{where}: {len(lines)} lines are not one label")
        return label_text(text, where)

    def _inside(self, value: Any, where: str) -> Any:
        if self._column.path:
            return _value_at(value, self._column.path, where)
        if not isinstance(value, Mapping):
            return value
        keys = ("label",) if "label" in value else tuple(key for key in _KEYS if key in value)
        names = [key for key in keys if key in _NAME_KEYS]
        if self._keys and keys != self._keys:
            raise DataError(f"{where}: its label is not under the key of the others, {self._keys[-1]!r}")
        if len(keys) == 2 and len(names) == 1:
            self._pairs.add((str(value[keys[0]]), str(value[keys[1]])))
        elif len(keys) != 1:
            having = first_of([repr(str(key)) for key in value], most=12)
            raise DataError(
                f"{where}: has no label (KeyError: 'label')",
                hint=f"Choose with {FLAG} label_column=KEY. It has {having or 'nothing'}.",
            )
        self._keys = keys
        if keys != ("label",):
            self.title = f'"{_name_key(keys)}" of .json'
        return _refuse_nested(value[_name_key(keys)], where)

    def refuse_two_answers(self) -> None:
        """Raise a DataError if the JSONs have a name and a number of the class that do not go together."""
        firsts, seconds = ({pair[side] for pair in self._pairs} for side in (0, 1))
        if not len(self._pairs) == len(firsts) == len(seconds):
            raise DataError(
                f"{self._where}: {' and '.join(self._keys)} are different labels",
                hint=f"Choose with {FLAG} label_column={self._keys[0]}.",
            )


def _name_key(keys: Sequence[str]) -> str:
    """Return the key of the class' name, if there is one beside its number."""
    return next((key for key in keys if key in _NAME_KEYS), keys[0])


def _refuse_nested(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        raise DataError(
            f"{where}: the label is an object of {first_of([*value])}",
            hint=f"Choose with {FLAG} label_column=label.{next(iter(value), 'KEY')}.",
        )
    return value


def _value_at(value: Any, path: Sequence[str], where: str) -> Any:
    for depth, key in enumerate(path):
        if not isinstance(value, Mapping) or key not in value:
            having = first_of([*value], most=12) if isinstance(value, Mapping) else ""
            raise DataError(
                f"{where}: has no {'.'.join(path[: depth + 1])}", hint=f"It has {having}." if having else ""
            )
        value = value[key]
    return value


def _shard_index(
    found: Mapping[str, tuple[_Member, str]], shard: _Shard, unread: Sequence[str], title: str
) -> ShardIndex:
    images = [image for image, _ in found.values()]
    labels = [label for _, label in found.values()]
    distinct = sorted(set(labels))
    code = {label: index for index, label in enumerate(distinct)}
    return ShardIndex(
        offsets=np.array([image.offset for image in images], np.int64),
        lengths=np.array([image.length for image in images], np.int64),
        label_codes=np.array([code[label] for label in labels], np.int64),
        labels=tuple(distinct),
        texts=("",) * len(distinct),
        synsets=("",) * len(distinct),
        names=Names.of(image.name for image in images),
        unread=tuple(unread),
        others=tuple(sorted(shard.other_images)),
        label_source=title,
        left_out=tuple(
            (folder, kind.name, kind.state, count) for (folder, kind), count in shard.left_out.items()
        ),
        papers=() if any(labels) else tuple(_papers(shard)),
    )


def _papers(shard: _Shard) -> Iterator[tuple[str, int, int]]:
    """Yield name, offset and length of the files that may be lists of images, or say what trains."""
    for member in shard.files:
        if os.path.splitext(member.name)[1].lower() in _NOTED and member.size <= MOST_BYTES:
            yield member.name, member.offset_data, member.size
