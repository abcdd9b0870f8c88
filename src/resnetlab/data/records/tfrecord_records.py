"""The records of a TFRecord file: their framing, their checksums, their images. Without TensorFlow.

A record is: its length (u64, little-endian), the masked CRC-32C of those 8 bytes (u32), the payload, the
masked CRC-32C of the payload (u32). The payload is a tf.train.Example. The lengths' checksums are checked
on indexing, the payloads' on every reading.
"""

import mmap
import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from resnetlab.base.reading.plain import open_plain
from resnetlab.base.wire import masked_crc32c
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.records.example_proto import MalformedExample, Values, parse_example
from resnetlab.data.records.record_index import Records, ShardIndex
from resnetlab.data.records.tfrecord_fields import SIZES, Fields, choose_fields, image_file, lacking
from resnetlab.data.sources.choices import LEFT_OPEN, Choices
from resnetlab.data.sources.encoded import Names
from resnetlab.data.sources.labelling import label_text
from resnetlab.errors import DataError

_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_AGAIN = "Copy or make that shard again."
TEXT = "text"
"""The `ShardIndex.label_source` of labels that are no numbers."""

TEXT_FIELD, SYNSET = "image/class/text", "image/class/synset"
BOX = tuple(f"image/object/bbox/{side}" for side in ("ymin", "xmin", "ymax", "xmax"))


@dataclass(frozen=True, eq=False, slots=True)
class TFRecordReader:
    """The images of TFRecord shards."""

    records: Records
    choices: Choices = LEFT_OPEN

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
        names = _parse(payload, place, ())[1]
        field = choose_fields(names, self.choices, place).image
        features, _ = _parse(payload, place, (field, *SIZES, *BOX))
        image = _one_value(features, field, place)
        if not isinstance(image, memoryview):
            raise DataError(f"{place}: its {field} is a number, not an image")
        return EncodedImage(image_file(bytes(image), features, place), place, _boxes(features, place))


def _boxes(features: Mapping[str, Values], place: str) -> tuple[tuple[float, float, float, float], ...]:
    sides = [features.get(name, []) for name in BOX]
    if len(set(map(len, sides))) > 1:
        raise DataError(f"{place}: its boxes have {', '.join(str(len(side)) for side in sides)} sides")
    if any(isinstance(value, memoryview) for side in sides for value in side):
        raise DataError(f"{place}: its boxes are byte strings, not numbers")
    numbers = np.clip(np.array(sides, np.float64).reshape(4, -1), 0, 1).T
    if np.isnan(numbers).any():
        raise DataError(f"{place}: its boxes have sides that are no numbers")
    return tuple((ymin, xmin, ymax, xmax) for ymin, xmin, ymax, xmax in numbers.tolist())


def _parse(payload: memoryview, place: str, wanted: Collection[str]) -> tuple[dict[str, Values], list[str]]:
    try:
        return parse_example(payload, wanted)
    except MalformedExample as error:
        raise DataError(f"{place}: {error}") from error


def _one_value(features: Mapping[str, Values], name: str, place: str) -> memoryview | float | int:
    values = features[name]
    if len(values) != 1:
        raise DataError(f"{place}: its {name} has {len(values)} values, not one")
    return values[0]


def _label(features: Mapping[str, Values], name: str, place: str) -> int | str:
    """Return a label: a whole number, a text, or the place of the one among zeros."""
    values = features[name]
    if len(values) > 1 and set(values) == {0, 1} and sum(map(int, values)) == 1:
        return [*values].index(1)
    label = _one_value(features, name, place)
    if isinstance(label, int):
        return label
    if isinstance(label, float):
        raise DataError(f"{place}: its {name} is not a whole number")
    try:
        return label_text(bytes(label).decode(), f"{place}, {name}")
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: its {name} is neither a whole number nor a text") from error


def index_tfrecord(path: Path, choices: Choices = LEFT_OPEN) -> ShardIndex:
    """Find the records of a shard and their labels; the images are not looked at.

    Of a shard without labels each is empty. `ShardIndex.label_source` is TEXT where they are no numbers.

    Args:
        path: The shard.
        choices: `image_column` and `label_column`.

    Raises:
        DataError: If a length's checksum is wrong or the file ends within a record, naming shard,
            record and offset; or if a record has no image, or no label where others have one.
    """
    with open_plain(path) as stream:
        size = stream.seek(0, 2)
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    view = memoryview(content)  # the map closes when nothing looks at it any more
    offsets: list[int] = []
    lengths: list[int] = []
    labels: list[int | str] = []
    texts: dict[int | str, str] = {}
    synsets: dict[int | str, str] = {}
    position = 0
    fields: Fields | None = None
    names: list[str] = []
    while position < size:
        where = f"{path.name} record {len(offsets)}, offset {position:,}"
        start, end = _record_bounds(view, position, where)
        if fields is None:
            fields = choose_fields(_parse(view[start:end], where, ())[1], choices, where)
        features, names = _parse(view[start:end], where, (fields.label, TEXT_FIELD, SYNSET))
        for needed, choice in ((fields.image, "image_column"), (fields.label, "label_column")):
            if needed and needed not in names:
                raise lacking(where, needed, names, choice)
        label = _label(features, fields.label, where) if fields.label else ""
        synset = _word(features, SYNSET)
        if label not in texts:
            texts[label], synsets[label] = _word(features, TEXT_FIELD), synset
        elif synsets[label] != synset:
            synsets[label] = ""
        offsets.append(start)
        lengths.append(end - start)
        labels.append(label)
        position = end + _CHECKSUM.size
    if len({type(label) for label in texts}) > 1:
        raise DataError(f"{path.name}: some labels are numbers, others texts")
    distinct = sorted(texts, key=lambda label: (isinstance(label, str), label))
    code = {label: index for index, label in enumerate(distinct)}
    return ShardIndex(
        offsets=np.array(offsets, np.int64),
        lengths=np.array(lengths, np.int64),
        label_codes=np.array([code[label] for label in labels], np.int64),
        labels=tuple(map(str, distinct)),
        texts=tuple(texts[label] for label in distinct),
        synsets=tuple(synsets[label] for label in distinct),
        names=Names.of([]),
        label_source=TEXT if distinct and isinstance(distinct[0], str) and distinct[0] else "",
        others=_said_of(fields, names),
    )


def _said_of(fields: Fields | None, names: Sequence[str]) -> tuple[str, ...]:
    """Return the label's name; without a label the names of all features, for an error."""
    return (fields.label,) if fields and fields.label else tuple(sorted(names))


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
        kind = "it is damaged or no TFRecord file"
        raise DataError(f"{where}: the checksum of the record's length is wrong: {kind}", hint=_AGAIN)
    if left < _HEADER.size + length + _CHECKSUM.size:
        missing = _HEADER.size + length + _CHECKSUM.size - left
        raise DataError(f"{where}: the file has been cut short, {missing:,} bytes are missing", hint=_AGAIN)
    return position + _HEADER.size, position + _HEADER.size + length
