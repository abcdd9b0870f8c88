"""What happens to the images on their way from a file to the network's input."""

from dataclasses import dataclass
from typing import Literal

from resnetlab.base.units import Duration
from resnetlab.recipe.checks import Floats, refuse


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How the picture in a file becomes an image of the network's size. Pixels in memory stay as they are."""

    image_size: int = 0
    """Side in pixels of what the network gets; 0 takes the files as they are, all of one size."""

    train_size: int = 0
    """Side in pixels of the training images; 0 is image_size."""

    grow_to: int = 0
    """Side of the training images at the end of the run (progressive resizing); 0 does not change it."""

    grow_when: Floats = (0.74, 0.86)
    """grow_to: the shares of the run at which growing, in steps of 32 pixels, begins and ends."""

    train_crop: Literal["none", "random-resized", "distorted-bbox", "aspect-crop"] = "none"
    """none: as in evaluation; random-resized; TensorFlow's distorted-bbox; aspect-crop: out of resize."""

    crop_area: Floats = (0.08, 1.0)
    """random-resized, distorted-bbox: smallest and largest share of the area."""

    crop_aspect: Floats = (3 / 4, 4 / 3)
    """random-resized, distorted-bbox: smallest and largest width by height."""

    resize: int = 0
    """Evaluation: the shorter side in pixels before the centre crop; 0 is image_size * 256 / 224."""

    interpolation: Literal["bilinear", "bicubic", "tf-bilinear"] = "bilinear"
    """bilinear, bicubic: Pillow's, which smooth; tf-bilinear: TensorFlow 1's, which does not."""

    draft: Literal["off", "train", "on"] = "train"
    """Decode large JPEGs at 1/2, 1/4 or 1/8: never, in training, or in evaluation too."""

    auto_augment: Literal["none", "trivial", "rand"] = "none"
    """trivial: one operation of TrivialAugment; rand: rand_ops operations of RandAugment."""

    rand_ops: int = 2
    """rand: operations per image."""

    rand_magnitude: float = 9.0
    """rand: their strength, 0 to 10."""

    repeats: int = 1
    """Times that each sample of an epoch is read, augmented anew; the epoch has as many fewer samples."""

    bad_samples: float = 0.0
    """Share of images that may be broken; these are left out. 0 refuses the first."""

    def __post_init__(self) -> None:
        cropped = self.train_crop != "none"
        pairs = {"crop_area": self.crop_area, "crop_aspect": self.crop_aspect, "grow_when": self.grow_when}
        sides = ("image_size", "train_size", "grow_to", "resize")
        refuse(
            "preparation",
            *((getattr(self, n) < 0, f"{n} must not be negative, got {getattr(self, n)}") for n in sides),
            *(
                (len(p) != 2 or not 0 <= p[0] <= p[1], f"{n} are two rising numbers, got {p}")
                for n, p in pairs.items()
            ),
            (max(self.crop_area, default=0) > 1, f"crop_area is at most 1, got {self.crop_area}"),
            (
                min(self.crop_area + self.crop_aspect, default=1) <= 0,
                "crop_area and crop_aspect must be above 0",
            ),
            (not self.image_size and cropped, f"train_crop={self.train_crop} needs image_size"),
            (
                not self.image_size and self.train_size + self.grow_to + self.resize > 0,
                "sides need image_size",
            ),
            (
                0 < self.resize < self.image_size,
                f"resize={self.resize} is below image_size={self.image_size}: leave it out, or give "
                "at least that",
            ),
            (self.rand_ops < 1, f"rand_ops must be at least 1, got {self.rand_ops}"),
            (
                not 0 <= self.rand_magnitude <= 10,
                f"rand_magnitude lies in [0, 10], got {self.rand_magnitude}",
            ),
            (self.repeats < 1, f"repeats must be at least 1, got {self.repeats}"),
            (not 0 <= self.bad_samples < 1, f"bad_samples lies in [0, 1), got {self.bad_samples}"),
        )


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What happens to the images of a training batch."""

    crop_padding: int = 4
    """Pixels on each side around a random crop of the original size; 0 does not crop."""

    crop_fill: Literal["zeros", "reflect", "edge"] = "zeros"
    """What the padding is made of."""

    pad_when: Literal["before", "after"] = "after"
    """Zeros put before the normalisation are black, after it the mean."""

    shift: float = 0.0
    """Largest shift as a share of the side, to the nearest pixel, edges repeated; 0 does not shift."""

    flip: Literal["none", "random", "alternating"] = "random"
    """Mirror images: at random, or at random in epoch 0 and in turn from then on."""

    cutout: int = 0
    """Side in pixels of the square that is set to the mean; 0 cuts nothing out."""

    erasing: float = 0.0
    """Probability that a random rectangle of an image is set to the mean (random erasing)."""

    mixup: float = 0.0
    """Alpha of mixup's Beta(alpha, alpha); 0 does not mix."""

    cutmix: float = 0.0
    """Alpha of cutmix's Beta(alpha, alpha); 0 does not mix. With mixup: one of the two per batch."""

    mix_tail: Duration = Duration(0, "ep")
    """The end of the run, e.g. 20ep, in which nothing is mixed."""

    shrink: float = 1.0
    """Images in memory: the share of their sides that they have at first (0.75: 24 of 32 pixels)."""

    shrink_until: float = 0.6
    """shrink: the share of the run's steps after which images have their own size."""

    def __post_init__(self) -> None:
        refuse(
            "augmentation",
            (self.crop_padding < 0, f"crop_padding must not be negative, got {self.crop_padding}"),
            (not 0 <= self.shift < 1, f"shift must lie in [0, 1), got {self.shift}"),
            (self.crop_padding > 0 and self.shift > 0, "crop_padding and shift exclude each other"),
            (self.cutout < 0, f"cutout must not be negative, got {self.cutout}"),
            (not 0 <= self.erasing <= 1, f"erasing lies in [0, 1], got {self.erasing}"),
            (self.mixup < 0, f"mixup must not be negative, got {self.mixup}"),
            (self.cutmix < 0, f"cutmix must not be negative, got {self.cutmix}"),
            (not 0 < self.shrink <= 1, f"shrink must lie in (0, 1], got {self.shrink}"),
            (not 0 <= self.shrink_until <= 1, f"shrink_until lies in [0, 1], got {self.shrink_until}"),
        )


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """How uint8 pixels become the network's input."""

    normalise: Literal["none", "per-pixel-mean", "per-image", "channel"] = "channel"
    """Subtract the training images' mean image; standardise each image; or channel mean and std."""

    pixel_range: int = 1
    """Largest input before normalisation: 1 (pixels / 255) or 255 (as they are)."""

    channel_mean: Floats = ()
    """channel: the means, in pixel_range; empty measures them on the training images."""

    channel_std: Floats = ()
    """channel: the standard deviations, in pixel_range; empty measures them."""

    def __post_init__(self) -> None:
        refuse(
            "normalisation",
            (self.pixel_range not in (1, 255), f"pixel_range is 1 or 255, got {self.pixel_range}"),
            (any(not s > 0 for s in self.channel_std), f"channel_std must be above 0: {self.channel_std}"),
        )
