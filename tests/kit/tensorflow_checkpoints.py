"""A writer of TensorFlow's V2 checkpoints for the tests, one block a table, keys prefix-compressed.

The parity tests read what TensorFlow itself wrote.
"""

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from resnetlab.base.wire import masked_crc32c
from tests.kit.protobuf import field, varint


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    out, last = b"", b""
    for key, value in entries:
        shared = next(
            (i for i, (a, b) in enumerate(zip(key, last, strict=False)) if a != b), min(len(key), len(last))
        )
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    out += struct.pack("<II", 0, 1)
    return out + b"\0" + struct.pack("<I", masked_crc32c(out + b"\0"))


def handle(offset: int, content: bytes) -> bytes:
    return varint(offset) + varint(len(content) - 5)


def write_bundle(prefix: Path, tensors: Mapping[str, Tensor]) -> None:
    data = b""
    entries = [(b"", field(1, 1))]
    for name in sorted(tensors):
        array = tensors[name].numpy()
        content = array.tobytes()
        kind = {np.dtype("f4"): 1, np.dtype("i8"): 9}[array.dtype]
        shape = b"".join(field(2, field(1, size)) for size in array.shape)
        entry = field(1, kind) + field(2, shape) + field(4, len(data)) + field(5, len(content))
        entry += varint(6 << 3 | 5) + struct.pack("<I", masked_crc32c(content))
        entries.append((name.encode(), entry))
        data += content
    text = field(1, 7) + field(2, b"") + field(4, len(data)) + field(5, 3)
    entries.append((b"zz_text", text))
    middle = len(entries) // 2
    first, second, meta = block(entries[:middle]), block(entries[middle:]), block([])
    places = [handle(0, first), handle(len(first), second)]
    index = block([(entries[middle - 1][0], places[0]), (b"~", places[1])])
    start = len(first) + len(second)
    footer = handle(start, meta) + handle(start + len(meta), index)
    footer = footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    prefix.with_name(f"{prefix.name}.index").write_bytes(first + second + meta + index + footer)
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data + b"abc")
