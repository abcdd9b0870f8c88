"""Mixup and cutmix of a whole batch, drawn from (seed, step, position) alone."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from resnetlab.randomness import (
    MIX_BOX_X,
    MIX_BOX_Y,
    MIX_PARTNER,
    MIX_WEIGHT,
    integers,
    key_for,
    uniform,
)
from resnetlab.recipe import Augmentation

CHOICE, RADIUS, ANGLE = range(3)  # what a number under MIX_WEIGHT is for


class Mixed(NamedTuple):
    """Images that carry two labels."""

    images: Tensor
    """Shape (N, H, W, C)."""

    labels_other: Tensor | None
    """Int64, shape (N,); None if nothing was mixed."""

    weight: float
    """Share of the first label in [0, 1]; the other's is 1 - weight."""


def mix(images: Tensor, labels: Tensor, config: Augmentation, *, seed: int, step: int) -> Mixed:
    """Mix every image of a batch with another one of the batch.

    With both configured, a fair coin chooses one of the two for the step. The partner is the image
    a hashed number of positions on: the order of a batch is random already.

    Args:
        images: Normalised images, float, shape (N, H, W, C).
        labels: Int64, shape (N,).
        config: Its `mixup` and `cutmix` are the alphas of Beta(alpha, alpha).
        seed: The run's seed.
        step: Updates before this one.

    Source: Zhang et al., 2018 (arXiv:1710.09412); Yun et al., 2019 (arXiv:1905.04899).
    """
    if not (config.mixup or config.cutmix) or len(images) < 2:
        return Mixed(images, None, 1.0)
    is_mixup = bool(config.mixup)
    if config.mixup and config.cutmix:
        is_mixup = integers(key_for(seed, MIX_WEIGHT, step, CHOICE), 2) == 0
    weight = beta_weight(config.mixup if is_mixup else config.cutmix, seed=seed, step=step)
    distance = 1 + integers(key_for(seed, MIX_PARTNER, step), len(images) - 1)
    others, labels_other = images.roll(distance, 0), labels.roll(distance, 0)
    if is_mixup:
        return Mixed(torch.lerp(others, images, weight), labels_other, weight)
    rows, columns = cut_box(weight, images.shape[1], images.shape[2], seed=seed, step=step)
    mixed = images.clone()
    mixed[:, rows, columns] = others[:, rows, columns]
    area = len(range(*rows.indices(mixed.shape[1]))) * len(range(*columns.indices(mixed.shape[2])))
    return Mixed(mixed, labels_other, 1 - area / (mixed.shape[1] * mixed.shape[2]))


def beta_weight(alpha: float, *, seed: int, step: int) -> float:
    """Return a number in [0, 1] distributed as Beta(alpha, alpha), for any alpha above 0.

    T = sqrt(2 alpha (U**(-1/alpha) - 1)) cos(2 pi V) is Student's t with 2 alpha degrees of
    freedom (Bailey, 1994), and 1/2 + T / (2 sqrt(2 alpha + T**2)) is then Beta(alpha, alpha)
    (Devroye, 1996, "Random variate generation in one line of code"): no rejection, no library.
    """
    half_cell = 2.0**-25  # keeps U above 0
    radius = uniform(key_for(seed, MIX_WEIGHT, step, RADIUS)) + half_cell
    angle = uniform(key_for(seed, MIX_WEIGHT, step, ANGLE)) + half_cell
    exponent = min(-math.log(radius) / alpha, 700.0)  # beyond, exp overflows; the result is 0 or 1
    student = math.sqrt(math.expm1(exponent)) * math.cos(2 * math.pi * angle)
    return 0.5 + student / (2 * math.hypot(1.0, student))


def cut_box(weight: float, height: int, width: int, *, seed: int, step: int) -> list[slice]:
    """Return the rows and columns that cutmix replaces: 1 - weight of the area, cut at the edges."""
    box = []
    for side, purpose in ((height, MIX_BOX_Y), (width, MIX_BOX_X)):
        centre = integers(key_for(seed, purpose, step), side)
        half = int(side * math.sqrt(1 - weight)) // 2
        box.append(slice(max(0, centre - half), min(side, centre + half)))
    return box
