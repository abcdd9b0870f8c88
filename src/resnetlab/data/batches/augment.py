"""Augmentation of a whole batch at once, on any device, drawn from (seed, epoch, sample) alone.

One index grid says for every pixel of the batch which pixel it is taken from; crop, shift, flip and
padding are arithmetic on that grid. Axes: N batch, H height, W width, C channels.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from resnetlab.base.randomness import (
    CROP_X,
    CROP_Y,
    CUTOUT_X,
    CUTOUT_Y,
    ERASE,
    FLIP,
    fold,
    integers,
    key_for,
    uniform,
)
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.errors import UsageError
from resnetlab.recipe import Augmentation
from resnetlab.recipe.timeline import Timeline


class Draws(NamedTuple):
    """The random numbers of a batch, each of shape (N,)."""

    down: Tensor
    """Int64: rows by which the window lies below the image's."""

    right: Tensor
    """Int64: columns by which the window lies to the right of the image's."""

    is_flipped: Tensor
    """Bool."""

    cut_row: Tensor
    """Int64 in [0, H): centre of the square that is cut out."""

    cut_column: Tensor
    """Int64 in [0, W)."""


class Augmenter:
    """Pad-crop or shift, flip, normalise and cut out, in the order the configuration says.

    Raises:
        UsageError: If reflection would need more pixels than the images have.
    """

    def __init__(
        self,
        augmentation: Augmentation,
        normaliser: Normaliser,
        *,
        seed: int,
        size: tuple[int, int],
        device: torch.device | str = "cpu",
    ) -> None:
        self.config, self.normaliser, self.seed = augmentation, normaliser, seed
        self.height, self.width = size
        padding = augmentation.crop_padding
        if augmentation.crop_fill == "reflect" and padding >= min(size):
            raise UsageError(
                f"cannot reflect {padding} pixels of images of {size[0]}x{size[1]}",
                hint="--set crop_padding=0 crops nothing, --set crop_fill=zeros pads with zeros.",
            )
        purposes = (CROP_Y, CROP_X, FLIP, CUTOUT_Y, CUTOUT_X)
        self._erase_key = key_for(seed, ERASE)
        self._keys = torch.tensor([[key_for(seed, purpose)] for purpose in purposes], device=device)

    def __call__(self, images: Tensor, samples: Tensor, epochs: Tensor) -> Tensor:
        """Return the augmented, normalised images of a batch.

        Args:
            images: Uint8, shape (N, H, W, C).
            samples: Their numbers in the split, int64, shape (N,).
            epochs: In which epoch each is read, int64, shape (N,).

        Returns:
            Float32, shape (N, H, W, C).
        """
        draws = self.draw(samples, epochs)
        if self.config.pad_when == "before":
            batch = self.normaliser(self._crop_and_flip(images, draws))
        else:
            batch = self._crop_and_flip(self.normaliser(images), draws)
        if self.config.cutout:
            batch = self._cut_out(batch, draws)
        if self.config.erasing:
            keys = fold(fold(self._erase_key, epochs), samples)
            is_erased = erased(keys, (self.height, self.width), self.config.erasing)
            batch.masked_fill_(is_erased[..., None], 0.0)
        return batch

    def draw(self, samples: Tensor, epochs: Tensor) -> Draws:
        """Return the random numbers of these samples in these epochs."""
        down, right, flip, cut_row, cut_column = fold(fold(self._keys, epochs), samples)
        if self.config.flip == "alternating":
            is_flipped = integers(fold(key_for(self.seed, FLIP), samples), 2) != epochs % 2
        else:
            is_flipped = (integers(flip, 2) == 1) & (self.config.flip == "random")
        return Draws(
            self._offsets(down, self.height),
            self._offsets(right, self.width),
            is_flipped,
            integers(cut_row, self.height),
            integers(cut_column, self.width),
        )

    def _offsets(self, keys: Tensor, side: int) -> Tensor:
        """Return whole pixels: uniform in +-crop_padding, or uniform in +-shift*side, rounded."""
        if not self.config.shift:
            padding = self.config.crop_padding
            return integers(keys, 2 * padding + 1) - padding  # type: ignore[no-any-return]
        reach = round(self.config.shift * side * 2**16)  # in 2**-16 pixels: the same on all devices
        return (integers(keys, 2 * reach + 1) - reach + 2**15) >> 16  # type: ignore[no-any-return]

    def _crop_and_flip(self, images: Tensor, draws: Draws) -> Tensor:
        """Take every pixel from where the draws say; any dtype, shape (N, H, W, C)."""
        config, (num, height, width, channels) = self.config, images.shape
        if not config.crop_padding and not config.shift and config.flip == "none":
            return images
        columns = torch.arange(width, device=images.device)
        columns = torch.where(draws.is_flipped[:, None], width - 1 - columns, columns)
        columns = columns + draws.right[:, None]
        rows = torch.arange(height, device=images.device) + draws.down[:, None]
        fill = "edge" if config.shift else config.crop_fill
        inside = (_is_inside(rows, height)[:, :, None]) & _is_inside(columns, width)[:, None, :]
        rows, columns = _fold_back(rows, height, fill), _fold_back(columns, width, fill)
        firsts = torch.arange(num, device=images.device) * (height * width)
        pixels = (firsts[:, None] + rows * width)[:, :, None] + columns[:, None, :]
        table = images.reshape(-1, channels)
        if fill == "zeros":
            pixels = pixels.where(inside, len(table))  # one more pixel, of zeros
            table = torch.cat([table, table.new_zeros(1, channels)])
        return table.index_select(0, pixels.flatten()).reshape(images.shape)

    def _cut_out(self, batch: Tensor, draws: Draws) -> Tensor:
        """Set a square to zero, its centre anywhere in the image (DeVries and Taylor, 2017)."""
        rows = _is_cut(draws.cut_row, self.config.cutout, self.height)
        columns = _is_cut(draws.cut_column, self.config.cutout, self.width)
        return batch.masked_fill_((rows[:, :, None] & columns[:, None, :])[..., None], 0.0)


def _is_inside(index: Tensor, side: int) -> Tensor:
    return (index >= 0) & (index < side)


def _fold_back(index: Tensor, side: int, fill: str) -> Tensor:
    """Bring indices outside [0, side) back in: mirrored at the edge pixel, or to the edge pixel."""
    if fill == "reflect":
        return (side - 1) - ((side - 1) - index.abs()).abs()
    return index.clamp(0, side - 1)


def _is_cut(centre: Tensor, length: int, side: int) -> Tensor:
    """Return bool, shape (N, side): the `length` pixels around the centre."""
    first = centre[:, None] - length // 2
    index = torch.arange(side, device=centre.device)
    return (index >= first) & (index < first + length)


def erased(keys: Tensor, size: tuple[int, int], probability: float) -> Tensor:
    """Return which pixels random erasing takes: bool, shape (N, H, W).

    A rectangle of 2 to 33 % of the area, its height by width 0.3 to 3.3 (uniform in the logarithm);
    the first of ten that is smaller than the image, or none.

    Args:
        keys: Int64, shape (N,), a hash for each image.
        size: Height and width.
        probability: Of erasing at all.

    Source: Zhong et al., 2017 (arXiv:1708.04896), with torchvision's defaults.
    """
    height, width = size
    tall = torch.zeros_like(keys)
    wide, top, left = tall.clone(), tall.clone(), tall.clone()
    is_due = uniform(fold(keys, 0)) < probability
    for attempt in range(10):
        area, ratio, down, right = (fold(keys, 4 * attempt + number) for number in range(1, 5))
        pixels = (0.02 + 0.31 * uniform(area)) * (height * width)
        aspect = torch.exp(math.log(0.3) + math.log(11.0) * uniform(ratio))
        rows, columns = ((pixels * aspect).sqrt().round().long(), (pixels / aspect).sqrt().round().long())
        is_taken = is_due & (rows < height) & (columns < width)
        tall, wide = torch.where(is_taken, rows, tall), torch.where(is_taken, columns, wide)
        top = torch.where(is_taken, down * (height - rows + 1) >> 32, top)
        left = torch.where(is_taken, right * (width - columns + 1) >> 32, left)
        is_due = is_due & ~is_taken
    rows, columns = (torch.arange(length, device=keys.device) for length in size)
    is_in_rows = (rows >= top[:, None]) & (rows < (top + tall)[:, None])
    is_in_columns = (columns >= left[:, None]) & (columns < (left + wide)[:, None])
    return is_in_rows[:, :, None] & is_in_columns[:, None, :]


class Shrinking:
    """Makes the images of the first steps of a run smaller, where its recipe says so: these take less time.

    What becomes of an image does not depend on the others of its batch.
    """

    def __init__(self, augmentation: Augmentation, timeline: Timeline) -> None:
        self._share = augmentation.shrink
        self._until = augmentation.shrink_until * timeline.num_steps if self._share < 1 else 0

    def __call__(self, images: Tensor, step: int) -> Tensor:
        """Return the images (N, H, W, C) as large as they are in the update after `step` updates."""
        if step >= self._until:
            return images
        height, width = shrunk_sides((images.shape[1], images.shape[2]), self._share)
        return averaged(averaged(images, 1, height), 2, width)


def shrunk_sides(size: tuple[int, int], share: float) -> tuple[int, int]:
    """Return height and width of images that have this share of their sides, at least one pixel."""
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def averaged(images: Tensor, axis: int, side: int) -> Tensor:
    """Return images of fewer pixels along an axis, each the mean of what it covers.

    Args:
        images: Floats.
        axis: Which.
        side: Its pixels then, at most those that it has.
    """
    whole = images.shape[axis]
    if side == whole:
        return images
    view = [1] * images.ndim
    view[axis] = side
    # in parts of a pixel, `side` of them in each: a new one covers `whole` parts
    start = torch.arange(side, device=images.device) * whole
    total = None
    for tap in range((whole - 2) // side + 2):  # the most that one covers
        pixel = start // side + tap
        end = torch.minimum((pixel + 1) * side, start + whole)
        covered = (end - torch.maximum(pixel * side, start)).clamp(min=0)
        weight = (covered / whole).to(images.dtype).view(view)
        taken = images.index_select(axis, pixel.clamp(max=whole - 1)) * weight
        total = taken if total is None else total + taken
    assert total is not None
    return total
