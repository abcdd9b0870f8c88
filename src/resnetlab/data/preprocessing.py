"""The one way from an image file to the network's input, recorded with the run and with what it exports.

Training differs in its random crops alone (data/preparation.py); evaluation, prediction and exported
models do exactly this.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from resnetlab.data.decode import OpenedImage, decode
from resnetlab.data.encoded import EncodedImage, EncodedSplit
from resnetlab.data.geometry import (
    Pixels,
    Size,
    centre_window,
    resample,
    shorter_side_to,
)
from resnetlab.data.normalise import Normaliser
from resnetlab.errors import DataError
from resnetlab.recipe import Normalisation, Preparation

_SHARE = (256, 224)  # the shorter side by the crop's, where a recipe does not say it
_MEASURED = 1024  # images, for the mean and standard deviation of the channels


@dataclass(frozen=True)
class Geometry:
    """From a file's pixels to those of the network's size, nothing random in it."""

    side: int
    """Side of the result in pixels; 0 leaves the pixels as they are in the file."""

    resize: int
    """What the shorter side is brought to before the square in the middle is cut out."""

    interpolation: str = "bilinear"
    """As `geometry.resample` takes it."""

    uses_draft: bool = False
    """Whether large JPEGs are decoded at a fraction of their size."""

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
        height, width = shorter_side_to((picture.height, picture.width), self.resize, self.interpolation)
        size = max(height, self.side), max(width, self.side)  # TensorFlow's can be a pixel short
        resized = resample(picture, size, self.interpolation)
        top, left, height, width = centre_window(size, self.side, self.interpolation)
        return resized[top : top + height, left : left + width]


@dataclass(frozen=True)
class Preprocessing:
    """Geometry and normalisation of a run: data.json holds it under "preprocessing"."""

    normaliser: Normaliser

    geometry: Geometry = Geometry(0, 0)

    channels: Literal[1, 3] = 3
    """3 for RGB, 1 for grey."""

    def pixels(self, image: EncodedImage) -> Pixels:
        """Return an image as evaluation sees it before the normalisation, uint8 (S, S, C).

        Raises:
            DataError: If the file is damaged or no image.
        """
        return self.geometry.pixels(image, self.channels)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data: the normaliser's keys, and the geometry's if there is any."""
        if not self.geometry.side:
            return self.normaliser.to_json()
        return self.normaliser.to_json() | {
            "image_size": self.geometry.side,
            "resize": self.geometry.resize,
            "interpolation": self.geometry.interpolation,
            "draft": self.geometry.uses_draft,
            "channels": self.channels,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Preprocessing":
        """Rebuild what `to_json` described; that of runs on pixels in memory has no geometry."""
        normaliser = Normaliser.from_json(data)
        if not data.get("image_size"):
            return cls(normaliser)
        geometry = Geometry(data["image_size"], data["resize"], data["interpolation"], data["draft"])
        return cls(normaliser, geometry, data["channels"])


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
    images = [np.zeros((1, 1, channels), np.uint8)]
    if is_open:
        chosen = np.unique(np.linspace(0, len(split) - 1, _MEASURED).astype(np.int64))
        images = [*_readable(split, chosen, geometry, channels, skips=preparation.bad_samples > 0)]
        first = images[0].shape[:2]
        for index, pixels in zip(chosen, images, strict=False):
            refuse_other_size(split.place(int(index)), pixels, first)
    return Preprocessing(Normaliser.fit(normalisation, np.stack(images)), geometry, channels)


def _readable(
    split: EncodedSplit,
    chosen: npt.NDArray[np.int64],
    geometry: Geometry,
    channels: Literal[1, 3],
    skips: bool,
) -> Iterator[Pixels]:
    for index in chosen:
        try:
            yield geometry.pixels(split.read(int(index)), channels)
        except DataError:
            if not skips:
                raise


def refuse_other_size(place: str, pixels: Pixels, size: Size) -> None:
    """Raise DataError if an image that is not resized has not the size of the others."""
    if pixels.shape[:2] != size:
        (height, width), (others_height, others_width) = pixels.shape[:2], size
        raise DataError(
            f"{place}: {width}x{height} pixels, the others {others_width}x{others_height}",
            hint="--set image_size=N brings all images to one size.",
        )
