"""TFRecord shards of small pictures, as those who made ImageNet's wrote them."""

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from resnetlab.base.wire import masked_crc32c
from tests.kit.pictures import picture
from tests.kit.protobuf import field, varint

Value = bytes | Sequence[int] | Sequence[float]


def feature(value: Value) -> bytes:
    """Return a tf.train.Feature of bytes, ints or floats; numbers packed, as TensorFlow writes them."""
    if isinstance(value, bytes):
        return field(1, field(1, value))
    whole = [each for each in value if isinstance(each, int)]
    if len(whole) == len(value):
        return field(3, field(1, b"".join(map(varint, whole))))
    return field(2, field(1, struct.pack(f"<{len(value)}f", *value)))


def example(**features: Value) -> bytes:
    """Return a tf.train.Example; "__" in a name stands for "/"."""
    entries = [
        field(1, field(1, name.replace("__", "/").encode()) + field(2, feature(value)))
        for name, value in features.items()
    ]
    return field(1, b"".join(entries))


def imagenet_example(label: int, seed: int = 0, **more: Value) -> bytes:
    """Return an Example as build_imagenet_data.py writes it, with a small picture."""
    whole: dict[str, Value] = {
        "image__height": [32],
        "image__colorspace": b"RGB",
        "image__class__label": [label],
        "image__class__text": f"name {label}".encode(),
        "image__object__bbox__xmin": [0.25, 0.5],
        "image__object__bbox__xmax": [0.75, 1.5],
        "image__object__bbox__ymin": [0.125, 0.0],
        "image__object__bbox__ymax": [0.5, 1.0],
        "image__format": b"JPEG",
        "image__encoded": picture(seed),
    }
    return example(**(whole | more))


def framed(payload: bytes) -> bytes:
    """Return a TFRecord."""
    length = struct.pack("<Q", len(payload))
    checksums = [struct.pack("<I", masked_crc32c(part)) for part in (length, payload)]
    return length + checksums[0] + payload + checksums[1]


def write_shards(folder: Path, part: str, labels: Iterable[int], num_shards: int = 2) -> None:
    """Write imagenet examples with these labels in turns into PART-00000-of-0000N."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = [b""] * num_shards
    for seed, label in enumerate(labels):
        shards[seed % num_shards] += framed(imagenet_example(label, seed + 1000 * len(part)))
    for number, content in enumerate(shards):
        (folder / f"{part}-{number:05}-of-{num_shards:05}").write_bytes(content)
