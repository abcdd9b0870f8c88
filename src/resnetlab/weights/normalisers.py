"""A network that normalises its images itself keeps mean and std among its tensors."""

import re
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from resnetlab.weights.naming import InputFacts, Shapes

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
