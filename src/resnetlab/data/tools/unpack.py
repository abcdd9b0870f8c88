"""Any image collection as an image folder, FOLDER/{train,val,test}/CLASS/NUMBER.png: every tool reads it."""

import io
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from resnetlab.base import files
from resnetlab.base.files import doing
from resnetlab.data.folders.folder import open_folder
from resnetlab.data.images.decode import image_facts
from resnetlab.data.images.geometry import to_picture
from resnetlab.data.images.kinds import image_suffixes
from resnetlab.data.sources.encoded import AnySource, AnySplit, EncodedSplit
from resnetlab.data.sources.labelling import refuse
from resnetlab.data.sources.leftovers import is_hidden
from resnetlab.data.tools.writing import ImageCount, refuse_place
from resnetlab.errors import WriteError

_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif"}  # where it is not the format's own name
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"/\\|?*]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_MOST_BYTES_OF_A_NAME = 200
_FOLDERS_AT_ONCE = 16  # most of the time goes into waiting for the disk


@dataclass(frozen=True)
class Unpacked:
    """What was written."""

    images: Mapping[str, int]
    """By split: train, test and val."""

    bytes: int

    suffixes: Mapping[str, int]
    """Files by their suffix."""

    is_reordered: bool
    """Whether the folder's classes, which are in the order of their names, had another order."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def unpack_source(
    source: AnySource, out: Path, *, progress: Callable[[int, int], None] | None = None
) -> Unpacked:
    """Write OUT/{train,val,test}/CLASS/NUMBER.SUFFIX; the numbers keep the order of each split.

    Image files are copied byte for byte, with the suffix that they have or that their content asks
    for; pixels in memory become PNGs, which lose nothing. It grows under a temporary
    name beside OUT, is counted, and gets its name at the end, whole or not at all.

    Args:
        source: What to write.
        out: A new or empty folder.
        progress: Is told how many images are done, of how many.

    Raises:
        UsageError: If `out` holds anything or lies within the source.
        DataError: If the name of a class can be no folder's, a class has no training image, or an
            image cannot be read; the problems of all classes are named.
        WriteError: If the disk is full, say, or the folder has other images at the end.
    """
    refuse_place(source, out)
    refuse(source.origin or source.name, _problems(source))
    count = ImageCount(sum(map(len, source.parts.values())), progress)

    def write(folder: tuple[str, AnySplit, int]) -> None:
        part, split, label = folder
        digits = len(str(len(split) - 1))
        for index in np.flatnonzero(split.labels == label).tolist():
            suffix, content = _suffix(split, index), _content(split, index)
            count.add(content, suffix)
            name = f"{index:0{digits}}{suffix}"
            files.write_part(growing / part / source.class_names[label] / name, content)

    with (
        doing(f"unpacking into {out}", "Mend that, and unpack again."),
        files.growing_directory(out.resolve()) as growing,
        ThreadPoolExecutor(_FOLDERS_AT_ONCE) as pool,
    ):
        for part in source.parts:
            files.make_directory(growing / part)
        labels = range(len(source.class_names))
        folders = ((part, split, label) for part, split in source.parts.items() for label in labels)
        for _ in pool.map(write, folders):
            pass
        _compare(source, growing)
    images = {part: len(split) for part, split in source.parts.items()}
    is_reordered = [*source.class_names] != sorted(source.class_names)
    return Unpacked(images, count.length, dict(count.kinds), is_reordered)


def _suffix(split: AnySplit, index: int) -> str:
    """Return the suffix of an image's own name, else that of its content."""
    if not isinstance(split, EncodedSplit):
        return ".png"
    own = PurePosixPath(split.place(index)).suffix
    if own.lower() in image_suffixes():
        return own
    form = image_facts(split.read(index)).format
    return _SUFFIXES.get(form, f".{form.lower()}")


def _content(split: AnySplit, index: int) -> bytes:
    if isinstance(split, EncodedSplit):
        return split.read(index).data
    stream = io.BytesIO()
    to_picture(split.images[index]).save(stream, "PNG")
    return stream.getvalue()


def _problems(source: AnySource) -> Iterator[str]:
    """Yield what an image folder cannot hold of the source."""
    counts = source.train.samples_per_class(len(source.class_names))
    seen: dict[str, str] = {}
    for name, count in zip(source.class_names, counts, strict=True):
        if why := _unfit(name):
            yield f"class {name!r} can be no folder's name: it {why}"
        if (same := seen.setdefault(name.casefold(), name)) != name:
            yield f"classes {same!r} and {name!r} are one folder where large and small letters are the same"
        if not count:
            yield f"class {name!r} has no training image, which an image folder cannot say"
    if not source.reads_files and source.train.image_shape[-1] not in (1, 3):
        yield f"images have {source.train.image_shape[-1]} channels; files of 1 or 3 are written"


def _unfit(name: str) -> str:
    """Return why a name cannot be a folder's on Linux, macOS or Windows, or an empty string."""
    if not name.strip():
        return "is empty"
    if found := _FORBIDDEN.search(name):
        return f"has the character {found[0]!r}"
    if is_hidden(name):
        return "is passed over as hidden or the system's own"
    if name[-1] in ". ":
        return "ends in a dot or a space"
    if _DEVICES.fullmatch(name):
        return "is reserved by Windows"
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return "is no Unicode text"
    return f"has more than {_MOST_BYTES_OF_A_NAME} bytes" if length > _MOST_BYTES_OF_A_NAME else ""


def _compare(source: AnySource, out: Path) -> None:
    """Raise a WriteError unless the folder has as many images of each class as the source."""
    written = _counts(open_folder(out))
    if written != _counts(source):
        raise WriteError(
            f"{out}: has {written} images by class, expected {_counts(source)}",
            hint="Another program writes there. Unpack again, into a new folder.",
        )


def _counts(source: Any) -> dict[str, dict[str, int]]:
    return {
        part: dict(sorted(zip(source.class_names, counts, strict=True)))
        for part, split in source.parts.items()
        if (counts := split.samples_per_class(len(source.class_names)))
    }
