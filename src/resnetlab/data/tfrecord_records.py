"""The records of a TFRecord file: their framing, their checksums, their images. Without TensorFlow.

A record is: its length (u64, little-endian), the masked CRC-32C of those 8 bytes (u32), the payload, the
masked CRC-32C of the payload (u32). The payload is a tf.train.Example. The lengths' checksums are checked
on indexing, the payloads' on every reading.
"""

import mmap
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resnetlab.crc32c import masked_crc32c
from resnetlab.data.encoded import EncodedImage, Names
from resnetlab.data.example_proto import MalformedExample, Values, parse_example
from resnetlab.data.labelling import first_of
from resnetlab.data.record_index import Records, ShardIndex
from resnetlab.errors import DataError

_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_AGAIN = "Copy or make that shard again."
_IMAGE, _LABEL = "image/encoded", "image/class/label"
_TEXT, SYNSET = "image/class/text", "image/class/synset"
_BOX = tuple(f"image/object/bbox/{side}" for side in ("ymin", "xmin", "ymax", "xmax"))


@dataclass(frozen=True, eq=False, slots=True)
class TFRecordReader:
    """The images of TFRecord shards."""

    records: Records

    def __len__(self) -> int:
        return len(self.records)

    def place(self, index: int) -> str:
        """Return e.g. "train-00003-of-01024 record 812"; records count from 0."""
        shard, number = self.records.locate(index)
        return f"{self.records.shards[shard]} record {number}"

    def size(self, index: int) -> int:
        """Return the length of the whole record's payload."""
        return int(self.records.lengths[index])

    def read(self, index: int) -> EncodedImage:
        """Return the record's image and boxes; raise DataError if its checksum is wrong."""
        place = self.place(index)
        data = self.records.read(index, place, more=_CHECKSUM.size)
        payload = memoryview(data)[: -_CHECKSUM.size]
        if masked_crc32c(payload) != _CHECKSUM.unpack_from(data, len(payload))[0]:
            raise DataError(
                f"{place}, offset {int(self.records.offsets[index]):,}: "
                "the checksum of its content is wrong: the file is damaged",
                hint=_AGAIN,
            )
        features = _parse(payload, place, (_IMAGE, *_BOX))
        image = features[_IMAGE][0]
        if not isinstance(image, memoryview):
            raise DataError(f"{place}: its {_IMAGE} is a number, not an image")
        return EncodedImage(bytes(image), place, _boxes(features, place))


def _boxes(features: Mapping[str, Values], place: str) -> tuple[tuple[float, float, float, float], ...]:
    sides = [features.get(name, []) for name in _BOX]
    if len(set(map(len, sides))) > 1:
        raise DataError(f"{place}: its boxes have {', '.join(str(len(side)) for side in sides)} sides")
    if any(isinstance(value, memoryview) for side in sides for value in side):
        raise DataError(f"{place}: its boxes are byte strings, not numbers")
    numbers = np.clip(np.array(sides, np.float64).reshape(4, -1), 0, 1).T
    if np.isnan(numbers).any():
        raise DataError(f"{place}: its boxes have sides that are no numbers")
    return tuple((ymin, xmin, ymax, xmax) for ymin, xmin, ymax, xmax in numbers.tolist())


def _parse(payload: memoryview, place: str, wanted: Sequence[str]) -> dict[str, Values]:
    """Return the wanted features, of which the first must be there with one value."""
    try:
        features, names = parse_example(payload, wanted)
    except MalformedExample as error:
        raise DataError(f"{place}: {error}") from error
    for needed in (_IMAGE, wanted[0]):
        if needed not in names:
            having = first_of(sorted(names), most=12) or "no feature at all"
            raise DataError(f"{place}: has no {needed}", hint=f"It has {having}.")
    if len(features[wanted[0]]) != 1:
        raise DataError(f"{place}: its {wanted[0]} has {len(features[wanted[0]])} values, not one")
    return features


def index_tfrecord(path: Path) -> ShardIndex:
    """Find the records of a shard and their labels; the images are not looked at.

    Raises:
        DataError: If a length's checksum is wrong or the file ends within a record, naming shard,
            record and offset; or if a record has no label.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    view = memoryview(content)  # the map closes when nothing looks at it any more
    offsets: list[int] = []
    lengths: list[int] = []
    labels: list[int] = []
    texts: dict[int, str] = {}
    synsets: dict[int, str] = {}
    position = 0
    while position < size:
        where = f"{path.name} record {len(offsets)}, offset {position:,}"
        start, end = _record_bounds(view, position, where)
        features = _parse(view[start:end], where, (_LABEL, _TEXT, SYNSET))
        label = features[_LABEL][0]
        if not isinstance(label, int):
            raise DataError(f"{where}: its {_LABEL} is not a whole number")
        synset = _word(features, SYNSET)
        if label not in texts:
            texts[label], synsets[label] = _word(features, _TEXT), synset
        elif synsets[label] != synset:
            synsets[label] = ""
        offsets.append(start)
        lengths.append(end - start)
        labels.append(label)
        position = end + _CHECKSUM.size
    distinct = sorted(texts)
    code = {label: index for index, label in enumerate(distinct)}
    return ShardIndex(
        offsets=np.array(offsets, np.int64),
        lengths=np.array(lengths, np.int64),
        label_codes=np.array([code[label] for label in labels], np.int64),
        labels=tuple(map(str, distinct)),
        texts=tuple(texts[label] for label in distinct),
        synsets=tuple(synsets[label] for label in distinct),
        names=Names.of([]),
    )


def _word(features: Mapping[str, Values], name: str) -> str:
    """Return the first value of a feature as text, or an empty string."""
    word = next(iter(features.get(name, ())), None)
    return bytes(word).decode(errors="replace") if isinstance(word, memoryview) else ""


def _record_bounds(view: memoryview, position: int, where: str) -> tuple[int, int]:
    """Return where the payload of the record at `position` begins and ends."""
    left = len(view) - position
    if left < _HEADER.size:
        raise DataError(
            f"{where}: the file ends within a record's length: it has been cut short", hint=_AGAIN
        )
    length, checksum = _HEADER.unpack_from(view, position)
    if masked_crc32c(view[position : position + 8]) != checksum:
        is_gzip = position == 0 and bytes(view[:2]) == b"\x1f\x8b"
        kind = "it is compressed with gzip; unpack it" if is_gzip else "it is damaged or no TFRecord file"
        raise DataError(f"{where}: the checksum of the record's length is wrong: {kind}", hint=_AGAIN)
    if left < _HEADER.size + length + _CHECKSUM.size:
        missing = _HEADER.size + length + _CHECKSUM.size - left
        raise DataError(f"{where}: the file has been cut short, {missing:,} bytes are missing", hint=_AGAIN)
    return position + _HEADER.size, position + _HEADER.size + length
