"""What is wanted of data: the one argument that steers how it is opened."""

from collections.abc import Sequence
from dataclasses import dataclass

from resnetlab.data.sources.choices import LEFT_OPEN, Choices


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is wanted of data, beside its name or path."""

    choices: Choices = LEFT_OPEN
    """What the data leaves open, e.g. `Choices.of({"label_column": "breed"})`."""

    classes: int | None = None
    """Of made images (None is 10); for TFRecords as `open_tfrecord` takes it; other data has its own."""

    image_size: int = 32
    """Side in pixels of made images, if `fits` says none."""

    channels: int = 3
    """Of made images."""

    as_channels: int | None = None
    """How small images held in memory are read: 3 for RGB, 1 for grey, None as they are, which is grey if
    all of them are."""

    holds_small: bool = True
    """Whether small images of one size are decoded into memory at once."""

    fits: tuple[int, int] | None = None
    """Height and width in pixels that a network takes: small images of another size stay files then, so that
    each can be resized."""

    for_scoring: bool = False
    """Whether it is to be scored: its splits are taken as they are found, nothing is divided, and any of them
    is enough (`Source.found`)."""

    download: bool = True
    """Whether a dataset that is not in the cache may be downloaded."""

    @classmethod
    def of_network(cls, image_shape: Sequence[int], classes: int) -> "Wanted":
        """Return what a trained network wants that takes images of (height, width, channels)."""
        height, width, channels = image_shape
        return cls(classes=classes, fits=(height, width), channels=channels, as_channels=channels)
