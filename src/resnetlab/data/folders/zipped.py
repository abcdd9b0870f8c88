"""A .zip of an image folder, as it was downloaded: its files are read where they lie in it."""

import functools
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resnetlab.base.reading.plain import look_at
from resnetlab.base.units import first_of
from resnetlab.data.folders.by_folder import by_folder
from resnetlab.data.folders.lists import MOST_BYTES, Archived
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.images.kinds import START, Kind, LeftOut, has_image_suffix, kind_of_named
from resnetlab.data.sources.choices import LEFT_OPEN, Choices
from resnetlab.data.sources.encoded import EncodedSource, Names
from resnetlab.data.sources.labelling import number_classes, refuse
from resnetlab.data.sources.leftovers import is_hidden, is_hidden_path
from resnetlab.data.sources.parts import divide_by_part, source_from_parts
from resnetlab.errors import DataError

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # ends with the lengths of the name and of what is extra
_MAGIC = b"PK\x03\x04"
_MOST_BYTES = 2**30  # of a file, unpacked
_UNPACK = "Unpack it, and give the folder."
_ENCRYPTED = 1


@dataclass(frozen=True, eq=False, slots=True)
class ZipReader:
    """The images in a .zip."""

    path: str
    names: Names
    offsets: npt.NDArray[np.int64]
    """Shape (N,): where each one's header lies."""
    packed: npt.NDArray[np.int64]
    """Shape (N,): bytes that it takes in the archive."""
    lengths: npt.NDArray[np.int64]
    """Shape (N,): bytes of the image itself."""
    checksums: npt.NDArray[np.int64]
    """Shape (N,): CRC-32 of these."""
    is_deflated: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.offsets)

    def place(self, index: int) -> str:
        """Return the path in the archive."""
        return self.names[index]

    def size(self, index: int) -> int:
        """Return the image's length in bytes."""
        return int(self.lengths[index])

    def read(self, index: int) -> EncodedImage:
        """Return the image's content; raise DataError if it is damaged."""
        place = f"{os.path.basename(self.path)}/{self.names[index]}"
        try:
            with open(self.path, "rb") as stream:
                stream.seek(int(self.offsets[index]))
                magic, name_length, extra = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
                stream.seek(name_length + extra, os.SEEK_CUR)
                data = stream.read(int(self.packed[index]))
            if self.is_deflated[index]:
                data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, int(self.lengths[index]) + 1)
        except OSError as error:
            raise DataError(f"{place}: cannot be read: {error.strerror or error}") from error
        except (struct.error, zlib.error) as error:
            raise DataError(f"{place}: the archive is damaged: {error}") from error
        if magic != _MAGIC or len(data) != self.lengths[index] or zlib.crc32(data) != self.checksums[index]:
            raise DataError(f"{place}: the archive is damaged: a wrong checksum or length")
        return EncodedImage(data, self.names[index])


def open_zip(path: Path, *, for_scoring: bool = False, choices: Choices = LEFT_OPEN) -> EncodedSource:
    """Open a .zip of SPLIT/CLASS/IMAGE or CLASS/IMAGE, perhaps in folders that hold everything.

    Args:
        path: The file.
        for_scoring: Whether it is to be scored: see `source_from_parts`.
        choices: `split_list`.

    Raises:
        UsageError: If lists were chosen that are not there.
        DataError: If it is damaged, encrypted or compressed in an uncommon way, or has no images in
            class folders.
    """
    path = Path(path)
    reader, left_out, others = _opened(path)
    places = [reader.place(index) for index in range(len(reader))]
    shelf = Archived({_slashed(each): functools.partial(_whole, path, each) for each in others})
    found_by = by_folder(places, str(path), shelf, for_scoring=for_scoring, split_list=choices.split_list)
    class_names, labels = number_classes(found_by.labels)
    return source_from_parts(
        name=path.stem,
        origin=str(path),
        class_names=class_names,
        parts=divide_by_part(reader, found_by.parts, labels),
        notes=[*found_by.notes, *_count(kept for kept in left_out if found_by.is_in_class(kept[0])).notes()],
        for_scoring=for_scoring,
    )


def images_in_zip(path: Path) -> ZipReader:
    """Return all images of a .zip, sorted by their paths in it, whatever its folders are.

    Raises:
        DataError: As `open_zip`, but for class folders.
    """
    return _opened(path)[0]


def _opened(path: Path) -> tuple[ZipReader, list[tuple[str, Kind]], list[zipfile.ZipInfo]]:
    """Return the images in an archive, what is left out of it: where, what it is, and its other files."""
    try:
        look_at(path)
        with zipfile.ZipFile(path) as archive:
            members, left_out = _sorted_out(archive)
            others = [each for each in archive.infolist() if not _is_folder(each) and _is_no_image(each)]
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a readable .zip: {error}", hint="Download it again.") from error
    if not members:
        found = first_of([member.filename for member in others]) or "nothing"
        raise DataError(f"{path}: holds no images, but {found}", hint=_UNPACK)
    refuse(str(path), [*_count(left_out).problems(len(members)), *_problems(members)], hint=_UNPACK)
    members.sort(key=lambda member: member.filename)
    reader = ZipReader(
        path=os.path.abspath(path),
        names=Names.of(map(_slashed, members)),
        offsets=np.array([member.header_offset for member in members], np.int64),
        packed=np.array([member.compress_size for member in members], np.int64),
        lengths=np.array([member.file_size for member in members], np.int64),
        checksums=np.array([member.CRC for member in members], np.int64),
        is_deflated=np.array([member.compress_type == zipfile.ZIP_DEFLATED for member in members]),
    )
    return reader, left_out, others


def _count(files: Iterable[tuple[str, Kind]]) -> LeftOut:
    left_out = LeftOut()
    for _, kind in files:
        left_out.count(kind)
    return left_out


def _sorted_out(archive: zipfile.ZipFile) -> tuple[list[zipfile.ZipInfo], list[tuple[str, Kind]]]:
    """Return the images in the archive, and what lies beside them: where, and what it is."""
    images, left_out = [], list[tuple[str, Kind]]()
    for member in archive.infolist():
        parts = _slashed(member).split("/")
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        if _is_folder(member) or is_link or any(is_hidden(each) for each in parts if each):
            continue
        kind = kind_of_named(parts[-1], functools.partial(_start, archive, member))
        if kind.state == "read":
            images.append(member)
        else:
            left_out.append((_slashed(member), kind))
    return images, left_out


def _is_no_image(member: zipfile.ZipInfo) -> bool:
    return not has_image_suffix(member.filename) and not is_hidden_path(_slashed(member))


def _is_folder(member: zipfile.ZipInfo) -> bool:
    """Whether it is a folder, or nothing that has a name: zipfile's own `is_dir` fails at that."""
    return not member.filename or member.is_dir()


def _slashed(member: zipfile.ZipInfo) -> str:
    return member.filename.replace("\\", "/")


def _whole(path: Path, member: zipfile.ZipInfo) -> bytes:
    """Return the content of a file that may be a list; nothing if it is too large for one, or damaged."""
    if member.file_size > MOST_BYTES:
        return b""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(member)
    except (OSError, RuntimeError, NotImplementedError, zlib.error, zipfile.BadZipFile):
        return b""


def _start(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return a file's first bytes; raise OSError if it cannot be read, as one with a password."""
    try:
        with archive.open(member) as stream:
            return stream.read(START)
    except (RuntimeError, NotImplementedError, zlib.error, zipfile.BadZipFile) as error:
        raise OSError(str(error)) from error


def _problems(members: list[zipfile.ZipInfo]) -> list[str]:
    encrypted = [member.filename for member in members if member.flag_bits & _ENCRYPTED]
    known = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    uncommon = [member.filename for member in members if member.compress_type not in known]
    large = [member.filename for member in members if member.file_size > _MOST_BYTES]
    names = [member.filename for member in members]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    kinds = (
        ("encrypted", encrypted),
        ("compressed in an uncommon way", uncommon),
        ("too large", large),
        ("twice in it", twice),
    )
    return [f"{kind}: {found[0]}" for kind, found in kinds if found]
