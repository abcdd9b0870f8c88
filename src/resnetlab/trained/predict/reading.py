"""One picture's content from where a user says that it lies: a file, a pipe, a .zip, an address."""

import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from resnetlab.base.download import RemoteFile, read_address
from resnetlab.base.reading.plain import read_pipe, read_plain
from resnetlab.data.folders.zipped import ZipReader, images_in_zip
from resnetlab.data.images.image import EncodedImage
from resnetlab.errors import DataError

MOST_BYTES = 64 * 2**20
"""Of a picture from an address."""
MOST_SECONDS = 60.0
"""Until it has come."""
_MOST_OF_PIPE = 2**30
_BY_HAND = "Or download it, and give the file."
_ADDRESS = re.compile(r"https?:/+(?=[^/])")
_IN_ZIP = re.compile(r"(?i)\.zip(?=[/\\])")


def read_file(path: Path | str) -> EncodedImage:
    """Return the content of a file, of a pipe, of photos.zip/tulip/1.jpg in an archive, or at an address.

    Addresses are of https or http; what comes from there has 64 MiB at most, and a minute. A path is taken as
    it is: `~` is a name like others.

    Raises:
        DataError: If it cannot be read.
    """
    if is_address(path):
        return _of_address(_ADDRESS.sub(lambda found: f"{found[0].rstrip('/')}//", str(path), count=1))
    path = Path(path)
    try:
        if (found := _archive_of(path)) is not None:
            return found
        return EncodedImage(
            read_pipe(path, most=_MOST_OF_PIPE) if path.is_fifo() else read_plain(path), str(path)
        )
    except OSError as error:
        name, hint = _as_file_address(path)
        raise DataError(f"{name}: cannot be read: {error.strerror or error}", hint=hint) from error
    except ValueError as error:  # a device; or a zero byte in its name
        if "\0" not in str(path):
            raise DataError(f"{path}: cannot be read: {error}") from error
        hint = "Names are one a line, as `find` prints them without -print0, and in UTF-8."
        raise DataError(f"{str(path)!r}: cannot be read: {error}", hint=hint) from error


def is_address(name: Path | str) -> bool:
    """Return whether a name is an address, of which a Path keeps one slash."""
    return bool(_ADDRESS.match(str(name)))


def _of_address(url: str) -> EncodedImage:
    try:
        is_whole = bool(urlsplit(url).hostname)
    except ValueError as error:
        raise DataError(f"{url}: {error}") from error
    if not is_whole:
        raise DataError(f"{url}: no address of a picture", hint="Its form is https://example.org/cat.jpg.")
    remote = RemoteFile(url, "", "", by_hand=_BY_HAND, absent=DataError, failed=DataError)
    return EncodedImage(read_address(remote, most_bytes=MOST_BYTES, seconds=MOST_SECONDS), url)


def _as_file_address(path: Path) -> tuple[str, str]:
    """Return the name as it was given, and what to do if it is an address of a file or of another kind."""
    match = re.match(r"([a-z][a-z0-9]+):/(?=[^/])", str(path))
    if match is None:
        return str(path), ""
    rest = str(path)[match.end() :]
    if match[1] == "file":
        return f"file:///{rest}", "Give the path alone."
    return f"{match[1]}://{rest}", "Download it first: of addresses, those of https and http are read."


def names_in_zip(path: str) -> Iterator[str]:
    """Yield the images in a .zip as `read_file` reads them, sorted.

    Raises:
        DataError: If it is damaged, or holds none.
    """
    reader, _ = _opened(path, _state(path))
    yield from (f"{path}/{reader.place(index)}" for index in range(len(reader)))


def _archive_of(path: Path) -> EncodedImage | None:
    """Return what lies in an archive, if a part of the path is one."""
    for match in _IN_ZIP.finditer(text := str(path)):
        archive, place = text[: match.end()], text[match.end() + 1 :].replace(os.sep, "/")
        if not os.path.isfile(archive):
            continue
        reader, numbers = _opened(archive, _state(archive))
        if place not in numbers:
            raise DataError(f"{path}: there is no such image in the archive")
        return EncodedImage(reader.read(numbers[place]).data, text)
    return None


def _state(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns


@functools.lru_cache(maxsize=4)
def _opened(path: str, state: tuple[int, int]) -> tuple[ZipReader, dict[str, int]]:
    """Return an archive in this state, and which of its images has which path; kept for the next ones."""
    reader = images_in_zip(Path(path))
    return reader, {reader.place(index): index for index in range(len(reader))}
