"""Tar archives read member by member, never extracted, whose damage does not pass for their end."""

import contextlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from resnetlab.base.reading.plain import look_at
from resnetlab.data.images.kinds import kind_of
from resnetlab.errors import DataError

BROKEN = (tarfile.TarError, ValueError, OverflowError)
"""What tarfile raises of damaged archives: of hostile headers not only errors of its own."""

AGAIN = "Copy, download or make that archive again."


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tarfile.TarFile]:
    """Open an uncompressed tar, in which members can be read in any order.

    Raises:
        DataError: If it cannot be read, is compressed, or is no tar.
    """
    try:
        look_at(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        with path.open("rb") as stream:
            start = stream.read(6)
            stream.seek(0)
            with inner(stream, path.name, start) as archive:
                yield archive
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def inner(stream: IO[bytes], where: str, start: bytes = b"") -> tarfile.TarFile:
    """Return the tar in a stream that can seek; `start` are its first bytes, to say what it is."""
    try:
        return tarfile.open(fileobj=stream, mode="r:")
    except BROKEN as error:
        raise DataError(
            f"{where}: {_compression(start) or f'not a readable tar: {error}'}", hint=AGAIN
        ) from error


def slashed_name(member: tarfile.TarInfo) -> str:
    """Return a member's path with "/" between its folders, also where Windows wrote it."""
    return member.name.replace("\\", "/")


def is_regular(member: tarfile.TarInfo) -> bool:
    """Return whether it is a plain file, whose content lies in one piece after its header."""
    return member.isreg() and not member.issparse()


def regular_members(archive: tarfile.TarFile, where: str) -> Iterator[tarfile.TarInfo]:
    """Yield the plain files of an archive; raises as `all_members`."""
    return filter(is_regular, all_members(archive, where))


def all_members(archive: tarfile.TarFile, where: str) -> Iterator[tarfile.TarInfo]:
    """Yield all members of an archive, links and folders too, with "/" in their names.

    Raises:
        DataError: If it is cut short or a header is damaged, which tarfile takes for the end.
    """
    end = cast(IO[bytes], archive.fileobj).seek(0, io.SEEK_END)
    try:
        for member in archive:
            if is_regular(member) and not 0 <= member.size <= end - member.offset_data:
                raise tarfile.ReadError(f"{member.name} is said to have {member.size:,} bytes")
            member.name = slashed_name(member)
            yield member
    except BROKEN as error:
        raise DataError(f"{where}: the archive is damaged or cut short: {error}", hint=AGAIN) from error
    stream = archive.fileobj
    assert stream is not None
    stream.seek(archive.offset)
    block = stream.read(tarfile.BLOCKSIZE)
    if not block:
        raise DataError(f"{where}: no end mark, the archive is cut short", hint=AGAIN)
    if block.strip(b"\0"):
        raise DataError(f"{where}: offset {archive.offset:,}: a damaged header", hint=AGAIN)


def read_member(archive: tarfile.TarFile, member: tarfile.TarInfo, where: str) -> bytes:
    """Return the content of a plain file.

    Raises:
        DataError: If the archive ends before it does.
    """
    stream = archive.extractfile(member)
    assert stream is not None  # plain files have content
    try:
        return stream.read()
    except BROKEN as error:
        raise DataError(f"{where}/{member.name}: {error}", hint=AGAIN) from error


def _compression(start: bytes) -> str:
    kind = kind_of(start).name
    if kind not in ("gzip", "bzip2", "xz", "zstd"):
        return ""
    return f"compressed with {kind}, so that members cannot be read one by one; unpack it"
