"""Pictures in whatever form a user has them, as encoded images; and the files that a command line names."""

import glob
import io
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from resnetlab.data.encoded import EncodedImage
from resnetlab.data.folder import IMAGE_SUFFIXES
from resnetlab.errors import DataError, UsageError

Picture = str | Path | bytes | Image.Image | npt.NDArray[np.uint8]

_AS_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16")


def encode(picture: Picture, place: str = "the image") -> EncodedImage:
    """Return a picture as the content of a file, so that every form goes the one way to the input.

    Args:
        picture: A file's path or its content; a picture of Pillow; or uint8 (H, W), (H, W, 1),
            (H, W, 3) RGB or (H, W, 4) RGBA.
        place: For errors, where the picture has no path.

    Raises:
        DataError: If a file cannot be read.
        UsageError: If it is none of these.
    """
    if isinstance(picture, str | Path):
        return read_file(Path(picture))
    if isinstance(picture, bytes):
        return EncodedImage(picture, place)
    if isinstance(picture, np.ndarray):
        picture = _from_array(picture)
    if not isinstance(picture, Image.Image):
        raise UsageError(f"{place} is a {type(picture).__name__}: no path, bytes, array or Pillow picture")
    if picture.mode not in _AS_PNG:
        picture = picture.convert("RGB")
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=0, exif=picture.getexif())
    return EncodedImage(stream.getvalue(), place)


def _from_array(array: npt.NDArray[np.uint8]) -> Image.Image:
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (1,), (3,), (4,)):
        raise UsageError(
            f"an array of {array.dtype} {array.shape} is no image: it is uint8 (height, width),"
            " with 1, 3 or 4 channels last"
        )
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if array.shape[2:] == (1,) else array))


def read_file(path: Path) -> EncodedImage:
    """Return a file's content.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        return EncodedImage(path.expanduser().read_bytes(), str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def find_files(names: Iterable[str]) -> list[str]:
    """Return the files that a command line means, in its order, each once.

    A name is a file; a folder, of which all images in it and below are meant, sorted; a pattern
    with *, ? or [ as the shell's, ** included; or "-" for names on standard input, one a line.

    Raises:
        UsageError: If a name means nothing.
    """
    found: dict[str, None] = {}
    for name in names:
        lines = sys.stdin.read().splitlines() if name == "-" else [name]
        for line in filter(None, map(str.strip, lines)) if name == "-" else lines:
            found |= dict.fromkeys(_expand(line))
    if not found:
        raise UsageError("no images: standard input named none")
    return [*found]


def _expand(name: str) -> Iterator[str]:
    path = os.path.expanduser(name)
    if os.path.isdir(path):
        below = (os.path.join(folder, each) for folder, _, names in os.walk(path) for each in names)
        images = sorted(each for each in below if os.path.splitext(each)[1].lower() in IMAGE_SUFFIXES)
        if not images:
            raise UsageError(f"{name}: a folder without images ({', '.join(sorted(IMAGE_SUFFIXES))})")
        yield from images
    elif not os.path.lexists(path) and glob.has_magic(path):
        images = sorted(each for each in glob.glob(path, recursive=True) if os.path.isfile(each))
        if not images:
            raise UsageError(f"{name}: no file fits this pattern")
        yield from images
    else:
        yield path  # whether it can be read shows when it is read
