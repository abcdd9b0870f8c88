"""Pictures in whatever form a user has them, as encoded images; and the files that a command line names."""

import glob
import io
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from resnetlab.data.images.decode import image_facts
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.images.kinds import image_suffixes, kind_of_file
from resnetlab.data.sources.leftovers import holds_runs, is_hidden
from resnetlab.errors import DataError, UsageError
from resnetlab.trained.predict.reading import is_address, names_in_zip, read_file

Picture = str | Path | bytes | Image.Image | npt.NDArray[np.uint8]

_AS_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_AS_TIFF = ("I", "F")  # 32 bits, which no PNG has
_WITH_ALPHA = {"La": "LA", "PA": "RGBA", "RGBa": "RGBA"}


def encode(picture: Picture, place: str = "the image") -> EncodedImage:
    """Return a picture as the content of a file, so that every form goes the one way to the input.

    Args:
        picture: What `read_file` reads, or the content of a file; a picture of Pillow; or uint8 (H, W),
            (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA.
        place: For errors, where the picture has no path.

    Raises:
        DataError: If a file cannot be read, or a picture of Pillow not decoded.
        UsageError: If it is none of these.
    """
    if isinstance(picture, str | Path):
        return read_file(os.path.expanduser(picture))
    if isinstance(picture, bytes):
        return EncodedImage(picture, place)
    if isinstance(picture, np.ndarray):
        picture = _from_array(picture)
    if not isinstance(picture, Image.Image):
        raise UsageError(f"{place} is a {type(picture).__name__}: no path, bytes, array or Pillow picture")
    try:
        return EncodedImage(_file_of(picture), place)
    except Exception as error:  # one that is decoded only now can raise whatever its decoder comes upon
        raise DataError(f"{place}: damaged: {error}") from error


def _file_of(picture: Image.Image) -> bytes:
    """Return a file from which the picture is read again to the last bit."""
    stream = io.BytesIO()
    if picture.mode.startswith("I;16") and picture.mode != "I;16":
        picture = picture.convert("I")
    if picture.mode in _AS_TIFF:
        ImageOps.exif_transpose(picture).save(stream, "TIFF", compression="raw")
        return stream.getvalue()
    if picture.mode not in _AS_PNG:
        picture = picture.convert(_WITH_ALPHA.get(picture.mode, "RGB"))
    picture.save(stream, "PNG", compress_level=0, exif=picture.getexif())
    return stream.getvalue()


def _from_array(array: npt.NDArray[np.uint8]) -> Image.Image:
    is_picture = array.ndim in (2, 3) and array.shape[2:] in ((), (1,), (3,), (4,)) and array.size > 0
    if array.dtype != np.uint8 or not is_picture:
        raise UsageError(
            f"an array of {array.dtype} {array.shape} is no image: it is uint8 (height, width),"
            " with 1, 3 or 4 channels last"
        )
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if array.shape[2:] == (1,) else array))


def find_files(names: Iterable[str]) -> list[str]:
    """Return the files that a command line means, in its order, each once.

    A name is a file; a folder, of which all images in it and below are meant, sorted (links are
    followed, hidden files and folders passed over); a .zip, likewise; a pattern with *, ? or [ as the
    shell's, ** included; an address; or "-" for names on standard input, one a line, in the file system's
    own bytes.

    Raises:
        UsageError: If a name means nothing.
        DataError: If a folder or a .zip cannot be read.
    """
    found: dict[str, None] = {}
    for name in names:
        for each in _named_on_stdin() if name == "-" else [name]:
            found |= dict.fromkeys(_expand(each))
    if not found:
        raise UsageError("no images: standard input named none")
    return [*found]


def _named_on_stdin() -> list[str]:
    content = sys.stdin.buffer.read()
    try:
        kind = image_facts(EncodedImage(content, "standard input")).format
    except DataError:
        return [os.fsdecode(line.strip()) for line in content.splitlines() if line.strip()]
    raise UsageError(
        f"standard input is a {kind} image; - reads paths, one a line", hint="Give the image's own path."
    )


def _expand(name: str) -> Iterator[str]:
    path = os.path.expanduser(name)
    if is_address(name):
        yield name
    elif path.lower().endswith(".zip") and os.path.isfile(path):
        yield from names_in_zip(path)
    elif os.path.isdir(path):
        images = sorted(_images_below(path))
        if not images:
            raise UsageError(f"{name}: a folder without images ({', '.join(sorted(image_suffixes()))})")
        yield from images
    elif "\0" not in path and not os.path.lexists(path) and glob.has_magic(path):
        images = sorted(each for each in glob.glob(path, recursive=True) if os.path.isfile(each))
        if not images:
            raise UsageError(f"{name}: no file fits this pattern")
        yield from images
    else:
        yield path  # whether it can be read shows when it is read


def _images_below(root: str) -> Iterator[str]:
    """Yield the images in a folder and below, each real folder once."""

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from error

    done = set()
    for folder, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        real = os.path.realpath(folder)
        if real in done:
            folders.clear()
            continue
        done.add(real)
        folders[:] = sorted(
            each for each in folders if not is_hidden(each) and not holds_runs(os.path.join(folder, each))
        )
        paths = [os.path.join(folder, name) for name in names if not is_hidden(name)]
        yield from (path for path in paths if os.path.isfile(path) and kind_of_file(path).state == "read")
