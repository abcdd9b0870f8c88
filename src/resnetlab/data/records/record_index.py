"""Where each record lies in a set of shard files, found once per shard and kept in the cache."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resnetlab.base import files
from resnetlab.base.download import cache_folder
from resnetlab.base.reading.plain import is_count, read_plain
from resnetlab.data.archives.unzipped import unzipped
from resnetlab.data.images.kinds import State
from resnetlab.data.sources.encoded import Names
from resnetlab.errors import DataError, WriteError

_MOST_ERRORS = 5
_FORM = 6  # of what is kept; another number makes every index anew

_DIGEST_BYTES = hashlib.sha256().digest_size

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class ShardIndex:
    """The images of one shard, in its order."""

    offsets: Integers
    lengths: Integers

    label_codes: Integers
    """Which of `labels` each image has."""

    labels: tuple[str, ...]
    """The different labels, as they are written in the shard."""

    texts: tuple[str, ...]
    """For each of `labels` what it is called there, or an empty string."""

    synsets: tuple[str, ...]
    """For each of `labels` its WordNet number, e.g. "n01440764"; empty without one, or with several."""

    names: Names
    """What each image is called, if the format has names; else empty."""

    unread: tuple[str, ...] = ()
    """Labels that are there without an image that can be read."""

    others: tuple[str, ...] = ()
    """Suffixes of further images of a sample, which are not read."""

    label_source: str = ""
    """What the labels were taken from, if the format leaves that open."""

    left_out: tuple[tuple[str, str, State, int], ...] = ()
    """How many files there are that are not read: folder, kind ("HEIC"), `kinds.State` and number."""

    papers: tuple[tuple[str, int, int], ...] = ()
    """Name, offset and length of each file that may be a list of images."""

    def __len__(self) -> int:
        return len(self.offsets)


@dataclass(frozen=True, eq=False, slots=True)
class Records:
    """The images of several shards: shard by shard, in their order."""

    root: str
    shards: tuple[str, ...]
    """Paths relative to the root, with "/"."""

    starts: Integers
    """Shape (shards + 1,): the index of each shard's first image, and the number of all."""

    offsets: Integers
    lengths: Integers
    names: tuple[Names, ...]

    files: tuple[str, ...] = ()
    """Where the shards lie, if not under the root; absolute."""

    def __len__(self) -> int:
        return len(self.offsets)

    def locate(self, index: int) -> tuple[int, int]:
        """Return the shard that has the image, and the image's number within that shard."""
        if not 0 <= index < len(self.offsets):
            raise IndexError(index)
        shard = int(np.searchsorted(self.starts, index, side="right")) - 1
        return shard, index - int(self.starts[shard])

    def read(self, index: int, place: str, *, more: int = 0) -> bytes:
        """Return an image's bytes and `more` bytes after them, through a file opened for just that.

        Opening costs about 0.01 ms and leaves nothing to share between threads and processes.

        Raises:
            DataError: If the shard cannot be read or is shorter than when it was indexed.
        """
        shard, length = self.locate(index)[0], int(self.lengths[index]) + more
        return self.read_at(shard, int(self.offsets[index]), length, place)

    def read_at(self, shard: int, offset: int, length: int, place: str = "") -> bytes:
        """Return so many bytes of a shard; raises as `read`."""
        path = os.path.join(self.root, (self.files or self.shards)[shard])
        place = place or self.shards[shard]
        try:
            with open(path, "rb", buffering=0) as stream:
                stream.seek(offset)
                data = stream.read(length)
                while len(data) < length and (rest := stream.read(length - len(data))):
                    data += rest  # a read may be short: over 2 GiB, over a network
        except OSError as error:
            raise DataError(f"{place}: cannot be read: {error.strerror or error}") from error
        if len(data) < length:
            raise DataError(f"{place}, offset {offset:,}: the file has been cut short since it was indexed")
        return data


def index_shards(
    root: Path,
    shards: Sequence[str],
    kind: str,
    build: Callable[[Path], ShardIndex],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Records, list[ShardIndex]]:
    """Return all records and the index of every shard; those compressed with gzip are unpacked in the cache.

    The first five damaged shards are all named in one error.

    Args:
        root: The shards' folder.
        shards: Their paths in it.
        kind: What `build` makes depends on this text and the shard alone.
        build: Makes the index of a shard.
        progress: Is told how many shards are indexed, of how many.
    """
    paths = [unzipped(root / shard) for shard in shards]
    is_moved = any(real != root / shard for real, shard in zip(paths, shards, strict=True))
    indices: list[ShardIndex] = []
    errors: list[tuple[str, str]] = []  # kept as exceptions they would keep the shards mapped
    for number, path in enumerate(paths, start=1):
        try:
            indices.append(index_shard(path, kind, build))
        except DataError as error:
            errors.append((str(error.args[0]), error.hint))
            if len(errors) == _MOST_ERRORS:
                break
        if progress is not None:
            progress(number, len(shards))
    if errors:
        raise DataError("\n".join(text for text, _ in errors), hint=errors[0][1])
    nothing = [np.zeros(0, np.int64)]
    records = Records(
        root=os.path.abspath(root),  # so that the readers do not mind a change of directory
        shards=tuple(shards),
        starts=np.cumsum([0, *map(len, indices)], dtype=np.int64),
        offsets=np.concatenate([*nothing, *(index.offsets for index in indices)]),
        lengths=np.concatenate([*nothing, *(index.lengths for index in indices)]),
        names=tuple(index.names for index in indices),
        files=tuple(map(os.path.abspath, paths)) if is_moved else (),
    )
    return records, indices


def index_shard(path: Path, kind: str, build: Callable[[Path], ShardIndex]) -> ShardIndex:
    """Return the index of a shard: the cache's if path, size and time of change agree, else anew.

    An index that the cache cannot take (a full disk, no right to write) is used all the same.

    Raises:
        DataError: If the shard cannot be read, or whatever `build` refuses.
    """
    try:
        facts = path.stat()
        key = f"{_FORM}|{kind}|{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}"
        digest = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()
        kept = cache_folder() / "shards" / f"{digest[:32]}.index"
        if (index := _load(kept, facts.st_size)) is not None:
            return index
        index = build(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    with contextlib.suppress(WriteError):
        files.make_directory(kept.parent)
        files.write_file(kept, _dump(index))
    return index


def _dump(index: ShardIndex) -> bytes:
    from safetensors.numpy import save

    words = [
        index.labels, index.texts, index.synsets, index.unread, index.others, [index.label_source],
        index.left_out, index.papers,
    ]  # fmt: skip
    arrays: dict[str, npt.NDArray[Any]] = {
        "offsets": index.offsets,
        "lengths": index.lengths,
        "label_codes": index.label_codes,
        "texts": np.frombuffer(json.dumps(words).encode(), np.uint8),
        "names": np.frombuffer(index.names.joined, np.uint8),
        "name_ends": index.names.ends,
    }
    content = save(arrays)
    return hashlib.sha256(content).digest() + content


def _load(path: Path, size: int) -> ShardIndex | None:
    """Return what is kept of a shard of this size, or None if there is nothing or it is damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        content = read_plain(path)
        digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:  # an offset that was changed is another image
            return None
        kept = load(content)
        words = map(tuple, json.loads(kept["texts"].tobytes()))
        labels, texts, synsets, unread, others, label_source, left_out, papers = words
        index = ShardIndex(
            offsets=kept["offsets"],
            lengths=kept["lengths"],
            label_codes=kept["label_codes"],
            labels=labels,
            texts=texts,
            synsets=synsets,
            names=Names(kept["names"].tobytes(), kept["name_ends"]),
            unread=unread,
            others=others,
            label_source=label_source[0],
            left_out=tuple(map(tuple, left_out)),
            papers=tuple(map(tuple, papers)),
        )
        return index if _can_be(index, size) else None
    except (OSError, SafetensorError, LookupError, ValueError, TypeError, RecursionError):
        return None


def _can_be(index: ShardIndex, size: int) -> bool:
    """Return whether an index may be that of a shard: what is read by it lies in it, and labels are there."""
    columns = (index.offsets, index.lengths, index.label_codes)
    texts = (index.labels, index.texts, index.synsets, index.unread, index.others, (index.label_source,))
    if not all(column.dtype == np.int64 and column.shape == index.offsets.shape for column in columns):
        return False
    ends = index.names.ends
    return (
        index.offsets.ndim == 1
        and len({len(each) for each in texts[:3]}) == 1
        and all(isinstance(text, str) for each in texts for text in each)
        and all([*map(type, each)] == [str, str, str, int] for each in index.left_out)
        and all(isinstance(name, str) and _lies_in(at, length, size) for name, at, length in index.papers)
        and all(((column >= 0) & (column <= size)).all() for column in columns[:2])
        and bool((index.offsets + index.lengths <= size).all())
        and bool(((index.label_codes >= 0) & (index.label_codes < max(len(index.labels), 1))).all())
        and ends.dtype == np.int64
        and ends.ndim == 1
        and len(ends) in (0, len(index))
        and bool((np.diff(ends, prepend=0, append=len(index.names.joined)) >= 0).all())
    )


def _lies_in(start: object, length: object, size: int) -> bool:
    return is_count(start) and is_count(length) and start + length <= size
