import numpy as np
import pytest

from resnetlab.base.wire import crc32c, masked_crc32c


def bit_by_bit(data):
    """RFC 3720's CRC, straight from its polynomial."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "expected"),  # RFC 3720, appendix B.4, in the order of a little-endian word
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_the_published_values(data, expected):
    assert crc32c(data) == expected


@pytest.mark.parametrize("length", [1, 3, 4, 63, 64, 65, 127, 128, 1001, 16383, 16384, 16385, 33001])
def test_every_length_agrees_with_the_polynomial_bit_by_bit(length):
    data = np.random.default_rng(length).bytes(length)

    assert crc32c(data) == crc32c(memoryview(data)) == bit_by_bit(data)


def test_the_mask_is_a_rotation_and_a_constant():
    crc = crc32c(b"abc")

    assert masked_crc32c(b"abc") == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32
