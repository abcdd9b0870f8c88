"""Small images of one size, held in memory as CIFAR is."""

import contextlib
from dataclasses import replace

import numpy as np

from resnetlab.data.sources.encoded import AnySource, EncodedSource, EncodedSplit
from resnetlab.data.sources.source import Source, Split
from resnetlab.data.sources.wanted import Wanted
from resnetlab.errors import DataError

SMALL_SIDE = 64
SMALL_BYTES = 512 * 2**20
"""Images of one size up to this side that take up to these bytes are held in memory, as CIFAR is."""

_LOOKED_AT = 100


def hold_small(source: EncodedSource, wanted: Wanted) -> AnySource:
    """Return the source with its pixels in memory, if its images are small, all of one size, and so wanted.

    They are grey if every one of them is, else RGB. Where one of them is broken, all stay files, of which
    `--bad-samples` can leave some out; the source says so.
    """
    try:
        return (_in_memory(source, wanted) if wanted.holds_small else None) or source
    except DataError as error:
        note = f"the images stay files, small as they are, because one is broken: {error.args[0]}"
        return replace(source, notes=(*source.notes, note), broken=str(error.args[0]))


def _in_memory(source: EncodedSource, wanted: Wanted) -> Source[Split] | None:
    """Return what `hold_small` does; None if the images are not small, of several sizes or of another one.

    Raises:
        DataError: If the first whole image is small and another one is broken.
    """
    splits = source.parts
    first = first_shape(next(iter(splits.values())) if source.found else source.train)
    if first is None or wanted.fits not in (None, first[0]):
        return None
    size, is_grey = first
    asked = wanted.as_channels if wanted.as_channels in (1, 3) else None
    for read_as in [asked] if asked else [1, 3] if is_grey else [3]:
        total = sum(map(len, splits.values())) * size[0] * size[1] * read_as
        if max(size) > SMALL_SIDE or total > SMALL_BYTES:
            return None
        decoding = _Decoding(size, read_as, stops_at_colour=asked is None)
        decoded = {part: decoding.decoded(split) for part, split in splits.items()}
        if decoding.found_colour:
            continue
        if decoding.found_another_size:
            return None
        return _source(source, decoded, decoding.note())
    raise AssertionError("in colour every image can be read")


class _Decoding:
    """Decodes images of one size, and counts which are grey."""

    def __init__(self, size: tuple[int, int], channels: int, *, stops_at_colour: bool) -> None:
        self._size, self._channels = size, channels
        self._stops_at_colour = stops_at_colour and channels == 1
        self._greys = self._total = 0
        self.found_another_size = self.found_colour = False

    def decoded(self, split: EncodedSplit) -> Split:
        """Return the images, of which the first ones alone are filled where one is not as the others."""
        from resnetlab.data.images.decode import OpenedImage

        images = np.empty((len(split), *self._size, self._channels), np.uint8)
        for index in range(len(split)):
            opened = OpenedImage(split.read(index))
            self._total += 1
            self._greys += opened.is_grey
            self.found_colour |= self._stops_at_colour and not opened.is_grey
            self.found_another_size |= opened.size() != self._size
            if self.found_colour or self.found_another_size:
                break
            picture = opened.picture(channels=1 if self._channels == 1 else 3)
            images[index] = np.asarray(picture).reshape(*self._size, self._channels)
        places = np.array([split.place(index) for index in range(len(split))], np.object_)
        return Split(images, split.labels, places)

    def note(self) -> str:
        """Return what was made of images that are not as the others, if there are any."""
        if self._channels == 3:
            return f"{self._greys:,} of {self._total:,} images are grey, read as RGB" if self._greys else ""
        colours = self._total - self._greys
        return f"{colours:,} of {self._total:,} images are in colour, read as grey" if colours else ""


def first_shape(split: EncodedSplit) -> tuple[tuple[int, int], bool] | None:
    """Return (height, width) of the first of a few images whose header can be read, and if it is grey."""
    from resnetlab.data.images.decode import OpenedImage

    for index in range(min(len(split), _LOOKED_AT)):
        with contextlib.suppress(DataError):
            opened = OpenedImage(split.read(index))
            return opened.size(), opened.is_grey
    return None


def _source(source: EncodedSource, decoded: dict[str, Split], note: str) -> Source[Split]:
    first = next(iter(decoded.values()))
    return Source(
        name=source.name,
        class_names=source.class_names,
        train=first if source.found else decoded["train"],
        test=first if source.found else decoded["test"],
        val=decoded.get("val"),
        found=decoded if source.found else None,
        origin=source.origin,
        is_partial=source.is_partial,
        notes=(*source.notes, note) if note else source.notes,
        folders=source.folders,
        choices=source.choices,
    )
