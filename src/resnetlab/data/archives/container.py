"""Named files out of a folder or a tar archive, in memory, with nothing written anywhere.

Python's own extraction filters have been bypassed (CVE-2025-4517, CVE-2024-12718 and others), so
an archive is never extracted: its members are streamed, only regular files with a name that was
asked for are read, and sizes and counts have limits.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from resnetlab.base.reading.plain import open_plain, read_plain
from resnetlab.base.units import format_bytes
from resnetlab.data.archives.tars import slashed_name
from resnetlab.errors import DataError

MOST_BYTES = 2**30  # in all of an archive, unpacked; CIFAR's four layouts have 0.18 GiB
MOST_MEMBERS = 10_000


class Found(NamedTuple):
    """What a container holds."""

    contents: dict[str, bytes]
    """The files that were asked for, by plain name."""

    names: list[str]
    """Everything seen in it, for a message."""


def read_files(path: Path, most_bytes: Mapping[str, int]) -> Found:
    """Read the files named in `most_bytes` (with their size limits) from a folder or a tar archive.

    In an archive they may lie at the top or in one folder. Names that are not asked for are
    passed over.

    Raises:
        DataError: If the container cannot be read, a file is too large, or an archive has a link
            or device under a name that was asked for, or the same name twice.
    """
    try:
        if path.is_dir():
            return _read_folder(path, most_bytes)
        with open_plain(path) as stream:
            is_gzip = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            with gzip.GzipFile(fileobj=stream) if is_gzip else stream as unpacked:
                return _read_tar(_Limited(unpacked, path), path, most_bytes)
    except (tarfile.TarError, ValueError, OverflowError) as error:  # tarfile's own, of hostile headers too
        hint = "Give a folder, or an archive as it was downloaded."
        raise DataError(f"{path}: not a readable tar archive ({error})", hint=hint) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _read_folder(path: Path, most_bytes: Mapping[str, int]) -> Found:
    names = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
    contents = {}
    for name in [name for name in names if name in most_bytes]:
        if not (path / name).is_file():
            raise DataError(f"{path / name}: no plain file")
        _check_size(path / name, (path / name).stat().st_size, most_bytes[name])
        contents[name] = read_plain(path / name, most=most_bytes[name])
    return Found(contents, names)


def _read_tar(stream: "_Limited", path: Path, most_bytes: Mapping[str, int]) -> Found:
    contents: dict[str, bytes] = {}
    names: list[str] = []
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            names.append(member.name)
            if member.size > MOST_BYTES:  # tarfile would read up to its end
                raise _too_much(path)
            if member.size < 0:
                raise DataError(f"{path}/{member.name}: is said to have {member.size:,} bytes")
            if len(names) > MOST_MEMBERS:
                raise DataError(f"{path}: more than {MOST_MEMBERS:,} members")
            *folders, name = PurePosixPath(slashed_name(member)).parts or ("",)
            if name not in most_bytes or len(folders) > 1 or {"/", ".."} & set(folders):
                continue
            if member.isdir():
                continue
            where = path / member.name
            if not member.isreg() or member.issparse():
                raise DataError(f"{where}: a link or device where a plain file is expected")
            if name in contents:
                raise DataError(f"{where}: the archive has {name} twice")
            _check_size(where, member.size, most_bytes[name])
            content = archive.extractfile(member)
            assert content is not None  # regular files have content
            contents[name] = content.read()
    while stream.read(2**20):  # to the end, where gzip keeps its checksum
        pass
    return Found(contents, names)


def _too_much(path: Path) -> DataError:
    return DataError(f"{path}: unpacks to more than {format_bytes(MOST_BYTES)}")


def _check_size(where: Path, size: int, most: int) -> None:
    if size > most:
        raise DataError(f"{where}: {size:,} bytes; at most {most:,} are expected")


class _Limited(io.RawIOBase):
    """A stream that refuses to give more than MOST_BYTES: the guard against archive bombs."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, path: Path) -> None:
        self._stream, self._path, self._count = stream, path, 0

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size)
        self._count += len(content)
        if self._count > MOST_BYTES:
            raise _too_much(self._path)
        return content
