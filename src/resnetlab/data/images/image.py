"""An image as its file's content, before it is decoded."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """The content of one JPEG, PNG, WebP, ... file."""

    data: bytes
    place: str
    """For errors, e.g. "train/cat/17.jpg" or "train-00003-of-01024 record 812"."""

    boxes: tuple[tuple[float, float, float, float], ...] = ()
    """What is in the picture, as (ymin, xmin, ymax, xmax), fractions of height and width."""
