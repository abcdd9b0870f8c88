"""A smaller copy of an image collection, in a format that others read too.

WebDataset shards are plain tar files of JPEGs with a JSON beside each: the webdataset library, Hugging
Face's datasets and `tar` read them, a million images are a few hundred files instead of a million, and
`webdataset.py` here reads any image of them at once.
"""

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from resnetlab.base import files
from resnetlab.base.files import doing
from resnetlab.base.lettering import drawable, is_unicode
from resnetlab.base.units import first_of
from resnetlab.data.images.decode import OpenedImage
from resnetlab.data.images.geometry import resample, resizing, shorter_side_to, to_picture
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.records.webdataset import CLASSES
from resnetlab.data.sources.encoded import AnySource, EncodedSource, EncodedSplit
from resnetlab.data.tools.writing import ImageCount, refuse_place
from resnetlab.errors import DataError, UsageError

_SHARD_BYTES = 2**27
_CHUNK = 256  # images that are in memory at a time
LARGER = "the copy is larger than the source: its images are small, or compressed more already"
_LONGEST_JPEG = 65_500  # pixels of a side; libjpeg's JPEG_MAX_DIMENSION


@dataclass(frozen=True)
class Packed:
    """What was written."""

    images: int
    shards: int
    bytes_before: int
    bytes_after: int

    notes: tuple[str, ...] = ()
    """What its user should know."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def pack_source(
    source: EncodedSource,
    out: Path,
    *,
    side: int | None = 256,
    quality: int = 90,
    progress: Callable[[int, int], None] | None = None,
) -> Packed:
    """Write OUT/{train,val,test}-000000.tar, ... and OUT/classes.json, whole or not at all.

    It grows under a temporary name beside OUT and gets its own at the end: half a copy would open as a
    smaller dataset. Images whose shorter side is above `side` are brought to it, by averaging;
    smaller ones keep their size. All become upright JPEGs, RGB or grey as they are. Boxes around objects
    are not copied, which the notes say.

    Args:
        source: What to copy.
        out: A new or empty folder, not within the source.
        side: Largest shorter side in pixels; None keeps every size, and JPEGs as they are.
        quality: Of the JPEGs that are made, 1 to 95.
        progress: Is told how many images are done, of how many.

    Raises:
        UsageError: If `out` holds anything or cannot be, or a number cannot be.
        DataError: If an image is broken, or too long for a JPEG.
        WriteError: If the disk is full, say.
    """
    refuse_copy(source, out, side, quality)
    count = ImageCount(sum(map(len, source.parts.values())), progress)
    shards = bytes_after = 0
    told = doing(f"packing {count.total:,} images into {out}", "Mend that, and pack again.")
    with told, files.growing_directory(out.resolve()) as growing:
        for name, content in _shards(source, side, quality, count):
            files.write_part(growing / name, content)
            shards, bytes_after = shards + 1, bytes_after + len(content)
        files.write_part(growing / CLASSES, json.dumps(source.class_names, indent=1) + "\n")
    notes = _notes(count.kinds["boxed"], is_larger=bytes_after > count.length)
    return Packed(count.images, shards, count.length, bytes_after, tuple(notes))


def refuse_copy(source: EncodedSource, out: Path, side: int | None, quality: int) -> None:
    """Raise if a source cannot be copied there, or not so.

    Raises:
        UsageError: If `out` holds anything or cannot be, or a number cannot be.
        DataError: If a class' name can be nobody's to read.
    """
    if (side is not None and side < 1) or not 1 <= quality <= 95:
        raise UsageError(f"--size {side} --quality {quality}: a side from 1, a quality from 1 to 95")
    _refuse_names(source)
    refuse_place(source, out)


def _notes(boxed: int, *, is_larger: bool) -> Iterator[str]:
    """Yield what is worse than in the source."""
    if boxed:
        yield (
            f"the boxes around objects of {boxed:,} images are not in the copy: there"
            " train_crop=distorted-bbox takes each whole picture for its object"
        )
    if is_larger:
        yield LARGER


def _refuse_names(source: AnySource) -> None:
    """Raise a DataError if a class' name is no Unicode: nobody could read it from the copy."""
    if bad := [name for name in source.class_names if not is_unicode(name)]:
        raise DataError(
            f"{source.name}: class names that are no UTF-8: {first_of([drawable(name) for name in bad])}",
            hint="Rename their folders, e.g. `convmv -r --notest -f latin1 -t utf8 FOLDER` (or -f cp932).",
        )


def _shards(
    source: EncodedSource, side: int | None, quality: int, count: ImageCount
) -> Iterator[tuple[str, bytes]]:
    """Yield each shard's name and content; every image that went into one is counted."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for part, split in source.parts.items():
            shard, written = _Shard(), 0
            for index, image, packed in packed_images(split, range(len(split)), side, quality, pool):
                label = int(split.labels[index])
                shard.add(f"{index:08}", packed, source.class_names[label], label, image.place)
                count.add(image.data, "boxed" if image.boxes else "plain")
                if shard.length > _SHARD_BYTES or index == len(split) - 1:
                    yield f"{part}-{written:06}.tar", shard.content()
                    shard, written = _Shard(), written + 1


def packed_images(
    split: EncodedSplit, order: Sequence[int], side: int | None, quality: int, pool: ThreadPoolExecutor
) -> Iterator[tuple[int, EncodedImage, bytes]]:
    """Yield each image's number, content and packed content, in that order; some at a time are in memory."""

    def one(index: int) -> tuple[int, EncodedImage, bytes]:
        image = split.read(index)
        return index, image, pack_image(image, side, quality)

    for start in range(0, len(order), _CHUNK):
        yield from pool.map(one, order[start : start + _CHUNK])


def pack_image(image: EncodedImage, side: int | None, quality: int) -> bytes:
    """Return an image as an upright JPEG whose shorter side is at most `side`.

    Without a side, a JPEG in colour or grey that is upright stays as it is, byte for byte.

    Raises:
        DataError: If it is damaged, no image, or too long for a JPEG.
    """
    opened = OpenedImage(image)
    size = opened.size()
    enough = None if side is None or min(size) <= side else shorter_side_to(size, side, "bilinear")
    if max(enough or size) > _LONGEST_JPEG:
        high, wide = enough or size
        raise DataError(
            f"{image.place}: {wide:,}x{high:,} pixels; a side of a JPEG has {_LONGEST_JPEG:,} at most"
        )
    stays = side is None and opened.is_plain_jpeg
    picture = opened.picture(channels=1 if opened.is_grey else 3, at_least=enough)  # damage is told
    if stays:
        return image.data
    with resizing(image):
        if enough is not None:
            picture = to_picture(resample(picture, enough, "bilinear"))
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=quality)
        return stream.getvalue()


class _Shard:
    """A tar file in the making. The same images give the same bytes."""

    def __init__(self) -> None:
        self._stream = io.BytesIO()
        self._archive = tarfile.TarFile(fileobj=self._stream, mode="w", format=tarfile.USTAR_FORMAT)

    @property
    def length(self) -> int:
        """Bytes so far."""
        return self._stream.tell()

    def add(self, name: str, jpeg: bytes, class_name: str, label: int, place: str) -> None:
        """Add an image and what is known of it."""
        facts = json.dumps({"label": class_name, "index": label, "place": place}).encode()
        for suffix, content in ((".jpg", jpeg), (".json", facts)):
            member = tarfile.TarInfo(name + suffix)
            member.size = len(content)
            self._archive.addfile(member, io.BytesIO(content))

    def content(self) -> bytes:
        """Return the whole tar file."""
        self._archive.close()
        return self._stream.getvalue()
