"""A tar archive of weights, as TensorFlow publishes its own: with a checkpoint, a SavedModel, or one file.

It is never extracted as it stands: its members are streamed, and only plain files that are named as weights
are written, into numbered folders of ours that go again. Counts and sizes have limits, and what `tarfile`
reads to itself as well: it takes a header of any length into memory.
"""

import contextlib
import gzip
import io
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from resnetlab.base import files
from resnetlab.base.units import first_of, format_bytes
from resnetlab.errors import CheckpointError, ResnetlabError, UsageError

MOST_BYTES = 2**33
MOST_MEMBERS = 10_000
_MOST_HEADER = 2**20
"""Bytes of what stands before one member's content: long names, times, attributes."""
_MOST_HEADERS = 2**26
_LONGEST_NAME = 200
"""Bytes of a file's name that every disk takes, with what a file has while it is written."""
_GZIP = b"\x1f\x8b"
_CHUNK = 2**20
_PART = re.compile(r"(?P<stem>.+)(?P<suffix>\.index|\.data-\d{5}-of-\d{5})")
_NOTE = "checkpoint"  # TensorFlow's, which names its newest
_MOST_NOTE = 2**16
_NAMED = re.compile(r'^model_checkpoint_path:\s*"([^"\n]*)"', re.MULTILINE)


class Taken(NamedTuple):
    """What was taken of an archive."""

    path: Path
    """The file, or the checkpoint's prefix; only within the context."""
    name: str
    """What it is called in the archive, for messages."""


def is_archive(path: Path, start: bytes) -> bool:
    """Return whether a file, which begins with the 512 bytes `start`, is a tar, plain or in gzip."""
    if start.startswith(_GZIP):
        try:
            with gzip.open(path) as stream:
                start = stream.read(tarfile.BLOCKSIZE)
        except (OSError, EOFError, zlib.error):
            return False
    try:
        tarfile.TarInfo.frombuf(start[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


@contextlib.contextmanager
def unpacked(path: Path, suffixes: tuple[str, ...]) -> Iterator[Taken]:
    """Give the weights of an archive as a file, or as a checkpoint's prefix.

    Taken is its one TensorFlow checkpoint, a SavedModel's too; of several the one that TensorFlow's own note
    `checkpoint` names; else its one file with such a suffix. What is raised inside is told of the archive.

    Raises:
        UsageError: If it holds several, or none.
        CheckpointError: If it is damaged, or too large.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = _written(path, Path(folder), suffixes)
        taken = _checkpoint(path, found) or _file(path, found)
        try:
            yield taken
        except ResnetlabError as error:
            told = str(error.args[0]).replace(str(taken.path), f"{path}: {taken.name}")
            raise type(error)(told, hint=error.hint) from error


_Found = dict[str, Path]
"""Names in the archive, and where the files lie now."""


def _written(path: Path, folder: Path, suffixes: tuple[str, ...]) -> _Found:
    """Write what may be weights below `folder`, each folder of the archive being a number there."""
    found: _Found = {}
    numbers: dict[PurePosixPath, int] = {}
    names: list[str] = []
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(2) == _GZIP
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) if is_gzip else raw as whole:
                stream = _Limited(whole, path)
                for name, content in _members(stream, path, names):
                    place = _place(PurePosixPath(name), suffixes, numbers)
                    if place is None:
                        continue
                    if name in found:
                        raise CheckpointError(f"{path} has {_cut(name)} twice")
                    own = folder / place
                    files.make_directory(own.parent)
                    files.write_file(own, content)
                    found[name] = own
                while stream.read(_CHUNK):  # to the end, where gzip keeps its checksum
                    pass
    except _DAMAGED as error:
        raise CheckpointError(
            f"{path}: the archive is damaged or cut short ({error})", hint="Copy or download it anew."
        ) from error
    if not found:
        raise UsageError(
            f"{path}: an archive without weights; it holds {first_of(names) or 'no plain files'}",
            hint="Read are a TensorFlow checkpoint, a SavedModel, or one file that ends in "
            f"{', '.join(suffixes)}.",
        )
    return found


# What tarfile and gzip raise; of numbers in extended headers that are none, what int does.
_DAMAGED = (
    tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError, MemoryError, RecursionError
)  # fmt: skip


def _place(within: PurePosixPath, suffixes: tuple[str, ...], numbers: dict[PurePosixPath, int]) -> str | None:
    """Return where a member is written, as NUMBER/NAME; None if it is not named as weights.

    A name that is too long for a file is a number too, the same for all parts of a checkpoint.
    """
    name, part = within.name, _PART.fullmatch(within.name)
    suffix = part["suffix"] if part else next((each for each in suffixes if name.endswith(each)), "")
    if name != _NOTE and not suffix:
        return None
    if len(name.encode(errors="surrogateescape")) <= _LONGEST_NAME:
        return f"{numbers.setdefault(within.parent, len(numbers))}/{name}"
    stem = within.with_name(f"{name.removesuffix(suffix)}\0")  # no folder's
    return f"{numbers.setdefault(stem, len(numbers))}/long{suffix}"


class _Limited(io.BufferedIOBase):
    """A stream that is not read further than it may be."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, path: Path) -> None:
        self._stream, self._path = stream, path
        self._count = 0
        self.most = _MOST_HEADER
        """Bytes from the start, up to which a header may reach."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes, at most `size`.

        Raises:
            CheckpointError: If that were more than there may be.
        """
        content = self._stream.read(-1 if size is None else size)
        self._count += len(content)
        if self._count > MOST_BYTES:
            raise _too_large(self._path)
        if self._count > self.most:
            raise CheckpointError(f"{self._path}: a member with a header above {format_bytes(_MOST_HEADER)}")
        return content


def _too_large(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path}: more than {MOST_MEMBERS:,} members or {format_bytes(MOST_BYTES)} unpacked"
    )


def _members(stream: _Limited, path: Path, names: list[str]) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Give the plain files of a tar and their contents, each to be read before the next one."""
    headers = ended = 0
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for number, member in enumerate(iter(archive.next, None)):
            headers += member.offset_data - ended
            ended = archive.offset  # where the next one begins
            if number >= MOST_MEMBERS or headers > _MOST_HEADERS or ended > MOST_BYTES:
                raise _too_large(path)
            stream.most = ended + _MOST_HEADER
            if member.isreg() and not member.issparse():
                names.append(_cut(member.name))
                content = archive.extractfile(member)
                assert content is not None  # plain files have content
                yield member.name.replace("\\", "/"), iter(lambda: content.read(_CHUNK), b"")  # noqa: B023
        stream.most = MOST_BYTES


def _cut(name: str) -> str:
    """Return a name for a message."""
    return name if len(name) <= 120 else f"{name[:60]}...{name[-40:]}"


def _checkpoint(path: Path, found: _Found) -> Taken | None:
    """Return the one checkpoint, or the one that the note in its folder names."""
    prefixes = {
        name.removesuffix(".index"): place for name, place in found.items() if name.endswith(".index")
    }
    named = {each for name, place in found.items() if name.endswith(_NOTE) for each in _noted(name, place)}
    chosen = [name for name in prefixes if name in named] if len(prefixes) > 1 else [*prefixes]
    if len(chosen) == 1:
        place = prefixes[chosen[0]]
        return Taken(place.with_name(place.name.removesuffix(".index")), _cut(chosen[0]))
    if prefixes:
        raise _several(path, [*prefixes])
    return None


def _noted(name: str, place: Path) -> Iterator[str]:
    """Give the newest checkpoint that a note of TensorFlow's names, which lies beside it."""
    is_note = place.name == _NOTE and place.stat().st_size <= _MOST_NOTE
    if is_note and (match := _NAMED.search(place.read_text(errors="replace"))):
        yield str(PurePosixPath(name).with_name(PurePosixPath(match[1]).name or _NOTE))


def _file(path: Path, found: _Found) -> Taken:
    whole = [name for name, place in found.items() if place.name != _NOTE and not _PART.fullmatch(place.name)]
    if len(whole) == 1:
        return Taken(found[whole[0]], _cut(whole[0]))
    if whole:
        raise _several(path, whole)
    raise UsageError(
        f"{path}: an archive with parts of a checkpoint, without its .index: {first_of([*map(_cut, found)])}"
    )


def _several(path: Path, names: Sequence[str]) -> UsageError:
    return UsageError(
        f"{path}: an archive with several: {first_of(sorted(map(_cut, names)))}",
        hint="Unpack it and give one of them.",
    )
