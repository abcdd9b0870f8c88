"""The one way from an image file to the network's input, recorded with the run and with what it exports.

Training differs in its random crops alone (data/batches/preparation.py); evaluation, prediction and exported
models do exactly this.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from resnetlab.base.plaindata import LATER, field_types
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.images.decode import MOST_PIXELS, OpenedImage, decode
from resnetlab.data.images.geometry import Pixels, Size, centre_window, resample, resizing, shorter_side_to
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.images.views import views_in
from resnetlab.data.sources.encoded import EncodedSplit
from resnetlab.errors import DataError, UsageError
from resnetlab.evaluation.views import Views
from resnetlab.recipe import Normalisation, Preparation

_SHARE = (256, 224)  # the shorter side by the crop's, where a recipe does not say it
INTERPOLATIONS: tuple[str, ...] = get_args(field_types(Preparation)["interpolation"])
_MOST_RESIZED = 2**25
"""Pixels that a picture is resized to as a whole, where that makes it larger; of 60,000 x 1 pixels it
would be a hundred million."""
_DESCRIBED = {
    "normalise", "pixel_range", "mean", "std", "image_size", "resize", "interpolation", "draft", "channels"
}  # fmt: skip
"""Everything that a preprocessing's JSON may say."""
_MEASURED = 1024  # images, for the mean and standard deviation of the channels


def is_whole(value: object) -> bool:
    """Return whether a value that may come from a file of others is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True)
class Geometry:
    """From a file's pixels to those of the network's size, nothing random in it.

    Raises:
        UsageError: If one of its values cannot be; all are named.
    """

    side: int
    """Side of the result in pixels; 0 leaves the pixels as they are in the file."""

    resize: int
    """What the shorter side is brought to before the square in the middle is cut out."""

    interpolation: str = "bilinear"
    """As `geometry.resample` takes it."""

    uses_draft: bool = False
    """Whether large JPEGs are decoded at a fraction of their size."""

    def __post_init__(self) -> None:
        if problems := [*self._problems()]:
            raise UsageError(f"no way from images to the network's input: {'; '.join(problems)}")

    def _problems(self) -> Iterator[str]:
        sides = {"image_size": self.side, "resize": self.resize}
        wrong = [name for name, value in sides.items() if not is_whole(value) or value < 0]
        yield from (f"{name}={sides[name]!r} is no number of pixels" for name in wrong)
        if not wrong and self.side and self.resize < self.side:
            yield f"resize={self.resize} is below image_size={self.side}"
        if not wrong and self.resize**2 > MOST_PIXELS:
            yield f"resize={self.resize} makes pictures of more than {MOST_PIXELS:,} pixels"
        if self.interpolation not in INTERPOLATIONS:
            yield f"interpolation={self.interpolation!r} is none of {', '.join(INTERPOLATIONS)}"
        if self.uses_draft not in (True, False):
            yield f"draft={self.uses_draft!r} is neither true nor false"

    @classmethod
    def of(cls, config: Preparation, *, side: int | None = None) -> "Geometry":
        """Return what a recipe says for evaluation; another side keeps the proportion."""
        own = config.image_size
        side = own if side is None else side
        resize = config.resize or round(own * _SHARE[0] / _SHARE[1])
        resize = resize if side == own else round(resize * side / own)
        return cls(side, resize, config.interpolation, config.draft == "on")

    def pixels(self, image: EncodedImage, channels: Literal[1, 3]) -> Pixels:
        """Return the prepared image, uint8 (side, side, channels), or (H, W, channels) if side is 0.

        Raises:
            DataError: If the file is damaged or no image.
        """
        if not self.side:
            return decode(image, channels=channels)
        opened = OpenedImage(image)
        enough = shorter_side_to(opened.size(), self.resize, self.interpolation)
        picture = opened.picture(channels=channels, at_least=enough if self.uses_draft else None)
        with resizing(image):
            return self._middle(picture)

    def _middle(self, picture: Image.Image) -> Pixels:
        """Return the square in the middle of the resized picture, which is not made whole if it is long."""
        old = picture.height, picture.width
        height, width = shorter_side_to(old, self.resize, self.interpolation)
        size = max(height, self.side), max(width, self.side)  # TensorFlow's can be a pixel short
        top, left, high, wide = centre_window(size, self.side, self.interpolation)
        if size[0] * size[1] <= max(_MOST_RESIZED, old[0] * old[1], (2 * self.resize) ** 2):
            resized = resample(picture, size, self.interpolation)
            return resized[top : top + high, left : left + wide]
        down, across = old[0] / size[0], old[1] / size[1]
        bottom, right = min((top + high) * down, old[0]), min((left + wide) * across, old[1])
        box = (top * down, left * across, bottom, right)
        return resample(picture, (high, wide), self.interpolation, box=box)


@dataclass(frozen=True)
class Preprocessing:
    """Geometry and normalisation of a run: data.json holds it under "preprocessing".

    Raises:
        UsageError: If there are other channels than 1 or 3.
    """

    normaliser: Normaliser

    geometry: Geometry = Geometry(0, 0)

    channels: Literal[1, 3] = 3
    """3 for RGB, 1 for grey."""

    def __post_init__(self) -> None:
        if not is_whole(self.channels) or self.channels not in (1, 3):
            raise UsageError(f"channels={self.channels!r}: images are read as grey (1) or RGB (3)")

    def pixels(self, image: EncodedImage) -> Pixels:
        """Return an image as evaluation sees it before the normalisation, uint8 (S, S, C).

        Raises:
            DataError: If the file is damaged or no image.
        """
        return self.geometry.pixels(image, self.channels)

    def views(self, image: EncodedImage, views: Views) -> list[Pixels]:
        """Return several views of an image, see `images.views.views_in`."""
        own = self.geometry
        return views_in(
            image, views, self.channels, interpolation=own.interpolation, uses_draft=own.uses_draft
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data: the normaliser's keys, and the geometry's if there is any."""
        own = self.normaliser.to_json() | {"channels": self.channels}
        if not self.geometry.side:
            return own
        return own | {
            "image_size": self.geometry.side,
            "resize": self.geometry.resize,
            "interpolation": self.geometry.interpolation,
            "draft": self.geometry.uses_draft,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Preprocessing":
        """Rebuild what `to_json` described; that of images taken as they are has no geometry.

        Version 0.1.0 wrote the channels beside a geometry alone; without one they are read as 3.

        Raises:
            UsageError: If it described none, or something that only a later version does.
        """
        try:
            return cls._from_json(data)
        except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
            raise UsageError(f"no way from images to the network's input: {error!r}") from error

    @classmethod
    def _from_json(cls, data: Mapping[str, Any]) -> "Preprocessing":
        if unknown := sorted(set(data) - _DESCRIBED):
            text = f"no way from images to the network's input: unknown {', '.join(unknown)}"
            raise UsageError(text, hint=LATER)
        normaliser, channels = Normaliser.from_json(data), data.get("channels", 3)
        if not data.get("image_size"):
            return cls(normaliser, channels=channels)
        geometry = Geometry(data["image_size"], data["resize"], data["interpolation"], data["draft"])
        return cls(normaliser, geometry, channels)


def fit_preprocessing(
    preparation: Preparation,
    normalisation: Normalisation,
    split: EncodedSplit,
    channels: Literal[1, 3],
) -> Preprocessing:
    """Return a recipe's preprocessing; what its normalisation leaves open is measured.

    It is measured on at most 1,024 images, evenly spaced in the split, as evaluation sees them.

    Raises:
        DataError: If one of these is damaged and none may be; or as `Normaliser.fit`.
    """
    given = normalisation.channel_mean and normalisation.channel_std
    is_open = normalisation.normalise == "per-pixel-mean" or (
        normalisation.normalise == "channel" and not given
    )
    geometry = Geometry.of(preparation)
    images = {0: np.zeros((1, 1, channels), np.uint8)}
    if is_open:
        chosen = np.unique(np.linspace(0, len(split) - 1, _MEASURED).astype(np.int64)).tolist()
        images = dict(_readable(split, chosen, geometry, channels, skips=preparation.bad_samples > 0))
        size = next(iter(images.values())).shape[:2]
        for index, pixels in images.items():
            refuse_other_size(split.place(index), pixels, (size[0], size[1]))
    return Preprocessing(Normaliser.fit(normalisation, np.stack([*images.values()])), geometry, channels)


def _readable(
    split: EncodedSplit, chosen: Sequence[int], geometry: Geometry, channels: Literal[1, 3], *, skips: bool
) -> Iterator[tuple[int, Pixels]]:
    """Yield the number and the pixels of each of the chosen images, less broken ones if `skips`.

    Raises:
        DataError: If one is broken and may not be, or all are.
    """
    last, count = None, 0
    for index in chosen:
        try:
            pixels = geometry.pixels(split.read(index), channels)
        except DataError as error:
            if not skips:
                raise
            last = error
        else:
            count += 1
            yield index, pixels
    if last is not None and not count:
        raise DataError(
            f"all {len(chosen):,} images that are to be measured are broken; the last: {last.args[0]}",
            hint="`resnetlab data check` lists them all; --bad-samples 1% leaves out up to so many.",
        ) from last


def refuse_other_size(place: str, pixels: Pixels, size: Size) -> None:
    """Raise DataError if an image that is not resized has not the size of the others."""
    if pixels.shape[:2] != size:
        (height, width), (others_height, others_width) = pixels.shape[:2], size
        raise DataError(
            f"{place}: {width}x{height} pixels, the others {others_width}x{others_height}",
            hint="--set image_size=N brings all images to one size.",
        )
