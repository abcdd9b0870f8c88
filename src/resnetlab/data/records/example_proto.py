"""TensorFlow's `Example` message, read from its bytes and written: a map from names to lists of values.

    message Example   { Features features = 1; }
    message Features  { map<string, Feature> feature = 1; }
    message Entry     { string key = 1; Feature value = 2; }      what a map is made of
    message Feature   { oneof { BytesList bytes = 1; FloatList float = 2; Int64List int64 = 3; } }
    each list         { repeated ... value = 1; }                 numbers packed or one by one

Source: tensorflow/core/example/{example,feature}.proto, and the wire format of Protocol Buffers. Fields
with other numbers are skipped, as the format asks.
"""

import struct
from collections.abc import Collection, Iterator, Mapping, Sequence

from resnetlab.base.wire import MalformedMessage, encode_field, encode_varint, fields, varint

_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3

Values = list[memoryview] | list[float] | list[int]


class MalformedExample(ValueError):
    """Bytes that are no Example."""


def parse_example(data: memoryview, wanted: Collection[str]) -> tuple[dict[str, Values], list[str]]:
    """Return the wanted features that are there, and the names of all features.

    Byte strings are views of `data`, so that an image which is not used is not copied.

    Raises:
        MalformedExample: If the bytes are no Example.
    """
    features: dict[str, Values] = {}
    names = []
    try:
        for entry in _sub_messages(data, depth=2):
            name, feature = "", data[:0]
            for number, _, value in fields(entry):
                if number == 1:
                    name = bytes(_as_bytes(value)).decode()
                elif number == 2:
                    feature = _as_bytes(value)
            names.append(name)
            if name in wanted:
                features[name] = _values(feature)
    except (MalformedMessage, struct.error, UnicodeDecodeError) as error:
        raise MalformedExample(f"no tf.train.Example ({error})") from error
    return features, names


def _sub_messages(data: memoryview, depth: int) -> Iterator[memoryview]:
    """Yield every message in field 1 of every message in field 1 ... of `data`, `depth` times."""
    for number, _, value in fields(data):
        if number == 1:
            inner = _as_bytes(value)
            if depth == 1:
                yield inner
            else:
                yield from _sub_messages(inner, depth - 1)


def _values(feature: memoryview) -> Values:
    values: Values = []
    for kind, _, content in fields(feature):
        if kind not in (_BYTES_LIST, _FLOAT_LIST, _INT64_LIST):
            continue
        items = [value for number, _, value in fields(_as_bytes(content)) if number == 1]
        if kind == _BYTES_LIST:
            values = [_as_bytes(item) for item in items]
        elif kind == _FLOAT_LIST:
            values = [number for item in items for number in _floats(item)]
        else:
            values = [_signed(number) for item in items for number in _integers(item)]
    return values


def _floats(item: memoryview | int) -> tuple[float, ...]:
    """Return packed floats, or the one of a field of its own."""
    content = _as_bytes(item)
    return struct.unpack(f"<{len(content) // 4}f", content)


def _integers(item: memoryview | int) -> Iterator[int]:
    if isinstance(item, int):
        yield item
        return
    position = 0
    while position < len(item):
        value, position = varint(item, position)
        yield value


def _signed(value: int) -> int:
    value &= 2**64 - 1  # a number of ten bytes can say more; Protocol Buffers cut it off
    return value - 2**64 if value >= 2**63 else value


def _as_bytes(value: memoryview | int) -> memoryview:
    if isinstance(value, int):
        raise MalformedMessage("a number where bytes belong")
    return value


def write_example(features: Mapping[str, bytes | Sequence[int] | Sequence[float]]) -> bytes:
    """Return an Example: byte strings stand alone, numbers in lists, packed as TensorFlow writes them.

    A list is of floats if it is empty, or if any number in it is one. The names come in their order, so that
    the same features give the same bytes.
    """
    entries = (
        encode_field(1, name.encode()) + encode_field(2, _feature(value))
        for name, value in sorted(features.items())
    )
    return encode_field(1, b"".join(encode_field(1, entry) for entry in entries))


def _feature(value: bytes | Sequence[int] | Sequence[float]) -> bytes:
    if isinstance(value, bytes):
        return encode_field(_BYTES_LIST, encode_field(1, value))
    if value and all(isinstance(number, int) for number in value):
        packed = b"".join(encode_varint(int(number)) for number in value)
        return encode_field(_INT64_LIST, encode_field(1, packed))
    packed = struct.pack(f"<{len(value)}f", *value)
    return encode_field(_FLOAT_LIST, encode_field(1, packed) if value else b"")
