"""An image collection as ImageNet's TFRecords, as TensorFlow's official ResNet and many others read them.

    OUT/train-00000-of-01024 ... validation-00000-of-00128, each record a tf.train.Example with
    image/encoded, format, height, width, channels, colorspace, filename
    image/class/label (from 1), text, synset
    image/object/bbox/{xmin,ymin,xmax,ymax,label}

Source: tensorflow/models, research/slim/datasets/build_imagenet_data.py (`_convert_to_example`, and
`_process_image_files`: images in a random order, in shards of equal numbers), and what the official trainer
reads of it, official/r1/resnet/imagenet_main.py.
"""

import itertools
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np

from resnetlab.base import files
from resnetlab.base.files import doing
from resnetlab.base.randomness import PACKING, key_for
from resnetlab.base.units import first_of
from resnetlab.base.wire import framed
from resnetlab.data.images.decode import OpenedImage
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.records.example_proto import write_example
from resnetlab.data.records.tfrecord_fields import IMAGE, LABEL
from resnetlab.data.records.tfrecord_records import BOX, SYNSET, TEXT_FIELD
from resnetlab.data.sources.encoded import EncodedSource, EncodedSplit
from resnetlab.data.tools.pack import LARGER, Packed, packed_images, refuse_copy
from resnetlab.data.tools.writing import ImageCount
from resnetlab.errors import DataError, UsageError

SHARDS = 1024
"""Of ImageNet's training split; its validation split has an eighth of that."""
_TIMES_FEWER = 8
_IMAGES_OF_A_SHARD = 64  # at least, where nobody says how many shards there are
_NAMES = {"train": "train", "val": "validation", "test": "test"}
_WORDNET = re.compile(r"n\d{8}")


def pack_tfrecord(
    source: EncodedSource,
    out: Path,
    *,
    side: int | None = 256,
    quality: int = 90,
    shards: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Packed:
    """Write OUT/train-00000-of-0NNNN, ... whole or not at all; an image at a time, not a shard, is in memory.

    Pictures become what `pack_source` makes of them. Training images are in one random order, the same every
    time: programs that shuffle a few at a time count on it. A split that is alone beside train is called
    validation, as ImageNet's. Boxes around objects are copied.

    Args:
        source: What to copy.
        out: A new or empty folder, not within the source.
        side: Largest shorter side in pixels; None keeps every size, and JPEGs as they are.
        quality: Of the JPEGs that are made, 1 to 95.
        shards: Of the training split, the others have an eighth of that; None is 1,024, or so many that each
            has 64 images.
        progress: Is told how many images are done, of how many.

    Raises:
        UsageError: If `out` holds anything or cannot be, a number cannot be, or there are more shards than
            images.
        DataError: If an image is broken or too long for a JPEG, or a class has no training image: the layout
            knows no class but by its images.
        WriteError: If the disk is full, say.
    """
    refuse_copy(source, out, side, quality)
    counts = _shard_counts(source, shards)
    _refuse_absent(source)
    count = ImageCount(sum(map(len, source.parts.values())), progress)
    bytes_after = 0
    told = doing(f"packing {count.total:,} images into {out}", "Mend that, and pack again.")
    with (
        told,
        files.growing_directory(out.resolve()) as growing,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for part, split in source.parts.items():
            records = _records(source, part, split, side, quality, count, pool)
            name, total = _name(source, part), counts[part]
            ends = np.linspace(0, len(split), total + 1).astype(int)
            for number, size in enumerate(np.diff(ends).tolist()):
                shard = growing / f"{name}-{number:05}-of-{total:05}"
                files.write_part(shard, itertools.islice(records, size))
                bytes_after += shard.stat().st_size
    notes = (LARGER,) if bytes_after > count.length else ()
    return Packed(count.images, sum(counts.values()), count.length, bytes_after, notes)


def _shard_counts(source: EncodedSource, asked: int | None) -> dict[str, int]:
    """Return the number of shards of each split.

    Raises:
        UsageError: If a shard would be without an image.
    """
    counts = {}
    for part, split in source.parts.items():
        most = SHARDS if asked is None else asked
        most = most if part == "train" else max(1, most // _TIMES_FEWER)
        counts[part] = most if asked is not None else max(1, min(most, len(split) // _IMAGES_OF_A_SHARD))
        if not 1 <= counts[part] <= min(len(split), 99_999):
            raise UsageError(
                f"--shards {asked}: {counts[part]:,} for the {len(split):,} images of {_name(source, part)}",
                hint="Every shard has an image; the splits beside train have an eighth of the shards.",
            )
    return counts


def _refuse_absent(source: EncodedSource) -> None:
    counts = source.train.samples_per_class(len(source.class_names))
    if absent := [name for name, number in zip(source.class_names, counts, strict=True) if not number]:
        raise DataError(
            f"{source.name}: classes without a training image, which have no name there: {first_of(absent)}",
            hint="Leave these classes out, or pack it as WebDataset shards.",
        )


def _name(source: EncodedSource, part: str) -> str:
    """Return what a split's shards are called."""
    return "validation" if part != "train" and len(source.parts) == 2 else _NAMES[part]


def _records(
    source: EncodedSource,
    part: str,
    split: EncodedSplit,
    side: int | None,
    quality: int,
    count: ImageCount,
    pool: ThreadPoolExecutor,
) -> Iterator[bytes]:
    """Yield the split's records as they stand in files; each that was taken is counted."""
    numbers = np.arange(len(split), dtype=np.int64)
    order = np.argsort(key_for(0, PACKING, numbers), kind="stable") if part == "train" else numbers
    for index, image, jpeg in packed_images(split, order.tolist(), side, quality, pool):
        label = int(split.labels[index])
        record = framed(_example(image, jpeg, label + 1, source.class_names[label]))
        count.add(image.data, "boxed" if image.boxes else "plain")  # before the last one of a shard is taken
        yield record


def _example(image: EncodedImage, jpeg: bytes, label: int, class_name: str) -> bytes:
    opened = OpenedImage(EncodedImage(jpeg, image.place))
    height, width = opened.size()
    sides = zip(BOX, zip(*image.boxes, strict=True) if image.boxes else [()] * len(BOX), strict=True)
    features = {
        IMAGE: jpeg,
        "image/format": b"JPEG",
        "image/height": [height],
        "image/width": [width],
        "image/channels": [1 if opened.is_grey else 3],
        "image/colorspace": b"Grayscale" if opened.is_grey else b"RGB",
        "image/filename": PurePosixPath(image.place).name.encode(errors="surrogateescape"),
        LABEL: [label],
        TEXT_FIELD: class_name.encode(),
        **{name: [float(side) for side in values] for name, values in sides},
        "image/object/bbox/label": [label] * len(image.boxes),
    }
    if _WORDNET.fullmatch(class_name):
        features[SYNSET] = class_name.encode()
    return write_example(features)
