"""A network that normalises its images itself: by its layers, or by mean and std among its tensors."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from resnetlab.weights.facts.naming import InputFacts, Naming, Shape, Shapes
from resnetlab.weights.facts.preprocessings import UNTOLD


@dataclass(frozen=True)
class OwnImages:
    """What a file says that becomes of pixels before its network's first convolution: (x - mean) / std."""

    mean: tuple[float, ...] = ()
    """Red first, or one for all, in pixel_range; none if it cannot be said."""
    std: tuple[float, ...] = ()
    """Likewise."""
    pixel_range: int = 255
    """Largest pixel before it: 1 or 255."""
    is_bgr: bool | None = None
    """Whether the first convolution reads blue, green, red; None is as such files are otherwise."""
    words: str = ""
    """What says so."""
    names: tuple[str, ...] = ()
    """The tensors in which the numbers are."""

    @classmethod
    def of(
        cls,
        mean: Sequence[float],
        std: Sequence[float],
        words: str,
        *,
        names: tuple[str, ...] = (),
        is_bgr: bool = False,
    ) -> "OwnImages":
        """Return what these numbers do to pixels, red first; their size tells the pixels' range."""
        mean, std = (tuple(round(float(x), 7) + 0.0 for x in values) for values in (mean, std))
        return cls(mean, std, 255 if max(*mean, *std) > _MOST_OF_1 else 1, is_bgr, words, names)

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> "OwnImages | None":
        """Rebuild it from `dataclasses.asdict` by way of JSON."""
        if data is None:
            return None
        lists = {name: tuple(value) for name, value in data.items() if isinstance(value, list)}
        return cls(**{**data, **lists})

    @property
    def is_known(self) -> bool:
        """Whether it can be said."""
        return bool(self.mean and self.std)


def heed_own(
    tensors: Mapping[str, Tensor], naming: Naming, own: OwnImages | None, given: InputFacts
) -> tuple[Naming, InputFacts, str]:
    """Return the naming and the preprocessing as the file itself has them, and what to say, if anything.

    Args:
        tensors: The file's.
        naming: What was recognised.
        own: What its layers or its configuration say.
        given: What is known otherwise.
    """
    if own is not None and own.is_bgr is not None:
        naming = replace(naming, dialect=replace(naming.dialect, is_bgr=own.is_bgr))
    if own is not None and own.is_known:
        known = dict.fromkeys(own.names, "normalises the images: taken as the preprocessing")
        besides = tuple(name for name in naming.besides if name not in known)
        naming = replace(naming, besides=besides, known={**naming.known, **known})
        channels = naming.spec.in_channels
        mean, std = (each * (channels if len(each) == 1 else 1) for each in (own.mean, own.std))
        told = replace(
            given, normalise="channel", pixel_range=own.pixel_range, mean=mean, std=std, is_told=True
        )
        return naming, told, f"the images' mean and std are those in the file: {own.words}"
    if own is not None:
        return naming, _untold(given), f"what the file does with pixels is not understood: {own.words}"
    if (inside := own_normalisation(tensors, naming.normalisers, given)) is not None:
        return (
            naming,
            inside,
            f"the images' mean and std are those in the file: {', '.join(naming.normalisers)}",
        )
    if naming.normalisers:
        more = (*naming.normalisers, *naming.normalisers.values())
        naming = replace(naming, normalisers={}, besides=(*naming.besides, *more))
        return naming, _untold(given), f"the file has several means of images: {', '.join(more)}"
    unread = [name for name in naming.besides if _may_normalise(name, tuple(tensors[name].shape))]
    if unread:
        words = f"the file may normalise images itself, in a way that it does not tell: {', '.join(unread)}"
        return naming, _untold(given), words
    return naming, given, ""


def _may_normalise(name: str, shape: Shape) -> bool:
    """Return whether a tensor beside the network may be a number for each channel of its images.

    Keras' Normalization, in a file without a configuration, does not say what stands before it.
    """
    if re.fullmatch(r"(.*/)?\w+/(mean|variance)", name):
        return True
    return shape in ((3, 1, 1), (1, 3, 1, 1)) and re.search(r"mean|std|mu|sigma|scale|var", name) is not None


def _untold(given: InputFacts) -> InputFacts:
    """Return the facts less what they say of the pixels' values."""
    values = {name: getattr(UNTOLD, name) for name in ("normalise", "pixel_range", "mean", "std", "is_told")}
    return replace(given, **values)


# MadryLab's robustness has new_mean and new_std, RobustBench mu and sigma or mean and std.
_PAIRS = (
    ("mean", "std"), ("new_mean", "new_std"), ("mu", "sigma"), ("_mean", "_std"), ("pixel_mean", "pixel_std"),
    ("image_mean", "image_std"), ("means", "stds"), ("means", "sds"), ("mean", "sd"),
)  # fmt: skip


def find_normalisers(shapes: Shapes, channels: int) -> dict[str, str]:
    """Return the names of means, each with that of its standard deviations, among a file's tensors.

    They have a number for each channel: (3,), (3, 1, 1) or (1, 3, 1, 1).
    """
    fitting = [(channels,), (channels, 1, 1), (1, channels, 1, 1)]
    found = {}
    for name, shape in shapes.items():
        match = re.fullmatch(r"((?:.*\.)?)(\w+)", name)
        if match is None or shape not in fitting:
            continue
        for mean, std in _PAIRS:
            if match[2] == mean and shapes.get(match[1] + std) == shape:
                found[name] = match[1] + std
    return found


def own_normalisation(
    tensors: Mapping[str, Tensor], pairs: Mapping[str, str], given: InputFacts
) -> InputFacts | None:
    """Return `given` with the numbers that the file's own normaliser has; None if several differ.

    Args:
        tensors: The file's.
        pairs: As `find_normalisers` gives them.
        given: What is known otherwise.
    """
    numbers = [
        tuple(tuple(tensors[name].double().flatten().tolist()) for name in pair) for pair in pairs.items()
    ]
    if not numbers or len(set(numbers)) > 1:
        return None
    mean, std = numbers[0]
    if not all(torch.isfinite(torch.tensor(values)).all() for values in (mean, std)) or min(std) <= 0:
        return None
    pixel_range = 255 if max(*mean, *std) > _MOST_OF_1 else 1
    rounded = (tuple(round(x, 7) for x in values) for values in (mean, std))
    mean, std = rounded
    return replace(given, normalise="channel", pixel_range=pixel_range, mean=mean, std=std, is_told=True)


_MOST_OF_1 = 2.0
"""A mean or deviation above this is of pixels from 0 to 255."""
