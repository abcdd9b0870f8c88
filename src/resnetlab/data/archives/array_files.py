"""Files that hold arrays, read without running anything that is in them."""

import gzip
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from resnetlab.base.machine.memory import total_memory
from resnetlab.base.reading.plain import MOST_RATIO, look_at, open_plain, refuse_more
from resnetlab.base.units import format_bytes
from resnetlab.data.archives.mat import read_variables
from resnetlab.errors import DataError

Array = npt.NDArray[Any]

_MOST_BYTES, _PIECE = 16 * 2**30, 2**24
_ZLIB_RATIO = 1100
"""More than zlib can make of bytes: masks come near it, and are read where they fit the memory."""
_IDX_BYTES, _STL_SIDE = 0x08, 96


def read_npz(path: Path) -> Mapping[str, Array]:
    """Return the arrays of an .npz by name, or of an .npy under an empty name.

    Raises:
        DataError: If it is damaged, or holds Python objects, which are not loaded.
    """
    try:
        look_at(path)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                asked = sum(each.file_size for each in archive.infolist())
                room = total_memory() // 2 or asked  # unknown on Windows
                ratio = _ZLIB_RATIO if asked <= room else MOST_RATIO
                refuse_more(asked, path.stat().st_size, "its arrays", ratio=ratio)
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except Exception as error:  # whatever a damaged file makes of NumPy and zipfile
        hint = "Python objects in it are never loaded." if "pickle" in str(error) else ""
        raise DataError(f"{path}: cannot be read: {error}", hint=hint) from error


def read_idx(path: Path) -> Array:
    """Return the bytes of an idx file, unpacked if it is compressed with gzip, in its own shape.

    Source: http://yann.lecun.com/exdb/mnist: two zeros, the type, the number of dimensions, the sizes
    (u32, big-endian), the numbers.

    Raises:
        DataError: If it is damaged, or holds no bytes.
    """
    content = _content(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _IDX_BYTES:
        raise DataError(f"{path}: no idx file of bytes; it begins with {content[:4].hex(' ')}")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise DataError(f"{path}: ends within its {dimensions} sizes: it is damaged")
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    expected = math.prod(shape)
    if len(shape) != dimensions or len(content) - start != expected:
        raise DataError(f"{path}: {len(content) - start:,} bytes for the shape {shape}: it is damaged")
    try:
        return np.frombuffer(content[start:], np.uint8).reshape(shape)
    except ValueError as error:  # more dimensions, or larger ones, than arrays have
        raise DataError(f"{path}: the shape {shape}: {error}") from error


def read_stl(images: Path, labels: Path) -> tuple[Array, Array]:
    """Return STL-10's images, shape (N, 96, 96, 3), and labels from 1.

    Source: https://cs.stanford.edu/~acoates/stl10: red, green and blue plane, each column by column.

    Raises:
        DataError: If a file has a size that cannot be.
    """
    content, size = _content(images), 3 * _STL_SIDE**2
    if not content or len(content) % size:
        raise DataError(f"{images}: {len(content):,} bytes are no whole number of images of {size:,} bytes")
    planes = np.frombuffer(content, np.uint8).reshape(-1, 3, _STL_SIDE, _STL_SIDE)
    return planes.transpose(0, 3, 2, 1), np.frombuffer(_content(labels), np.uint8)


def read_mat(path: Path) -> tuple[Array, Array]:
    """Return the images, the last axis of X, and the labels y of a .mat as SVHN has them.

    Raises:
        DataError: If it cannot be read, or has no such arrays.
    """
    found = read_variables(path, ("X", "y")).arrays
    if "X" not in found or "y" not in found or found["X"].ndim != 4:
        raise DataError(
            f"{path}: no images X (H, W, C, N) with labels y", hint="SVHN's cropped digits are read."
        )
    return np.ascontiguousarray(found["X"].transpose(3, 0, 1, 2)), found["y"].reshape(-1)


def _content(path: Path) -> bytes:
    """Return a file's bytes, unpacked if it is compressed with gzip."""
    try:
        with open_plain(path, most=_MOST_BYTES) as stream:
            is_gzip = stream.read(2) == b"\x1f\x8b"
            stream.seek(0)
            # Asked for so much at once, a stream would ask the system for all of it before it reads.
            content = _unpacked(stream) if is_gzip else stream.read()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    return content


def _unpacked(stream: IO[bytes]) -> bytes:
    pieces, total = [], 0
    with gzip.GzipFile(fileobj=stream) as unpacked:
        while piece := unpacked.read(_PIECE):
            pieces.append(piece)
            total += len(piece)
            if total > _MOST_BYTES:
                raise ValueError(f"more than {format_bytes(_MOST_BYTES)}")
    return b"".join(pieces)
