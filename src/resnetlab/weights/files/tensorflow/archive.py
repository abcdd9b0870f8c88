"""A tar archive of weights, as TensorFlow publishes its own: with a checkpoint, a SavedModel, or one file.

It is never extracted as it stands: its members are streamed, and only plain files that are named as weights
are written, under names of ours, into a folder that goes again. Counts and sizes have limits.
"""

import contextlib
import gzip
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
_GZIP = b"\x1f\x8b"
_CHUNK = 2**20
_PART = re.compile(r"(?P<prefix>.+)\.(index|data-\d{5}-of-\d{5})")
_NOTE = "checkpoint"  # TensorFlow's, which names its newest
_MOST_NOTE = 2**16
_NAMED = re.compile(r'^model_checkpoint_path:\s*"([^"\n]*)"', re.MULTILINE)


class Taken(NamedTuple):
    """What was taken of an archive."""

    path: Path
    """The file, or the checkpoint's prefix; only within the context."""
    name: str
    """What it is called in the archive."""


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
            told = re.sub(rf"{re.escape(folder)}/\d+/", f"{path}: ", str(error.args[0]))
            raise type(error)(told, hint=error.hint) from error


_Found = dict[str, Path]
"""Names in the archive, and where the files lie now."""


def _written(path: Path, folder: Path, suffixes: tuple[str, ...]) -> _Found:
    """Write what may be weights below `folder`, each folder of the archive being a number there."""
    found: _Found = {}
    numbers: dict[str, int] = {}
    names: list[str] = []
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(2) == _GZIP
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) if is_gzip else raw as stream:
                for name, content in _members(stream, path, names):
                    within = PurePosixPath(name)
                    if within.name != _NOTE and not (_PART.fullmatch(within.name) or name.endswith(suffixes)):
                        continue
                    if name in found:
                        raise CheckpointError(f"{path} has {name} twice")
                    own = folder / str(numbers.setdefault(str(within.parent), len(numbers))) / within.name
                    files.make_directory(own.parent)
                    files.write_file(own, content)
                    found[name] = own
                while stream.read(_CHUNK):  # to the end, where gzip keeps its checksum
                    pass
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise CheckpointError(
            f"{path}: the archive is damaged or cut short ({error})", hint="Copy or download it anew."
        ) from error
    if not found:
        raise UsageError(
            f"{path}: an archive without weights; it holds {first_of(names)}",
            hint="Read are a TensorFlow checkpoint, a SavedModel, or one file that ends in "
            f"{', '.join(suffixes)}.",
        )
    return found


def _members(
    stream: IO[bytes] | gzip.GzipFile, path: Path, names: list[str]
) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Give the plain files of a tar and their contents, each to be read before the next one."""
    total = 0
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            total += member.size
            if len(names) >= MOST_MEMBERS or total > MOST_BYTES:
                raise CheckpointError(
                    f"{path}: more than {MOST_MEMBERS:,} members or {format_bytes(MOST_BYTES)} unpacked"
                )
            if member.isreg() and not member.issparse():
                names.append(member.name)
                content = archive.extractfile(member)
                assert content is not None  # plain files have content
                yield member.name.replace("\\", "/"), iter(lambda: content.read(_CHUNK), b"")  # noqa: B023


def _checkpoint(path: Path, found: _Found) -> Taken | None:
    """Return the one checkpoint, or the one that the note in its folder names."""
    prefixes = {
        name.removesuffix(".index"): place for name, place in found.items() if name.endswith(".index")
    }
    named = {each for name, place in found.items() if name.endswith(_NOTE) for each in _noted(name, place)}
    chosen = [name for name in prefixes if name in named] if len(prefixes) > 1 else [*prefixes]
    if len(chosen) == 1:
        place = prefixes[chosen[0]]
        return Taken(place.with_name(place.name.removesuffix(".index")), chosen[0])
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
        return Taken(found[whole[0]], whole[0])
    if whole:
        raise _several(path, whole)
    raise UsageError(
        f"{path}: an archive with parts of a checkpoint, without its .index: {first_of([*found])}"
    )


def _several(path: Path, names: Sequence[str]) -> UsageError:
    return UsageError(
        f"{path}: an archive with several: {first_of(sorted(names))}", hint="Unpack it and give one of them."
    )
