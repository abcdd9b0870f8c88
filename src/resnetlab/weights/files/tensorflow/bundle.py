"""TensorFlow's V2 checkpoints (`X.index` and `X.data-00000-of-00001`), read without TensorFlow.

The index is a LevelDB table of BundleEntry messages by tensor name, the data files are the tensors'
bytes. Sources: tensorflow/core/util/tensor_bundle, tensorflow/core/lib/io/format.cc, and
tensorflow/core/protobuf/tensor_bundle.proto.
"""

import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from resnetlab.base.reading.plain import open_plain, read_plain
from resnetlab.base.wire import BYTES, fields, masked_crc32c, varint
from resnetlab.errors import CheckpointError

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_MOST_INDEX = 2**28
_LONGEST_KEY = 2**12
"""Bytes; each key may have all of the one before, so that few bytes would make many long ones."""
# tensorflow/core/framework/types.proto
_TYPES = {
    1: torch.float32,
    2: torch.float64,
    3: torch.int32,
    9: torch.int64,
    14: torch.bfloat16,
    19: torch.float16,
}
Fields = dict[int, list[int | bytes]]


def read_bundle(prefix: Path) -> dict[str, Tensor]:
    """Return the numeric tensors of the checkpoint PREFIX.index; text and objects are left out.

    Raises:
        CheckpointError: If a file is missing, cut, of another format, or a checksum is wrong.
    """
    index = prefix.with_name(f"{prefix.name}.index")
    try:
        entries = dict(_table(read_plain(index, most=_MOST_INDEX)))
        header = _fields(entries.pop(b"", b""))
        if _number(header, 2):
            raise ValueError("it was written on a big-endian machine")
        shards = _number(header, 1)
        data = _Shards(prefix, shards)
        tensors = {}
        for key, entry in entries.items():
            name = key.decode()
            if (tensor := data.tensor(name, _fields(entry))) is not None:
                tensors[name] = tensor
    except (OSError, ValueError, IndexError, RuntimeError, struct.error) as error:
        raise CheckpointError(
            f"{index}: not a whole TensorFlow checkpoint ({error})",
            hint="Copy all its files anew: the .index and every .data-?????-of-?????.",
        ) from error
    return tensors


def is_first_format(path: Path) -> bool:
    """Return whether a file is a table as an index is: TensorFlow's checkpoints of before 2016 are one."""
    try:
        with open_plain(path) as stream:
            stream.seek(-8, os.SEEK_END)
            return stream.read() == struct.pack("<Q", _MAGIC)
    except (OSError, ValueError):
        return False


class _Shards:
    """The checkpoint's data files, each read once."""

    def __init__(self, prefix: Path, count: int) -> None:
        self._prefix, self._count = prefix, count
        self._contents: dict[int, bytearray] = {}

    def tensor(self, name: str, entry: Fields) -> Tensor | None:
        """Return the entry's tensor, checked, or None if it is no numbers."""
        kind = _TYPES.get(_number(entry, 1))
        if kind is None:
            return None
        if entry.get(7):
            raise ValueError(f"{name} is stored in slices, which are not read")
        shape = [_number(_fields(size), 1) for size in _fields(_bytes(entry, 2)).get(2, [])]
        if any(size >= 2**63 for size in shape):
            raise ValueError(f"{name} has the impossible shape {shape}")
        shard, offset, size = (_number(entry, field) for field in (3, 4, 5))
        if shard >= self._count:
            raise ValueError(f"{name} is said to lie in shard {shard} of {self._count}")
        file = f"{self._prefix.name}.data-{shard:05d}-of-{self._count:05d}"
        if shard not in self._contents:
            self._contents[shard] = bytearray(read_plain(self._prefix.with_name(file)))
        content = memoryview(self._contents[shard])[offset : offset + size]
        if len(content) != size or size != math.prod(shape) * kind.itemsize:
            raise ValueError(f"{file} ends within {name}, or its size is not its shape's")
        if masked_crc32c(content) != _number(entry, 6):
            raise ValueError(f"{file}: the checksum of {name} is wrong")
        if not size:
            return torch.empty(shape, dtype=kind)
        return torch.frombuffer(content, dtype=kind).reshape(shape)


def _table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give the table's keys and values in order."""
    footer = content[-_FOOTER:]
    if len(footer) < _FOOTER or struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise ValueError("no index, or cut short: the last bytes are not its mark")
    _, place = _handle(footer, 0)
    (start, size), _ = _handle(footer, place)
    left = len(content)
    for _, handle in _block(content, start, size):
        (start, size), _ = _handle(handle, 0)
        if (left := left - size) < 0:
            raise ValueError("its blocks lie over each other")
        yield from _block(content, start, size)


def _handle(content: bytes, place: int) -> tuple[tuple[int, int], int]:
    """Return ((offset, size) of a block, the place after them)."""
    offset, place = varint(content, place)
    size, place = varint(content, place)
    return (offset, size), place


def _block(content: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Give a block's keys and values; a key says how many bytes it shares with the one before."""
    block, kind = content[start : start + size], content[start + size]
    (checksum,) = struct.unpack_from("<I", content, start + size + 1)
    if masked_crc32c(content[start : start + size + 1]) != checksum:
        raise ValueError("a checksum within the index is wrong")
    if kind != 0:
        raise ValueError(f"its index is compressed (kind {kind}), which TensorFlow's own never is")
    (restarts,) = struct.unpack("<I", block[-4:])
    end, place, key = len(block) - 4 - 4 * restarts, 0, b""
    while place < end:
        shared, place = varint(block, place)
        own, place = varint(block, place)
        length, place = varint(block, place)
        key = key[:shared] + block[place : place + own]
        if len(key) > _LONGEST_KEY:
            raise ValueError(f"a tensor's name has {len(key):,} bytes")
        yield key, block[place + own : place + own + length]
        place += own + length


def _fields(message: int | bytes) -> Fields:
    """Return a message's fields by number; those of a fixed length are numbers."""
    if isinstance(message, int):
        raise ValueError("a number where a message is due")
    found: Fields = {}
    for number, kind, content in fields(memoryview(message)):
        values = found.setdefault(number, [])
        if isinstance(content, int):
            values.append(content)
        else:
            values.append(bytes(content) if kind == BYTES else int.from_bytes(content, "little"))
    return found


def _number(message: Fields, field: int) -> int:
    value = message.get(field, [0])[-1]
    if isinstance(value, bytes):
        raise ValueError("a message where a number is due")
    return value


def _bytes(message: Fields, field: int) -> bytes:
    value = message.get(field, [b""])[-1]
    if isinstance(value, int):
        raise ValueError("a number where a message is due")
    return value
