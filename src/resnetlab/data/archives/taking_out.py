"""Some files out of an archive that is a dataset's and holds more than is wanted."""

import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from resnetlab.base.reading.plain import look_at
from resnetlab.base.units import first_of, format_bytes
from resnetlab.errors import DataError

_MOST_BYTES = 2**30
"""Of a file: the largest that is taken out has 221 MB."""


def take_out(archive: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Return the files of these names in a .zip or a .tar, packed or not, whatever folder they lie in there.

    Raises:
        DataError: If one is not there, is too large, or the archive is damaged.
    """
    try:
        look_at(archive)
        reads = _of_zip if zipfile.is_zipfile(archive) else _of_tar
        found = dict(reads(archive, frozenset(names)))
    except (OSError, ValueError, OverflowError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile,
            RuntimeError) as error:  # fmt: skip
        raise DataError(
            f"{archive}: cannot be unpacked: {error}", hint="Remove it, and fetch it again."
        ) from error
    if missing := [name for name in names if name not in found]:
        raise DataError(f"{archive}: holds no {first_of(missing)}")
    return {name: found[name] for name in names}


def _of_zip(archive: Path, names: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            if (name := _last(member.filename)) in names:
                _refuse_large(archive, name, member.file_size)
                yield name, opened.read(member)


def _of_tar(archive: Path, names: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    lacking = set(names)
    with tarfile.open(archive, "r|*") as opened:  # from its beginning to the last one that is wanted
        for member in opened:
            if member.isfile() and (name := _last(member.name)) in lacking:
                _refuse_large(archive, name, member.size)
                stream = opened.extractfile(member)
                assert stream is not None
                yield name, stream.read()
                lacking.remove(name)
            if not lacking:
                return


def _last(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _refuse_large(archive: Path, name: str, size: int) -> None:
    if size > _MOST_BYTES:
        raise DataError(f"{archive}: {name} has {format_bytes(size)}: this is not that dataset")
