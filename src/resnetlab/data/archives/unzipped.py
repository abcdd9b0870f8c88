"""Files that are compressed with gzip, kept unpacked in the cache, so that they can be read in any order."""

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
_MOST_DIGITS = 20


def is_gzip(path: Path) -> bool:
    """Return whether a file begins as gzip's do."""
    try:
        with open_plain(path) as stream:
            return stream.read(3) == b"\x1f\x8b\x08"
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def unzipped(path: Path) -> Path:
    """Return where the file's unpacked content lies: itself, or a copy in the cache, made if it is not there.

    A copy that is not as long any more as it was made is made anew.

    Raises:
        DataError: If it is damaged, or the copy cannot be written.
    """
    if not is_gzip(path):
        return path
    facts = path.stat()
    key = f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}".encode(errors="surrogateescape")
    kept = cache_folder() / "unzipped" / hashlib.sha256(key).hexdigest()[:32] / path.name
    length = kept.with_name(f"{path.name}.length")
    if kept.is_file() and _said(length) == str(kept.stat().st_size):
        return kept
    try:
        files.make_directory(kept.parent)
        files.write_file(kept, _unpacked(path))
        files.write_file(length, str(kept.stat().st_size))
    except WriteError as error:
        raise DataError(
            f"{path}: compressed with gzip, and the cache cannot take its content: {error.args[0]}",
            hint="Unpack it: gunzip FILE.",
        ) from error
    return kept


def _said(length: Path) -> str:
    try:
        return read_plain(length, most=_MOST_DIGITS).decode("ascii", "replace")
    except (OSError, ValueError):
        return ""


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
