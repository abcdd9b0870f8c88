"""Sums and lengths within inputs, made right after a change: else none would come past the first check."""

import struct
import zlib

from resnetlab.base.wire import masked_crc32c


def tar_sums(content: bytes) -> bytes:
    """Return a tar with the sums of its headers made right, as far as they lie where its sizes say."""
    whole, at = bytearray(content), 0
    while at + 512 <= len(whole) and at < 16 * 512:
        block = whole[at : at + 512]
        if block.strip(b"\0"):
            total = sum(block[:148]) + 8 * 32 + sum(block[156:])
            whole[at + 148 : at + 156] = b"%06o\0 " % total
            try:
                size = int(block[124:135].strip(b"\0 ") or b"0", 8)
            except ValueError:
                size = 0
            at += 512 * ((size + 511) // 512) if 0 <= size < len(whole) else 0
        at += 512
    return bytes(whole)


def record_sums(content: bytes) -> bytes:
    """Return TFRecords with lengths that fit and sums that are right."""
    whole, at = bytearray(content), 0
    while at + 16 <= len(whole):
        length = int.from_bytes(whole[at : at + 8], "little")
        length = min(length, len(whole) - at - 16)
        whole[at : at + 8] = length.to_bytes(8, "little")
        whole[at + 8 : at + 12] = struct.pack("<I", masked_crc32c(bytes(whole[at : at + 8])))
        end = at + 12 + length
        whole[end : end + 4] = struct.pack("<I", masked_crc32c(bytes(whole[at + 12 : end])))
        at = end + 4
    return bytes(whole)


def safetensors_length(content: bytes) -> bytes:
    """Return safetensors whose first 8 bytes are the length of the header, as far as brackets tell it."""
    end = content.find(b"]}}", 8)
    return content if end < 0 else (end + 3 - 8).to_bytes(8, "little") + content[8:]


def png_sums(content: bytes) -> bytes:
    """Return a PNG with the sums of its chunks made right."""
    whole, at = bytearray(content), 8
    while at + 12 <= len(whole):
        end = at + 8 + int.from_bytes(whole[at : at + 4], "big")
        if end + 4 > len(whole):
            break
        whole[end : end + 4] = zlib.crc32(whole[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(whole)


def bundle_sums(content: bytes) -> bytes:
    """Return a TensorFlow index with the sums of its blocks made right, wherever its footer says they lie."""
    whole = bytearray(content)
    footer = content[-48:]
    if len(footer) < 48:
        return content
    places = []
    try:
        _, at = _handle(footer, 0)
        (start, size), _ = _handle(footer, at)
        places.append((start, size))
        block, at = content[start : start + size], 0
        while at < len(block) - 8:
            _, own, length = block[at : at + 3]
            handle = block[at + 3 + own : at + 3 + own + length]
            places.append(_handle(handle, 0)[0])
            at += 3 + own + length
    except (IndexError, ValueError):
        pass
    for start, size in places:
        end = start + size + 1
        if end + 4 <= len(whole) - 48:
            whole[end : end + 4] = struct.pack("<I", masked_crc32c(bytes(whole[start:end])))
    return bytes(whole)


def _handle(content: bytes, at: int) -> tuple[tuple[int, int], int]:
    numbers = []
    for _ in range(2):
        value = shift = 0
        while True:
            byte = content[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                break
        numbers.append(value)
    return (numbers[0], numbers[1]), at
