"""From a file's bytes to pixels, whatever the file: Pillow, its quirks settled, its errors told."""

import contextlib
import functools
import importlib
import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from resnetlab.data.images.image import EncodedImage
from resnetlab.data.images.kinds import FORMAT_BY_SUFFIX, HEIF_HINT, kind_of, reads_avif, reads_heif
from resnetlab.errors import DataError

Pixels = npt.NDArray[np.uint8]

MOST_PIXELS = 178_956_970  # where Pillow sees a decompression bomb: 0.5 GiB of RGB
FORMATS = (*dict.fromkeys(FORMAT_BY_SUFFIX.values()), *(("AVIF",) if reads_avif() else ()))
"""What is read everywhere; JPEG includes MPO. HEIC is read besides, where pillow-heif is installed."""

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # Pillow's, from half of it on
_ORIENTATION = 0x0112  # the EXIF tag
_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# How EXIF and XMP begin in a PNG: the chunk of today, ImageMagick's text, XMP (compressed or not).
_PNG_SIGNS = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp", b"tiff:Orientation")
_GREY = ("1", "L", "LA", "La", "I", "F")
_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")


def decode(
    image: EncodedImage, *, channels: Literal[1, 3], at_least: tuple[int, int] | None = None
) -> Pixels:
    """Return the picture upright, as RGB or grey.

    The EXIF orientation is applied. What is transparent is laid on white. 16-bit greys keep their
    high byte, rounded; of 16-bit colours Pillow cuts it off. 32-bit integers are taken for 16-bit
    values, whatever range they use; floating-point values in [0, 1] are scaled, others clipped to
    [0, 255]. Grey is ITU-R 601 luma. Of several frames the first is taken.

    Args:
        image: Any file of FORMATS; its name does not matter.
        channels: 3 for RGB, 1 for grey.
        at_least: (height, width) that is enough. A JPEG is then decoded at a half, a quarter or an
            eighth if no side falls below it, which is several times faster and not pixel-equal to
            scaling down the whole. None decodes in full.

    Returns:
        uint8 (H, W, channels), writable.

    Raises:
        DataError: If the bytes are no image or damaged, or more than 178 million pixels; it names
            the place and says what the bytes look like.
    """
    pixels = np.array(OpenedImage(image).picture(channels=channels, at_least=at_least))
    return pixels.reshape(*pixels.shape[:2], channels)


class OpenedImage:
    """An image of which the header is read; how much of it to decode can depend on that.

    Raises:
        DataError: As `decode`; its methods too.
    """

    def __init__(self, image: EncodedImage) -> None:
        self._image = image
        with _telling(image):
            self._picture = _open(image)

    @property
    def is_grey(self) -> bool:
        """Whether it has no colours, as its mode says; a palette has some."""
        return self._picture.mode in _GREY or self._picture.mode.startswith("I;16")

    @property
    def is_plain_jpeg(self) -> bool:
        """Whether it is a JPEG in colour or grey, and upright: what every program shows alike."""
        is_usual = self._picture.format == "JPEG" and self._picture.mode in ("RGB", "L")
        with _telling(self._image):
            return is_usual and _orientation(self._picture) == 1

    def size(self) -> tuple[int, int]:
        """Return (height, width) of the upright picture."""
        with _telling(self._image):
            width, height = self._picture.size
            is_turned = _may_be_turned(self._picture, self._image.data) and _orientation(self._picture) >= 5
        return (width, height) if is_turned else (height, width)

    def picture(self, *, channels: Literal[1, 3], at_least: tuple[int, int] | None = None) -> Image.Image:
        """Return the upright picture as Pillow has it, RGB or grey, once; see `decode`."""
        with _telling(self._image):
            if at_least is not None and self._picture.format in ("JPEG", "MPO"):
                height, width = at_least
                is_turned = _orientation(self._picture) >= 5
                self._picture.draft(self._picture.mode, (height, width) if is_turned else (width, height))
            self._picture.load()
            return _convert(_upright(self._picture), "RGB" if channels == 3 else "L")


@contextlib.contextmanager
def _telling(image: EncodedImage) -> Iterator[None]:
    """Turn whatever Pillow raises into a DataError that names the place and the cause."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # a damaged file can raise whatever its decoder comes upon
        raise DataError(f"{image.place}: {_cause(error, image.data)}") from error


def image_size(image: EncodedImage) -> tuple[int, int]:
    """Return (height, width) of the upright picture from its header, without decoding it.

    Raises:
        DataError: As `decode`, for what the header shows.
    """
    return OpenedImage(image).size()


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What a file is, before it is made RGB or grey."""

    format: str
    mode: str
    """Pillow's name, e.g. "RGB", "CMYK", "P", "I;16"."""


def image_facts(image: EncodedImage) -> ImageFacts:
    """Return a file's format and mode from its header; raises as `image_size`."""
    with _telling(image), _open(image) as picture:
        return ImageFacts(picture.format or "", picture.mode)


def _open(image: EncodedImage) -> Image.Image:
    """Return the picture, not decoded yet, if it is of a known format and not too large."""
    if not image.data:
        raise DataError(f"{image.place}: an empty file")
    picture = Image.open(io.BytesIO(image.data), formats=_formats())
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise Image.DecompressionBombError(f"{width:,} x {height:,} pixels")
    return picture


@functools.cache
def _formats() -> tuple[str, ...]:
    """Return the names of Pillow's plugins that may read a file."""
    if not reads_heif():
        return FORMATS
    importlib.import_module("pillow_heif").register_heif_opener()
    return (*FORMATS, "HEIF")


def _cause(error: Exception, data: bytes) -> str:
    kind = kind_of(data)
    seen = kind.words
    if isinstance(error, UnidentifiedImageError):
        if kind.state == "unread":
            needs = f". {HEIF_HINT}" if kind.name == "HEIC" else ""
            return f"the bytes look like {seen}, which is not read here{needs}"
        return f"not an image: the bytes look like {seen}"
    if isinstance(error, Image.DecompressionBombError):
        return f"too large, more than {MOST_PIXELS:,} pixels (a decompression bomb?): {error}"
    return f"damaged: {error} (the bytes look like {seen}, {len(data):,} bytes)"


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if there is none or the EXIF block is damaged."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except (SyntaxError, ValueError, KeyError, TypeError, struct.error, OSError):
        return 1
    return value if isinstance(value, int) and value in _TRANSPOSED else 1


def _may_be_turned(picture: Image.Image, data: bytes) -> bool:
    """Return whether it is worth asking for the orientation, which in a PNG can stand at the end."""
    if picture.format == "TIFF":  # Pillow turns these itself on loading; their size is the upright one
        return False
    return picture.format != "PNG" or any(sign in data for sign in _PNG_SIGNS)


def _upright(picture: Image.Image) -> Image.Image:
    turn = _TRANSPOSED.get(_orientation(picture))
    return picture if turn is None else picture.transpose(turn)


def _convert(picture: Image.Image, mode: Literal["RGB", "L"]) -> Image.Image:
    if picture.mode == mode and "transparency" not in picture.info:
        return picture
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        picture = _to_bytes(picture)
    elif picture.mode in _WITH_ALPHA or "transparency" in picture.info:
        coloured = picture.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        picture = Image.alpha_composite(white, coloured).convert("RGB")
    return picture if picture.mode == mode else picture.convert(mode)


def _to_bytes(picture: Image.Image) -> Image.Image:
    """Return a grey picture of 8 bits of one with 16 or 32 bits, or floats.

    Raises:
        ValueError: If more than a tenth of it is beyond what can be shown: it is a measure, and no picture.
    """
    values = np.asarray(picture)
    most = 255 if picture.mode == "F" else 65535
    if picture.mode == "F" and not np.isfinite(values).all():
        raise ValueError("has values that are no numbers")
    if 10 * np.count_nonzero((values < 0) | (values > most)) > values.size:
        raise ValueError(f"has values from {values.min():g} to {values.max():g}, read are 0 to {most:,}")
    if picture.mode != "F":
        clipped = np.clip(values.astype(np.int64), 0, 65535)
        return Image.fromarray(((clipped * 255 + 32767) // 65535).astype(np.uint8))
    if values.min() >= 0 and values.max() <= 1:
        values = values * 255
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
