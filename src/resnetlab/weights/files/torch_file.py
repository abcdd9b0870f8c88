"""Torch's files, taken apart without torch.load: archives of today, streams of before 1.6, plain pickles.

Source: torch/serialization.py, _load and _legacy_load; TorchScript's archives are of the same form.
"""

import io
import pickle
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from resnetlab.base.reading.plain import refuse_more
from resnetlab.weights.files.inert import Kind, Reader
from resnetlab.weights.files.scripts import heed_code

_MAGIC = 0x1950A86A20F9469CFC6C


@dataclass(frozen=True)
class Content:
    """What a file holds, and the globals that it names and that were not made."""

    value: Any
    named: tuple[str, ...]
    is_script: bool = False
    """It is TorchScript's."""


def read(path: Path) -> Content:
    """Return the content of a file; nothing in it is run.

    Raises:
        RefusedError: If it would run something.
        Exception: Whatever a damaged file makes of the readers.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return _archive(archive, path.stat().st_size)
    with path.open("rb") as stream:
        return _stream(stream, path.stat().st_size)


def _archive(archive: zipfile.ZipFile, size: int) -> Content:
    names = archive.namelist()
    refuse_more(sum(entry.file_size for entry in archive.infolist()), size, "its parts")
    root = next(name for name in names if name.endswith("/data.pkl")).removesuffix("data.pkl")
    if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != sys.byteorder.encode():
        raise ValueError("it was written on a machine of the other byte order")
    storages: dict[str, Tensor] = {}

    def storage(pid: Any) -> Tensor:
        _, kind, key, _, count = pid
        if key not in storages:
            storages[key] = _flat(archive.read(f"{root}data/{key}"), kind, count)
        return storages[key]

    reader = Reader(io.BytesIO(archive.read(f"{root}data.pkl")), storage=storage)
    value = reader.load()
    if is_script := f"{root}constants.pkl" in names:
        heed_code(value, archive, root)
    return Content(value, tuple(reader.named), is_script)


def _flat(content: bytes, kind: object, count: int) -> Tensor:
    dtype = kind.dtype if isinstance(kind, Kind) else torch.uint8
    size = dtype.itemsize
    if count * size > len(content):
        raise ValueError(f"a storage has {len(content)} bytes, and should have {count * size}")
    if not count:
        return torch.empty(0, dtype=dtype)
    return torch.frombuffer(bytearray(content), dtype=dtype, count=count)


def _stream(stream: IO[bytes], size: int) -> Content:
    first = Reader(stream, load=_inner)
    value = first.load()
    if value != _MAGIC:
        return Content(value, tuple(first.named))
    Reader(stream).load()  # the protocol's version
    system = Reader(stream).load()
    if not isinstance(system, dict) or system.get("little_endian", True) is not (sys.byteorder == "little"):
        raise ValueError("it was written on a machine of the other byte order")
    storages: dict[str, Tensor] = {}

    def storage(pid: Any) -> object:
        if pid[0] == "module":  # a class with its source beside it: as of any other class
            return pid[1]
        _, kind, key, _, count, *view = pid
        if key not in storages:
            dtype = kind.dtype if isinstance(kind, Kind) else torch.uint8
            if not 0 <= count * dtype.itemsize <= size:
                raise ValueError(f"a storage of {count} numbers does not fit into the file")
            storages[key] = torch.zeros(count, dtype=dtype)
        if view and view[0] is not None:
            _, start, length = view[0]
            return storages[key][start : start + length]
        return storages[key]

    reader = Reader(stream, storage=storage)
    value = reader.load()
    for key in pickle_list(Reader(stream).load):
        _fill(storages[key], stream)
    return Content(value, tuple(reader.named))


def pickle_list(load: Callable[[], object]) -> list[Any]:
    """Return a pickled list.

    Raises:
        pickle.UnpicklingError: If it is none.
    """
    keys = load()
    if not isinstance(keys, list):
        raise pickle.UnpicklingError("the list of its storages is none")
    return keys


def _fill(storage: Tensor, stream: IO[bytes]) -> None:
    """Read a storage's numbers: their count in 8 bytes, then they."""
    count = int.from_bytes(stream.read(8), "little")
    length = count * storage.element_size()
    content = stream.read(length) if count == len(storage) else b""
    if len(content) != length or count != len(storage):
        raise ValueError("it ends within its tensors")
    if count:
        storage.copy_(torch.frombuffer(bytearray(content), dtype=storage.dtype))


def _inner(content: bytes) -> object:
    """Return the storage that a plain pickle of tensors holds as bytes: a torch stream within it."""
    return _stream(io.BytesIO(content), len(content)).value
