"""What kind of file it is, by its name and by its first bytes; what of it can be read as a picture here."""

import functools
import importlib.util
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from resnetlab.base.reading.plain import open_plain
from resnetlab.base.units import first_of

FORMAT_BY_SUFFIX = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".mpo": "JPEG", ".png": "PNG",
    ".webp": "WEBP", ".bmp": "BMP", ".gif": "GIF", ".tif": "TIFF", ".tiff": "TIFF", ".ppm": "PPM",
    ".pgm": "PPM", ".pbm": "PPM", ".pnm": "PPM",
}  # fmt: skip
"""Of the files that are read everywhere, by their suffixes. See `image_suffixes`."""

_AVIF_SUFFIXES = frozenset({".avif", ".avifs"})
_HEIF_SUFFIXES = frozenset({".heic", ".heif", ".heics", ".heifs", ".hif"})
_RAW_SUFFIXES = frozenset({
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mos", ".mrw",
    ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".srf", ".sr2", ".srw", ".x3f",
})  # fmt: skip  # of cameras; many of them are TIFFs by their first bytes
PAPERS = frozenset({
    ".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".rst", ".pdf", ".doc",
    ".docx", ".xlsx", ".html", ".py", ".ipynb", ".log", ".mat",
})  # fmt: skip
"""Lists, annotations and documents."""
_NO_PICTURES = PAPERS | {
    ".htm", ".ini", ".cfg", ".toml", ".m", ".sh", ".bat", ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz",
    ".7z", ".rar", ".zst", ".npy", ".npz", ".pkl", ".h5", ".hdf5", ".pt", ".pth", ".parquet", ".arrow",
    ".tfrecord", ".db", ".sqlite", ".xls", ".ppt", ".pptx", ".mp4", ".mov", ".avi", ".mkv", ".webm",
    ".mpg", ".mpeg", ".wmv", ".mp3", ".wav", ".flac", ".ogg", ".aae", ".xmp", ".thm", ".url", ".lnk",
    ".bak",
}  # fmt: skip
"""Not looked into: there can be one beside every picture."""

HEIF_HINT = "pillow-heif, which reads HEIC, is not installed: `pip install resnetlab[heif]`."
START = 512
"""How many bytes at the beginning of a file say what it is."""

State = Literal["read", "unread", "other"]


class Kind(NamedTuple):
    """What a file is."""

    name: str
    """In a line of counts, e.g. "HEIC"."""

    words: str
    """In a sentence, e.g. "an HEIC photograph"."""

    state: State
    """Whether it is a picture that is read here, one that is not, or no picture."""


@dataclass
class LeftOut:
    """How many files are there that are not read, by their kinds."""

    others: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)

    def count(self, kind: Kind, number: int = 1) -> None:
        """Count files that are not read."""
        (self.unread if kind.state == "unread" else self.others)[kind.name] += number

    def notes(self) -> Iterator[str]:
        """Yield what to say of them."""
        if self.unread:
            yield f"pictures in formats that are not read, left out: {self._unread_text()}"
        if self.others:
            kinds = first_of(sorted(self.others))
            yield f"no pictures, not read: {self.others.total()} files ({kinds})"

    def problems(self, number: int) -> Iterator[str]:
        """Yield what is wrong if that many pictures are read: that they are fewer than those that are not."""
        if self.unread.total() > number:
            yield f"has {number:,} pictures, and more in formats that are not read: {self._unread_text()}"

    def _unread_text(self) -> str:
        counts = ", ".join(f"{name} {count:,}" for name, count in self.unread.most_common())
        needs = f" ({HEIF_HINT})" if "HEIC" in self.unread and not reads_heif() else ""
        return f"{self.unread.total():,} ({counts}){needs}"


@functools.cache
def reads_avif() -> bool:
    """Return whether this Pillow reads AVIF."""
    from PIL import features

    return bool(features.check("avif"))


@functools.cache
def reads_heif() -> bool:
    """Return whether HEIC is read, for which pillow-heif must be installed."""
    return importlib.util.find_spec("pillow_heif") is not None


@functools.cache
def image_suffixes() -> frozenset[str]:
    """Return the suffixes, in lower case, of the files that are read here."""
    more = ((_AVIF_SUFFIXES, reads_avif()), (_HEIF_SUFFIXES, reads_heif()))
    return frozenset(FORMAT_BY_SUFFIX).union(*(suffixes for suffixes, is_read in more if is_read))


def has_image_suffix(name: str) -> bool:
    """Return whether a file's name says that it is a picture that is read here."""
    return os.path.splitext(name)[1].lower() in image_suffixes()


def kind_of_file(path: str) -> Kind:
    """Return what a file is: by its suffix if that is a picture's, else by its first bytes."""

    def start() -> bytes:
        with open_plain(path) as stream:
            return stream.read(START)

    return kind_of_named(path, start)


def kind_of_named(name: str, read_start: Callable[[], bytes]) -> Kind:
    """Return what a file of this name is; its first START bytes are read if the name does not say it."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix in image_suffixes():
        return Kind(suffix, "a picture", "read")
    if suffix in _NO_PICTURES:
        return Kind(suffix, "no picture", "other")
    if suffix in _RAW_SUFFIXES:
        return Kind("camera raw", "a camera's raw photograph", "unread")
    try:
        start = read_start()
    except (OSError, ValueError):  # ValueError: no plain file
        return Kind(suffix or "no suffix", "a file that cannot be opened", "other")
    kind = kind_of(start)
    return kind if kind.state != "other" else Kind(suffix or "no suffix", kind.words, "other")


def kind_of(data: bytes) -> Kind:
    """Return what the bytes seem to be."""
    if not data:
        return Kind("empty", "an empty file", "other")
    for pattern, name, words, state in _MAGIC:
        if pattern.match(data):
            return Kind(name, words, state)
    if data[4:8] == b"ftyp":
        return _of_boxes(data)
    start = data[:START].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head")):
        return Kind("HTML", "an HTML page", "other")
    if b"<svg" in start:
        return Kind("SVG", "an SVG drawing", "unread")
    if start.startswith(b"<"):
        return Kind("XML", "XML or HTML", "other")
    if not data.strip(b"\0"):
        return Kind("zeros", "nothing but zeros", "other")
    printable = sum(byte in b"\t\n\r" or 32 <= byte < 127 for byte in data[:START])
    if printable > 0.95 * len(data[:START]):
        return Kind("text", "text", "other")
    return Kind("unknown", "no image format that is read", "other")


_HEIF_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)


def _of_boxes(data: bytes) -> Kind:
    """Return what a file of ISO's boxes is, by its brands: the first, and those it is compatible with."""
    length = min(int.from_bytes(data[:4], "big"), len(data))
    brand = data[8:12]
    brands = {brand, *(data[at : at + 4] for at in range(16, length - 3, 4))}
    if brands & {b"avif", b"avis"}:
        return Kind("AVIF", "an AVIF image", "read" if reads_avif() else "unread")
    if brands & _HEIF_BRANDS:
        return Kind("HEIC", "an HEIC photograph", "read" if reads_heif() else "unread")
    if brand == b"crx ":
        return Kind("camera raw", "a camera's raw photograph", "unread")
    if brand == b"jxl ":
        return Kind("JPEG XL", "a JPEG XL image", "unread")
    return Kind("video", "a video", "other")


def _magic(*rows: tuple[bytes, str, str, State]) -> tuple[tuple[re.Pattern[bytes], str, str, State], ...]:
    return tuple((re.compile(pattern, re.DOTALL), name, words, state) for pattern, name, words, state in rows)


_MAGIC = _magic(
    (rb"version https://git-lfs", "LFS", "a Git LFS pointer (`git lfs pull` fetches the file)", "other"),
    (rb"\xff\xd8\xff", "JPEG", "a JPEG", "read"),
    (rb"\x89PNG", "PNG", "a PNG", "read"),
    (rb"GIF8", "GIF", "a GIF", "read"),
    (rb"RIFF....WEBP", "WebP", "a WebP image", "read"),
    (rb"RIFF", "RIFF", "a WebP image or another RIFF file", "other"),
    (rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", "BMP", "a BMP", "read"),
    (rb"II\*\0.{4}CR", "camera raw", "a camera's raw photograph", "unread"),
    (rb"II\*\0|MM\0\*", "TIFF", "a TIFF", "read"),
    (rb"II\x2b\0|MM\0\x2b", "BigTIFF", "a BigTIFF", "read"),
    (rb"P[1-6][\s#]+[\d#\s]", "PPM", "a PPM", "read"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL", "a JPEG XL image", "unread"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000", "a JPEG 2000 image", "unread"),
    (rb"II\xbc", "JPEG XR", "a JPEG XR image", "unread"),
    (rb"FUJIFILMCCD-RAW|IIRO|IIU\0", "camera raw", "a camera's raw photograph", "unread"),
    (rb"8BPS", "Photoshop", "a Photoshop file", "unread"),
    (rb"gimp xcf", "GIMP", "a GIMP file", "unread"),
    (rb"qoif", "QOI", "a QOI image", "unread"),
    (rb"DDS ", "DDS", "a DDS texture", "unread"),
    (rb"#\?RADIANCE|v/1\x01", "HDR", "a high-dynamic-range image", "unread"),
    (rb"SIMPLE  =", "FITS", "a FITS image", "unread"),
    (rb".{128}DICM", "DICOM", "a DICOM image", "unread"),
    (rb"%!PS", "PostScript", "a PostScript file", "other"),
    (rb"%PDF", "PDF", "a PDF document", "other"),
    (rb"PK\x03\x04", "ZIP", "a ZIP archive", "other"),
    (rb"\x1f\x8b", "gzip", "a gzip file", "other"),
    (rb"BZh", "bzip2", "a bzip2 file", "other"),
    (rb"\xfd7zXZ\0", "xz", "an xz file", "other"),
    (rb"\x28\xb5\x2f\xfd", "zstd", "a zstd file", "other"),
    (rb"Rar!", "RAR", "a RAR archive", "other"),
)
