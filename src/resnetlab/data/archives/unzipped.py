"""Files that are compressed with gzip, kept unpacked in the cache, so that they can be read in any order."""

import contextlib
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path

from resnetlab.base import files
from resnetlab.base.download import cache_folder
from resnetlab.base.reading.plain import open_plain, read_plain
from resnetlab.base.units import format_bytes
from resnetlab.errors import DataError, WriteError

_MOST_BYTES = 64 * 2**30  # of a file unpacked; shards have some 0.15 GiB, whole collections some 10
_PIECE = 2**24
_MOST_NOTE_BYTES = 200


def is_gzip(path: Path) -> bool:
    """Return whether a file begins as gzip's do."""
    try:
        with open_plain(path) as stream:
            return stream.read(3) == b"\x1f\x8b\x08"
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def unzipped(path: Path) -> Path:
    """Return where the file's unpacked content lies: itself, or a copy in the cache, made if it is not there.

    A copy that was written since, or moved there, and has not the SHA-256 any more that it was made with, is
    made anew. What no program wrote, such as a bit that the disk turned, is not looked for: that would be to
    read all of it each time.

    Raises:
        DataError: If it is damaged, or the copy cannot be written.
    """
    if not is_gzip(path):
        return path
    facts = path.stat()
    key = f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}".encode(errors="surrogateescape")
    kept = cache_folder() / "unzipped" / hashlib.sha256(key).hexdigest()[:32] / path.name
    note = kept.with_name(f"{path.name}.note")
    if _is_whole(kept, note):
        return kept
    try:
        files.make_directory(kept.parent)
        digest = hashlib.sha256()
        files.write_file(kept, _summed(_unpacked(path), digest))
        files.write_file(note, f"{digest.hexdigest()} {_facts(kept)}")
    except WriteError as error:
        raise DataError(
            f"{path}: compressed with gzip, and the cache cannot take its content: {error.args[0]}",
            hint="Unpack it: gunzip FILE.",
        ) from error
    return kept


def _is_whole(kept: Path, note: Path) -> bool:
    """Return whether a copy is as it was made; it is read if its facts are not those that the note has."""
    try:
        digest, size, noted = read_plain(note, most=_MOST_NOTE_BYTES).decode("ascii").split(" ", 2)
        facts = _facts(kept)
        if not kept.is_file() or facts.split()[0] != size:
            return False
        if facts == f"{size} {noted}":
            return True
        found = hashlib.sha256()
        with open_plain(kept) as stream:
            while piece := stream.read(_PIECE):
                found.update(piece)
        if found.hexdigest() != digest:
            return False
    except (OSError, ValueError):
        return False
    with contextlib.suppress(WriteError):  # read once more the next time, then
        files.write_file(note, f"{digest} {facts}")
    return True


def _facts(path: Path) -> str:
    """Return what changes where a file is written or moved: its size, times and number."""
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def _summed(pieces: Iterator[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece


def _unpacked(path: Path) -> Iterator[bytes]:
    """Yield the content in pieces; raise DataError if it is damaged or too long."""
    total = 0
    try:
        with gzip.open(path) as stream:
            while piece := stream.read(_PIECE):
                total += len(piece)
                if total > _MOST_BYTES:
                    raise DataError(
                        f"{path}: unpacks to more than {format_bytes(_MOST_BYTES)}",
                        hint="Unpack it, and give the folder.",
                    )
                yield piece
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be unpacked: {error}", hint="Copy it again.") from error
