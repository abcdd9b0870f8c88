"""Which views of an image a network is shown whose answers are averaged, as plain data. No torch.

Source: He et al., 2015, section 3.4: "the standard 10-crop testing", and for best results "the
fully-convolutional form", where "the shorter side is in {224, 256, 384, 480, 640}" and the scores of all
are averaged. As the classifier is linear and reads the mean of the last maps, the network itself, given the
whole image, is its own fully-convolutional form: the mean of the scores at every place of the last maps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resnetlab.errors import one_of

SINGLE, TEN_CROP, MULTISCALE = "single", "10crop", "multiscale"
VIEWS = (SINGLE, TEN_CROP, MULTISCALE)
_MEANT = {"ten-crop": TEN_CROP, "10-crop": TEN_CROP, "multi-scale": MULTISCALE, "scales": MULTISCALE}

_SIDES = (224, 256, 384, 480, 640)
"""Of networks for 224 pixels: multiples of their stride of 32."""


@dataclass(frozen=True, kw_only=True)
class Views:
    """The views of each image: parts of it, or all of it at several sizes, each with its mirror image.

    The probabilities (softmax) of all views are averaged, with equal weights.

    Source: for ten crops Krizhevsky et al., 2012, section 4.1: "averaging the predictions made by the
    network's softmax layer"; of "softmax scores" are the figures in KaimingHe/deep-residual-networks too. For
    whole images at several sizes, mirrored too, Simonyan & Zisserman, 2014, sections 3.2 and 4.2, which
    section 3.4 cites.
    """

    name: str
    """10crop or multiscale."""

    sides: tuple[int, ...]
    """What the shorter side of the image is brought to, in pixels, one after the other."""

    crop: int = 0
    """Side of the squares in the four corners and in the middle; 0 takes the whole image."""

    @property
    def num_views(self) -> int:
        """How many views there are of an image, mirror images counted."""
        return 2 * len(self.sides) * (5 if self.crop else 1)

    @property
    def num_pixels(self) -> int:
        """Pixels of the views of a square image, mirror images not counted."""
        return 5 * self.crop**2 if self.crop else sum(side**2 for side in self.sides)

    @property
    def said(self) -> str:
        """What they are, in words."""
        *some, last = map(str, self.sides)
        sides = f"{', '.join(some)} and {last}" if some else last
        square = f"{self.crop}x{self.crop}"
        part = f"corners and middle, {square}, of the image" if self.crop else "the whole image"
        return (
            f"the probabilities of {self.num_views} views of each image are averaged: {part} brought to"
            f" {sides} pixels at the shorter side, and the mirror image of each"
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "number": self.num_views,
            "sides": list(self.sides),
            "crop": self.crop or None,
            "mirrored": True,
            "averaged": "probabilities",
        }


def views_of(name: str, *, side: int, resize: int, stride: int) -> Views | None:
    """Return the views of this name for a network; None is the single view of all other evaluations.

    A network for images of 224 pixels has the paper's sizes. Those for another side are in the same
    proportion to it, and larger by multiples of the stride, as the paper's are: 32, 36, 56, 68 and 92 for 32.

    Args:
        name: One of `VIEWS`.
        side: Of the network's input, in pixels.
        resize: What the shorter side is brought to for the single view; for ten crops too, if that is more.
        stride: Pixels of the image by which two places of the last maps lie apart.

    Raises:
        UsageError: If there are no views of this name.
    """
    one_of("views", name, VIEWS, _MEANT)
    if name == SINGLE:
        return None
    sides = tuple(side + stride * round(side * (each - _SIDES[0]) / _SIDES[0] / stride) for each in _SIDES)
    if name == TEN_CROP:
        return Views(name=name, sides=(resize if resize > side else max(sides[1], side + 2),), crop=side)
    return Views(name=name, sides=tuple(dict.fromkeys(sides)))


def name_in(scores: Mapping[str, Any]) -> str:
    """Return the name of the views in scores.json; earlier versions had one view and did not say it."""
    return str(scores.get("views") or SINGLE)
