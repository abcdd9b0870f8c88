"""TrivialAugment and RandAugment: random operations on a picture, each with a random strength."""

import math
from collections.abc import Callable
from typing import NamedTuple

from PIL import Image, ImageEnhance, ImageOps

from resnetlab.base.randomness import Draws

Picture = Image.Image
_GREY = (124, 116, 104)  # ImageNet's mean colour, which timm fills with
_BINS = 31  # strengths of TrivialAugment
_TEN = 10.0  # the largest strength of RandAugment


class _Fill(NamedTuple):
    """What stands where a moved picture was, and how its pixels are found."""

    colour: tuple[int, int, int]
    resampling: Image.Resampling


def trivial_augment(picture: Picture, draws: Draws) -> Picture:
    """Apply one operation out of 14 at one of 31 strengths, all equally likely.

    Source: Mueller and Hutter, 2021 (arXiv:2103.10158); ranges, black fill and nearest pixels as
    torchvision's TrivialAugmentWide.
    """
    name, (low, high, is_signed) = list(_WIDE.items())[draws.integer(len(_WIDE))]
    value = low + (high - low) * draws.integer(_BINS) / (_BINS - 1)
    if is_signed and draws.integer(2):
        value = -value
    return _OPERATIONS[name](picture, value, _Fill((0, 0, 0), Image.Resampling.NEAREST))


_WIDE = {  # the strengths at both ends, and whether the sign is drawn
    "identity": (0.0, 0.0, False),
    "shear-x": (0.0, 0.99, True),
    "shear-y": (0.0, 0.99, True),
    "move-x": (0.0, 32.0, True),
    "move-y": (0.0, 32.0, True),
    "rotate": (0.0, 135.0, True),
    "brightness": (0.0, 0.99, True),
    "colour": (0.0, 0.99, True),
    "contrast": (0.0, 0.99, True),
    "sharpness": (0.0, 0.99, True),
    "posterize": (8.0, 2.0, False),
    "solarize": (255.0, 0.0, False),
    "autocontrast": (0.0, 0.0, False),
    "equalize": (0.0, 0.0, False),
}


def rand_augment(picture: Picture, draws: Draws, *, operations: int, magnitude: float) -> Picture:
    """Apply operations drawn from 15, each with probability 1/2 at a strength near `magnitude`.

    The strength is normal around it with standard deviation 1/2, cut to [0, 10].

    Source: Cubuk et al., 2019 (arXiv:1909.13719), in timm's form "rand-mM-nN-mstd0.5-inc1", which
    "ResNet strikes back" used.
    """
    fill = _Fill(_GREY, Image.Resampling.BILINEAR)
    for _ in range(operations):
        name, (low, high, is_signed) = list(_INCREASING.items())[draws.integer(len(_INCREASING))]
        is_left_out, is_negative = draws.integer(2), draws.integer(2)
        radius = math.sqrt(-2 * math.log(1 - draws.between(0, 1)))  # Box and Muller's normal number
        noise = radius * math.cos(2 * math.pi * draws.between(0, 1))
        strength = min(max(magnitude + 0.5 * noise, 0.0), _TEN) / _TEN
        value = low + (high - low) * strength
        if name == "posterize":
            value = _kept_bits(strength)
        if is_signed and is_negative:
            value = -value
        if name.startswith("move"):
            value *= picture.width if name == "move-x" else picture.height
        picture = picture if is_left_out else _OPERATIONS[name](picture, value, fill)
    return picture


def _kept_bits(strength: float) -> int:
    """Return how many bits posterize keeps: timm's `_posterize_increasing_level_to_arg`."""
    return 4 - int(4 * strength)


_INCREASING = {  # the values at strengths 0 and 10, and whether the sign is drawn
    "autocontrast": (0.0, 0.0, False),
    "equalize": (0.0, 0.0, False),
    "invert": (0.0, 0.0, False),
    "rotate": (0.0, 30.0, True),
    "posterize": (4.0, 0.0, False),
    "solarize": (256.0, 0.0, False),
    "solarize-add": (0.0, 110.0, False),
    "colour": (0.0, 0.9, True),
    "contrast": (0.0, 0.9, True),
    "brightness": (0.0, 0.9, True),
    "sharpness": (0.0, 0.9, True),
    "shear-x": (0.0, 0.3, True),
    "shear-y": (0.0, 0.3, True),
    "move-x": (0.0, 0.45, True),
    "move-y": (0.0, 0.45, True),
}

Affine = tuple[float, float, float, float, float, float]


def _affine(picture: Picture, matrix: Affine, fill: _Fill) -> Picture:
    """Take the pixel at (x, y) from (ax + by + c, dx + ey + f)."""
    return picture.transform(
        picture.size,
        Image.Transform.AFFINE,
        matrix,
        resample=fill.resampling,
        fillcolor=_colour(picture, fill),
    )


def _colour(picture: Picture, fill: _Fill) -> tuple[int, int, int] | int:
    return fill.colour if picture.mode == "RGB" else round(sum(fill.colour) / 3)


def _rotate(picture: Picture, degrees: float, fill: _Fill) -> Picture:
    return picture.rotate(degrees, resample=fill.resampling, fillcolor=_colour(picture, fill))


def _posterize(picture: Picture, bits: float, fill: _Fill) -> Picture:
    if bits < 1:  # timm's largest strength leaves no bit, which Pillow refuses from 12 on
        return picture.point([0] * 256 * len(picture.getbands()))
    return ImageOps.posterize(picture, round(bits))


def _solarize_add(picture: Picture, value: float, fill: _Fill) -> Picture:
    table = [min(255, level + int(value)) if level < 128 else level for level in range(256)]
    return picture.point(table * len(picture.getbands()))


_OPERATIONS: dict[str, Callable[[Picture, float, _Fill], Picture]] = {
    "identity": lambda p, v, f: p,
    "shear-x": lambda p, v, f: _affine(p, (1, v, 0, 0, 1, 0), f),
    "shear-y": lambda p, v, f: _affine(p, (1, 0, 0, v, 1, 0), f),
    "move-x": lambda p, v, f: _affine(p, (1, 0, int(v), 0, 1, 0), f),
    "move-y": lambda p, v, f: _affine(p, (1, 0, 0, 0, 1, int(v)), f),
    "rotate": _rotate,
    "brightness": lambda p, v, f: ImageEnhance.Brightness(p).enhance(1 + v),
    "colour": lambda p, v, f: ImageEnhance.Color(p).enhance(1 + v),
    "contrast": lambda p, v, f: ImageEnhance.Contrast(p).enhance(1 + v),
    "sharpness": lambda p, v, f: ImageEnhance.Sharpness(p).enhance(1 + v),
    "posterize": _posterize,
    "solarize": lambda p, v, f: ImageOps.solarize(
        p, math.ceil(v)
    ),  # levels from v on, which need not be whole
    "solarize-add": _solarize_add,
    "autocontrast": lambda p, v, f: ImageOps.autocontrast(p),
    "equalize": lambda p, v, f: ImageOps.equalize(p),
    "invert": lambda p, v, f: ImageOps.invert(p),
}
