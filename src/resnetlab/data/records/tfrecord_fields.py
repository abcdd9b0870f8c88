"""Under which names TFRecords have their images and labels, and images that are raw pixels."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from resnetlab.base.units import first_of
from resnetlab.data.records.example_proto import Values
from resnetlab.data.sources.choices import FLAG, Choices
from resnetlab.data.sources.labelling import LABEL_TITLES
from resnetlab.errors import DataError

IMAGE, LABEL = "image/encoded", "image/class/label"  # of ImageNet's usual conversion
_IMAGES = (
    "image",
    "image_raw",
    "image/raw",
    "img",
    "image_bytes",
    "img_bytes",
    "encoded",
    "jpeg",
    "jpg",
    "png",
)
_HEIGHT = ("height", "image/height", "rows", "image_height")
_WIDTH = ("width", "image/width", "cols", "image_width")
_DEPTH = ("depth", "channels", "image/channels", "image/depth", "image_depth", "num_channels")
_SHAPE = ("shape", "image/shape", "image_shape")
SIZES = (*_HEIGHT, *_WIDTH, *_DEPTH, *_SHAPE)

_STARTS = (
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*", b"P5", b"P6",
    b"\0\0\0",
)  # fmt: skip
"""How image files begin: JPEG, PNG, GIF, BMP, WebP, TIFF, PGM, PPM; AVIF and HEIC have their length first."""


class Fields(NamedTuple):
    """The features of an Example that count."""

    image: str
    label: str
    """Empty if there is none."""


def choose_fields(names: Collection[str], choices: Choices, where: str) -> Fields:
    """Return which features are the image and the label: the chosen ones, ImageNet's, or the only ones.

    Args:
        names: Of all features of a record.
        choices: `image_column` and `label_column`.
        where: The record, for errors.

    Raises:
        DataError: If there is no image, or two features could be it.
    """
    images = [name for name in names if name.casefold() in _IMAGES]
    labels = [
        name
        for name in names
        if name.casefold().rpartition("/")[2] in LABEL_TITLES and "object" not in name and name not in images
    ]
    image = _only(IMAGE, images, choices.image_column, names, where, "image_column")
    if not image:
        raise lacking(where, IMAGE, names, "image_column")
    return Fields(image, _only(LABEL, labels, choices.label_column, names, where, "label_column"))


def lacking(where: str, name: str, names: Collection[str], choice: str) -> DataError:
    """Return the error that a feature is not there, with those that are."""
    having = first_of(sorted(names), most=12) or "no feature at all"
    return DataError(
        f"{where}: has no {name}", hint=f"It has {having}. {FLAG} {choice}=NAME takes another feature."
    )


def _only(usual: str, found: list[str], asked: str, names: Collection[str], where: str, choice: str) -> str:
    if asked and asked not in names:
        raise lacking(where, asked, names, choice)
    if asked or usual in names:
        return asked or usual
    plain = choice.removesuffix("_column")
    if plain in found:  # as TensorFlow Datasets calls them
        return plain
    if len(found) > 1:
        raise DataError(
            f"{where}: {' and '.join(sorted(found))} could be the {plain}",
            hint=f"Choose with {FLAG} {choice}={sorted(found)[0]}.",
        )
    return found[0] if found else ""


def image_file(image: bytes, features: Mapping[str, Values], place: str) -> bytes:
    """Return the bytes of an image file: the image as it is, or a PPM of raw pixels.

    Raw pixels are uint8 in the order (height, width, channels), whose numbers the record has.

    Raises:
        DataError: If pixels are raw and of another number than the record's sizes say.
    """
    sizes = _sizes(features)
    height, width, depth = sizes or (0, 0, 0)
    depth = depth or len(image) // max(1, height * width)
    if not sizes or (image.startswith(_STARTS) and len(image) != height * width * depth):
        return image  # what is no image, decoding will refuse
    if depth not in (1, 3) or len(image) != height * width * depth:
        raise DataError(
            f"{place}: {len(image):,} bytes are neither an image file nor {height}x{width} pixels of"
            " 1 or 3 bytes"
        )
    return b"P%d %d %d 255\n" % (6 if depth == 3 else 5, width, height) + image


def _sizes(features: Mapping[str, Values]) -> tuple[int, int, int] | None:
    """Return the height, width and channels that a record tells, 0 for channels that it does not tell."""
    shape = next((features[name] for name in _SHAPE if name in features), [])
    if len(shape) in (2, 3) and all(isinstance(side, int) for side in shape):
        height, width, *depth = (int(side) for side in shape if isinstance(side, int))
        return height, width, depth[0] if depth else 1
    found = [_number(features, names) for names in (_HEIGHT, _WIDTH, _DEPTH)]
    height, width, depth_found = found
    return (height, width, depth_found) if height and width else None


def _number(features: Mapping[str, Values], names: Collection[str]) -> int:
    for name in names:
        values = features.get(name, [])
        if len(values) == 1 and isinstance(values[0], int) and values[0] > 0:
            return int(values[0])
    return 0
