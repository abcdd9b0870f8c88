"""Mixup and cutmix of a batch, within each of its shards, drawn from (seed, step, position) alone."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from resnetlab.base.randomness import (
    MIX_BOX_X,
    MIX_BOX_Y,
    MIX_PARTNER,
    MIX_WEIGHT,
    integers,
    key_for,
    uniform,
)
from resnetlab.base.share import UNDIVIDED, Share
from resnetlab.recipe import Augmentation

CHOICE, RADIUS, ANGLE = range(3)  # what a number under MIX_WEIGHT is for


class Mixed(NamedTuple):
    """Images that carry two labels."""

    images: Tensor
    """Shape (N, H, W, C)."""

    labels_other: Tensor | None
    """Int64, shape (N,); None if nothing was mixed."""

    weight: float | Tensor
    """Share of the first label in [0, 1]; the other's is 1 - weight."""


class MixDraw(NamedTuple):
    """What was drawn for one step, as plain numbers: one row of a table."""

    share: float
    """Share of an image's own pixels where the two are blended: 1 in cutmix."""

    weight: float
    """Share of the first label."""

    distance: int
    """How many positions before an image its partner lies, around the end of its shard."""

    top: int = 0
    """First row that is the partner's; none are in mixup."""

    bottom: int = 0
    left: int = 0
    right: int = 0


UNMIXED = MixDraw(1.0, 1.0, 0)
"""Every image is its own partner."""


def is_mixing(config: Augmentation) -> bool:
    """Whether batches are mixed at all."""
    return bool(config.mixup or config.cutmix)


def mix(
    images: Tensor,
    labels: Tensor,
    config: Augmentation,
    *,
    seed: int,
    step: int,
    until: int,
    share: Share = UNDIVIDED,
    num_samples: int | None = None,
) -> Mixed:
    """Mix every image of a batch with another one of its shard, as `draw_mix` says.

    Args:
        images: Normalised images, float, shape (N, H, W, C).
        labels: Int64, shape (N,).
        config: Its `mixup` and `cutmix` are the alphas of Beta(alpha, alpha).
        seed: The run's seed.
        step: Updates before this one.
        until: The first step in which nothing is mixed any more. Its images still have two labels, a
            copy of their own: what was compiled for two tensors need not be compiled again.
        share: The shards that these images are.
        num_samples: Of the whole batch; left out, these are all.

    Source: Zhang et al., 2018 (arXiv:1710.09412); Yun et al., 2019 (arXiv:1905.04899).
    """
    num_samples = len(images) if num_samples is None else num_samples
    count = share.smallest(num_samples)
    if not is_mixing(config) or count < 2:
        return Mixed(images, None, 1.0)
    draw = draw_mix(config, (count, *images.shape[1:3]), seed=seed, step=step, until=until)
    if draw == UNMIXED:
        return Mixed(images, labels.clone(), draw.weight)
    partners = _partners(draw.distance, share, num_samples, labels.device)
    others, labels_other = images.index_select(0, partners), labels.index_select(0, partners)
    if draw.share < 1 or not config.cutmix:
        return Mixed(torch.lerp(others, images, draw.share), labels_other, draw.weight)
    rows, columns = slice(draw.top, draw.bottom), slice(draw.left, draw.right)
    mixed = images.clone()
    mixed[:, rows, columns] = others[:, rows, columns]
    return Mixed(mixed, labels_other, draw.weight)


def mix_as_drawn(
    images: Tensor,
    labels: Tensor,
    config: Augmentation,
    numbers: Tensor,
    *,
    share: Share = UNDIVIDED,
    num_samples: int | None = None,
) -> Mixed:
    """Do as `mix` does, bit for bit, with the draw as a tensor of the device.

    Args:
        images: Normalised images, float, shape (N, H, W, C), at least two of each shard.
        labels: Int64, shape (N,).
        config: Which of the two kinds of mixing are possible.
        numbers: A MixDraw, float64, shape (7,).
        share: The shards that these images are.
        num_samples: Of the whole batch; left out, these are all.
    """
    num_samples = len(images) if num_samples is None else num_samples
    own, weight, *edges = numbers.unbind()
    distance, top, bottom, left, right = (edge.long() for edge in edges)
    partners = _partners(distance, share, num_samples, labels.device)
    others, mixed = images.index_select(0, partners), images
    if config.mixup:
        mixed = torch.lerp(others, images, own.float())
    if config.cutmix:
        rows, columns = (torch.arange(side, device=labels.device) for side in images.shape[1:3])
        is_row, is_column = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
        mixed = torch.where((is_row[:, None] & is_column)[..., None], others, mixed)
    return Mixed(mixed, labels.index_select(0, partners), weight.float())


def _partners(distance: int | Tensor, share: Share, num_samples: int, device: torch.device) -> Tensor:
    """Return the place of each image's partner among the share's images, int64 (N,), with no host in it."""
    here = share.cut(num_samples)
    positions = torch.arange(here.start, here.stop, device=device)
    shards = ((positions + 1) * share.of - 1) // num_samples
    starts, stops = shards * num_samples // share.of, (shards + 1) * num_samples // share.of
    partners: Tensor = starts - here.start + (positions - starts - distance) % (stops - starts)
    return partners


def draw_mix(config: Augmentation, shape: Sequence[int], *, seed: int, step: int, until: int) -> MixDraw:
    """Return how the batch of a step is mixed.

    From the step `until` on it is not.

    With both configured, a fair coin chooses one of the two for the step. The partner is the image
    a hashed number of positions on: the order of a batch is random already.

    Args:
        config: Its `mixup` and `cutmix` are the alphas of Beta(alpha, alpha).
        shape: The images of its smallest shard (at least two), and their height and width.
        seed: The run's seed.
        step: Updates before this one.
        until: The first step in which nothing is mixed any more.
    """
    if step >= until:
        return UNMIXED
    count, height, width = shape[:3]
    is_mixup = bool(config.mixup)
    if config.mixup and config.cutmix:
        is_mixup = integers(key_for(seed, MIX_WEIGHT, step, CHOICE), 2) == 0
    weight = beta_weight(config.mixup if is_mixup else config.cutmix, seed=seed, step=step)
    distance = 1 + integers(key_for(seed, MIX_PARTNER, step), count - 1)
    if is_mixup:
        return MixDraw(weight, weight, distance)
    rows, columns = cut_box(weight, height, width, seed=seed, step=step)
    area = max(rows.stop - rows.start, 0) * max(columns.stop - columns.start, 0)
    box = (rows.start, rows.stop, columns.start, columns.stop)
    return MixDraw(1.0, 1 - area / (height * width), distance, *box)


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
