"""The bytes of TensorFlow's files: the checksum CRC-32C, vectorised with NumPy, and Protocol Buffers."""

import functools
import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

_POLYNOMIAL = 0x82F63B78  # 0x1EDC6F41 with its bits in reflected order
_ROW_WORDS = 2**12  # 16 KiB: longer rows gained nothing, shorter ones cost calls
_SHORT = 64  # bytes, below which a plain loop is faster
_FEW_WORDS = 8

Words = npt.NDArray[np.uint32]


def crc32c(data: bytes | memoryview) -> int:
    """Return the CRC-32C of the bytes."""
    if len(data) < _SHORT:
        return _plain(data)
    row = min(_ROW_WORDS, 1 << (len(data) // 4).bit_length() - 1)
    padding = -len(data) % (4 * row)  # zeros in front do not change a register that begins at zero
    padded = np.zeros(padding + len(data), np.uint8)
    padded[padding:] = np.frombuffer(data, np.uint8)
    padded[padding : padding + 4] ^= 0xFF  # the register begins at all ones, which is the same
    rows = padded.view("<u4").reshape(-1, row)
    words = rows[0]
    for following in rows[1:]:
        words = _advance(words, row) ^ following
    while len(words) > _FEW_WORDS:
        half = len(words) // 2
        words = _advance(words[:half], half) ^ words[half:]
    return _plain(words.tobytes(), register=0)


def masked_crc32c(data: bytes | memoryview) -> int:
    """Return the CRC-32C as those files store it: rotated by 15 bits, plus a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed(payload: bytes) -> bytes:
    """Return a payload as a record of TFRecord and event files: its length and it, each with its checksum."""
    length = struct.pack("<Q", len(payload))
    checksums = (struct.pack("<I", masked_crc32c(part)) for part in (length, payload))
    return length + next(checksums) + payload + next(checksums)


def _plain(data: bytes | memoryview, register: int = 0xFFFFFFFF) -> int:
    table = _byte_table()
    for byte in data:
        register = register >> 8 ^ table[(register ^ byte) & 0xFF]
    return ~register & 0xFFFFFFFF


@functools.cache
def _byte_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ _POLYNOMIAL * (byte & 1)
        table.append(byte)
    return table


def _advance(words: Words, num_words: int) -> Words:
    """Return the registers `words` after `num_words` words of zeros; a power of two."""
    low, high = _tables(num_words)
    halves = words.view("<u2").astype(np.intp)
    # "clip" never clips here; it spares NumPy the check of every index
    moved: Words = low.take(halves[0::2], mode="clip") ^ high.take(halves[1::2], mode="clip")
    return moved


@functools.cache
def _tables(num_words: int) -> tuple[Words, Words]:
    images = _bit_images(num_words)
    tables = []
    for bits in (images[:16], images[16:]):
        table = np.zeros(1, np.uint32)
        for image in bits:
            table = np.concatenate([table, table ^ image])
        tables.append(table)
    return tables[0], tables[1]


@functools.cache
def _bit_images(num_words: int) -> Words:
    """Return what each of a register's 32 bits becomes after so many words of zeros."""
    if num_words == 1:
        registers = []
        for bit in range(32):
            register = 1 << bit
            for _ in range(4):
                register = register >> 8 ^ _byte_table()[register & 0xFF]
            registers.append(register)
        return np.array(registers, np.uint32)
    half = _bit_images(num_words // 2)
    are_set = (half[:, None] >> np.arange(32, dtype=np.uint32)) & 1 == 1
    images: Words = np.bitwise_xor.reduce(np.where(are_set, half, np.uint32(0)), axis=1)
    return images


VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""The kinds of a field; no other is in use."""


def encode_varint(value: int) -> bytes:
    """Return a number as `varint` reads it, a negative one as its 64 bits say."""
    value &= 2**64 - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def encode_field(number: int, content: int | bytes) -> bytes:
    """Return a field of a message: a VARINT, or BYTES, which a text, a message or a packed list are too."""
    if isinstance(content, int):
        return encode_varint(number << 3 | VARINT) + encode_varint(content)
    return encode_varint(number << 3 | BYTES) + encode_varint(len(content)) + content


class MalformedMessage(ValueError):
    """Bytes that are no Protocol Buffers message."""


def fields(message: memoryview) -> Iterator[tuple[int, int, memoryview | int]]:
    """Yield the number, kind and content of every field: an int for VARINT, else a view of its bytes.

    Raises:
        MalformedMessage: If a field is of no known kind, or goes beyond the message's end.
    """
    place, end = 0, len(message)
    while place < end:
        tag, place = varint(message, place)
        kind = tag & 7
        if kind == VARINT:
            value, place = varint(message, place)
            yield tag >> 3, kind, value
            continue
        if kind == BYTES:
            length, place = varint(message, place)
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
        else:
            raise MalformedMessage(f"wire type {kind}")
        if place + length > end:
            raise MalformedMessage(f"a field of {length:,} bytes goes beyond its end")
        yield tag >> 3, kind, message[place : place + length]
        place += length


def varint(data: memoryview | bytes, place: int) -> tuple[int, int]:
    """Return the number that begins at a place, 7 bits a byte and the lowest first, and the place after it.

    Raises:
        MalformedMessage: If the number, or what it stands in, ends within it or has no end.
    """
    try:
        value = data[place]
        place += 1
        if value < 0x80:  # nearly all of them
            return value, place
        value &= 0x7F
        for shift in range(7, 70, 7):
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, place
    except IndexError as error:
        raise MalformedMessage("cut short within a number") from error
    raise MalformedMessage("a number without end")
