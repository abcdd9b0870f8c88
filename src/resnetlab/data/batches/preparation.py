"""From an image file to a training image: random crops and policies, drawn from (seed, epoch, sample)."""

import math
from dataclasses import dataclass
from typing import Literal

from resnetlab.base.randomness import AUTO_AUGMENT, CROP_WINDOW, Draws
from resnetlab.data.batches.preprocessing import Geometry
from resnetlab.data.images.decode import OpenedImage
from resnetlab.data.images.geometry import (
    Pixels,
    Size,
    Window,
    distorted_window,
    from_picture,
    random_resized_window,
    resample,
    resizing,
    shorter_side_to,
    to_picture,
)
from resnetlab.data.images.image import EncodedImage
from resnetlab.data.images.policies import rand_augment, trivial_augment
from resnetlab.recipe import Preparation

_GROWING_STEP = 32  # pixels: the total stride of the networks


def side_at(config: Preparation, share: float) -> int:
    """Return the side of the training images after this share of the run, in [0, 1].

    Source: progressive resizing as in libffcv/ffcv-imagenet, train_imagenet.py, get_resolution.
    """
    side = config.train_size or config.image_size
    begin, end = config.grow_when
    if not config.grow_to or share <= begin:
        return side
    if share >= end:
        return config.grow_to
    between = side + (config.grow_to - side) * (share - begin) / (end - begin)
    return round(between / _GROWING_STEP) * _GROWING_STEP


@dataclass(frozen=True)
class TrainingPreparation:
    """What a recipe does to each training image before the images of a batch are put together."""

    config: Preparation
    seed: int
    channels: Literal[1, 3] = 3

    def pixels(self, image: EncodedImage, *, epoch: int, sample: int, side: int) -> Pixels:
        """Return the image as it is read in this epoch, uint8 (side, side, C).

        Args:
            image: The file.
            epoch: In which epoch it is read.
            sample: Its number in the training split.
            side: Of the result, in pixels; 0 takes the file as it is.

        Raises:
            DataError: If the file is damaged or no image.
        """
        if self.config.train_crop == "none" or not side:
            geometry = Geometry.of(self.config, side=side)
            pixels = geometry.pixels(image, self.channels)
        else:
            pixels = self._cropped(image, Draws(self.seed, CROP_WINDOW, epoch, sample), side)
        if self.config.auto_augment == "none":
            return pixels
        draws = Draws(self.seed, AUTO_AUGMENT, epoch, sample)
        if self.config.auto_augment == "trivial":
            return from_picture(trivial_augment(to_picture(pixels), draws))
        config = self.config
        picture = rand_augment(
            to_picture(pixels), draws, operations=config.rand_ops, magnitude=config.rand_magnitude
        )
        return from_picture(picture)

    def _cropped(self, image: EncodedImage, draws: Draws, side: int) -> Pixels:
        opened = OpenedImage(image)
        size = opened.size()
        window = self._window(image, size, draws, side)
        enough = None
        if self.config.draft != "off":
            scale = side / min(window.height, window.width)  # of the picture, so that no pixel is missing
            enough = (math.ceil(size[0] * scale), math.ceil(size[1] * scale))
        picture = opened.picture(channels=self.channels, at_least=enough)
        down, across = picture.height / size[0], picture.width / size[1]  # 1 if it was decoded in full
        box = (
            window.top * down,
            window.left * across,
            (window.top + window.height) * down,
            (window.left + window.width) * across,
        )
        with resizing(image):
            return resample(picture, (side, side), self.config.interpolation, box=box)

    def _window(self, image: EncodedImage, size: Size, draws: Draws, side: int) -> Window:
        config = self.config
        if config.train_crop == "random-resized":
            return random_resized_window(size, draws, area=config.crop_area, aspect=config.crop_aspect)
        if config.train_crop == "distorted-bbox":
            return distorted_window(
                size, image.boxes, draws, area=config.crop_area, aspect=config.crop_aspect
            )
        geometry = Geometry.of(config, side=side)
        resized = min(shorter_side_to(size, geometry.resize, config.interpolation))
        length = min(round(side * min(size) / resized), *size)  # the window before the picture is resized
        top, left = (draws.integer(whole - length + 1) for whole in size)
        return Window(top, left, length, length)
