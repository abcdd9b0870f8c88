"""What `data check` finds, image by image and between images."""

import base64
import hashlib
import io
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

from PIL import Image

from resnetlab.data.images.decode import decode, image_facts
from resnetlab.data.images.kinds import FORMAT_BY_SUFFIX
from resnetlab.data.sources.encoded import EncodedSplit
from resnetlab.errors import DataError

SMALL_SIDE = 32  # pixels: CIFAR's size, the smallest that the named networks are made for
DARK_LEVELS = 16  # of 256: what 12 bits in a file of 16 come to
MOST_THUMBNAILS = 24  # of each kind, and no report becomes large
_THUMBNAIL_SIDE = 96

Kind = Literal["corrupt", "leak", "contradiction", "duplicate", "dark", "small", "suffix"]
ERRORS: tuple[Kind, ...] = ("corrupt", "leak", "contradiction")
"""What spoils training or its scores; the others are worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one image, or about several that are the same."""

    kind: Kind
    places: tuple[str, ...]
    classes: tuple[str, ...]
    """The class of each place."""

    parts: tuple[str, ...]
    """The split of each place."""

    detail: str
    thumbnail: str = ""
    """A small JPEG as a data URI; empty if there is none, or enough of this kind."""


@dataclass(slots=True)
class Looked:
    """An image of a source, and once `look` has run, what it is."""

    part: str
    class_name: str
    split: EncodedSplit
    index: int

    problem: str = ""
    content_hash: bytes = b""
    pixel_hash: bytes = b""
    """The first half of a SHA-256; of the pixels as RGB, with their shape."""

    format: str = ""
    mode: str = ""
    shape: tuple[int, int] = (0, 0)
    brightest: int = 255
    """Its largest value, of 255."""

    def look(self) -> None:
        """Read and decode the image; what it holds is forgotten again."""
        try:
            image = self.split.read(self.index)
            self.content_hash = hashlib.sha256(image.data).digest()[:16]
            facts = image_facts(image)
            pixels = decode(image, channels=3)
        except DataError as error:
            self.problem = str(error.args[0])
            return
        self.format, self.mode = sys.intern(facts.format), sys.intern(facts.mode)
        self.shape = (pixels.shape[0], pixels.shape[1])
        self.brightest = int(pixels.max())
        self.pixel_hash = hashlib.sha256(repr(self.shape).encode() + pixels.tobytes()).digest()[:16]

    @property
    def place(self) -> str:
        """Where it lies."""
        return self.split.place(self.index)

    def thumbnail(self) -> str:
        """Return a small JPEG as a data URI."""
        side = _THUMBNAIL_SIDE
        pixels = decode(self.split.read(self.index), channels=3, at_least=(side, side))
        picture = Image.fromarray(pixels)
        picture.thumbnail((side, side))
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=80)
        return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def find(images: Sequence[Looked]) -> Iterator[Finding]:
    """Yield all findings, the first of each kind with a thumbnail."""
    shown: Counter[Kind] = Counter()
    for finding, first in _find(images):
        if first.problem or shown[finding.kind] >= MOST_THUMBNAILS:
            yield finding
            continue
        shown[finding.kind] += 1
        yield replace(finding, thumbnail=first.thumbnail())


def _find(images: Sequence[Looked]) -> Iterator[tuple[Finding, Looked]]:
    """Yield findings, each with the image to show."""
    for image in images:
        if image.problem:
            yield _about("corrupt", [image], image.problem.removeprefix(f"{image.place}: ")), image
            continue
        height, width = image.shape
        if min(height, width) < SMALL_SIDE:
            yield _about("small", [image], f"{width} x {height} pixels"), image
        if image.mode.startswith("I") and 0 < image.brightest <= DARK_LEVELS:
            levels = f"{image.brightest + 1} of 256 levels"
            yield _about("dark", [image], f"16 bits whose values fill {levels}; has it 12 bits?"), image
        expected = FORMAT_BY_SUFFIX.get(PurePosixPath(image.place).suffix.lower())
        found = "JPEG" if image.format == "MPO" else image.format
        if expected not in (None, found):
            yield _about("suffix", [image], f"it is {found}"), image
    groups: dict[bytes, list[Looked]] = defaultdict(list)
    for image in images:
        if image.content_hash:
            groups[image.pixel_hash or image.content_hash].append(image)
    for group in groups.values():
        if len(group) > 1:
            yield from ((finding, group[0]) for finding in _about_same(group))


def _about_same(group: Sequence[Looked]) -> Iterator[Finding]:
    is_same_file = len({image.content_hash for image in group}) == 1
    sameness = "the same bytes" if is_same_file else "the same pixels"
    parts, classes = {image.part for image in group}, {image.class_name for image in group}
    if len(classes) > 1:
        yield _about("contradiction", group, f"{sameness} in the classes {', '.join(sorted(classes))}")
    if len(parts) > 1:
        yield _about("leak", group, f"{sameness} in the splits {' and '.join(sorted(parts))}")
    if len(parts) == len(classes) == 1:
        yield _about("duplicate", group, sameness)


def _about(kind: Kind, images: Sequence[Looked], detail: str) -> Finding:
    return Finding(
        kind=kind,
        places=tuple(image.place for image in images),
        classes=tuple(image.class_name for image in images),
        parts=tuple(image.part for image in images),
        detail=detail,
    )
