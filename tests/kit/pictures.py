"""Small image files and shards, made here."""

import io
import struct
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from resnetlab.base.wire import masked_crc32c


def picture(seed=0, *, size=(40, 32), mode="RGB", form="JPEG", smooth=True, **options):
    """Return the bytes of an image of (width, height) that depends on the seed."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 256, (2, 3, 3)).astype(np.uint8)
    image = Image.fromarray(cells).resize(
        size, Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    )
    stream = io.BytesIO()
    image.convert(mode).save(stream, form, **options)
    return stream.getvalue()


def write_folder(root: Path, counts, *, suffix=".jpg"):
    """Write root/PART/CLASS/NUMBER.jpg; counts is {part: {class: number}}, a part may be ""."""
    seed = 0
    for part, classes in counts.items():
        for name, number in classes.items():
            folder = root / part / name
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(number):
                seed += 1
                (folder / f"{index:03}{suffix}").write_bytes(picture(seed))
    return root


def varint(value):
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number, content):
    """Return a length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def feature(value):
    """Return a tf.train.Feature of bytes, ints or floats; numbers packed, as TensorFlow writes them."""
    if isinstance(value, bytes):
        return field(1, field(1, value))
    if all(isinstance(each, int) for each in value):
        return field(3, field(1, b"".join(map(varint, value))))
    return field(2, field(1, struct.pack(f"<{len(value)}f", *value)))


def example(**features):
    """Return a tf.train.Example; "__" in a name stands for "/"."""
    entries = [
        field(1, field(1, name.replace("__", "/").encode()) + field(2, feature(value)))
        for name, value in features.items()
    ]
    return field(1, b"".join(entries))


def imagenet_example(label, seed=0, **more):
    """Return an Example as build_imagenet_data.py writes it, with a small picture."""
    whole = {
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


def framed(payload):
    """Return a TFRecord."""
    length = struct.pack("<Q", len(payload))
    checksums = [struct.pack("<I", masked_crc32c(part)) for part in (length, payload)]
    return length + checksums[0] + payload + checksums[1]


def write_shards(folder: Path, part, labels, num_shards=2):
    """Write imagenet examples with these labels in turns into PART-00000-of-0000N."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = [b""] * num_shards
    for seed, label in enumerate(labels):
        shards[seed % num_shards] += framed(imagenet_example(label, seed + 1000 * len(part)))
    for number, content in enumerate(shards):
        (folder / f"{part}-{number:05}-of-{num_shards:05}").write_bytes(content)


def write_tar(path: Path, members):
    """Write a tar of {name: bytes}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path
