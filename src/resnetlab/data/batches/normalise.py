"""Normalisation: how uint8 pixels become the network's input, fitted once and kept with the run.

Axes: N images, H height, W width, C channels.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from resnetlab.base.plaindata import field_types
from resnetlab.errors import DataError, UsageError
from resnetlab.recipe import Normalisation

Floats = npt.NDArray[np.float64]
KINDS: tuple[str, ...] = get_args(field_types(Normalisation)["normalise"])
_PIXEL_RANGES = (1, 255)


class Normaliser:
    """The normalisation of one run: the same object trains, evaluates and predicts.

    `mean` and `std` are in `pixel_range`: one number per channel, shape (C,), or a mean image,
    shape (H, W, C); per-image standardisation and "none" have neither.

    Raises:
        UsageError: If one of the four cannot be; all problems are named.
    """

    def __init__(
        self, kind: str, pixel_range: int, mean: Floats | None = None, std: Floats | None = None
    ) -> None:
        if problems := [*_problems(kind, pixel_range, mean, std)]:
            raise UsageError(f"not a normalisation: {'; '.join(problems)}")
        self.kind, self.pixel_range, self.mean, self.std = kind, pixel_range, mean, std
        self._constants: dict[tuple[torch.device, torch.Size], tuple[Tensor, Tensor]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What pickles: not the constants, which are large, lie on a device and are made again."""
        return self.__dict__ | {"_constants": {}}

    @classmethod
    def fit(cls, config: Normalisation, images: npt.NDArray[np.uint8]) -> "Normaliser":
        """Measure what `config` leaves open on the training images (less the held-out ones).

        Sums are exact integers, so the result does not depend on the order of the images.

        Args:
            config: What to measure, and numbers that are given.
            images: Uint8, shape (N, H, W, C).

        Raises:
            UsageError: If numbers are given for another count of channels.
            DataError: If a channel to be standardised is constant.
        """
        unit = 255 / config.pixel_range
        mean = std = None
        if config.normalise == "per-pixel-mean":
            mean = images.sum(axis=0, dtype=np.int64) / len(images) / unit
        elif config.normalise == "channel":
            mean, std = (np.array(given) for given in (config.channel_mean, config.channel_std))
            _check_counts(images.shape[-1], channel_mean=mean, channel_std=std)
            if not (len(mean) and len(std)):
                measured_mean, measured_std = _measure_channels(images)
                mean = mean if len(mean) else measured_mean / unit
                std = std if len(std) else measured_std / unit
            if not std.all():
                raise DataError(
                    f"channel {int(np.argmin(std))} is the same in every pixel of every image",
                    hint="Give channel_std, or another normalisation.",
                )
        return cls(config.normalise, config.pixel_range, mean, std)

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise uint8 images, shape (N, H, W, C), to float32 of the same shape.

        Per image: (x - mean) / max(std, 1 / sqrt(H * W * C)) over all its values, with the
        population's std, as TensorFlow's `tf.image.per_image_standardization`.

        Raises:
            DataError: If the images' size or channels are not those it was fitted on.
        """
        if self.kind == "per-image":
            return _standardise_each(images.float() / (255 / self.pixel_range))
        offset, factor = self._constants_for(images)
        return images.float().sub_(offset).mul_(factor)

    def offset_and_factor(self) -> tuple[Floats, Floats]:
        """Return what to subtract from pixels, and what to multiply them by then; not for per-image.

        Shapes (1,), (C,) or (H, W, C).
        """
        unit = 255 / self.pixel_range
        mean = np.zeros(1) if self.mean is None else self.mean * unit
        factor = np.array([1 / unit]) if self.std is None else 1 / (self.std * unit)
        return mean, factor

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data; `from_json` gives back the same numbers to the last bit."""
        return {
            "normalise": self.kind,
            "pixel_range": self.pixel_range,
            "mean": None if self.mean is None else self.mean.tolist(),
            "std": None if self.std is None else self.std.tolist(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Normaliser":
        """Rebuild the normaliser that `to_json` described.

        Raises:
            UsageError: If it described none.
            KeyError: If it lacks a part.
            ValueError: If its numbers are lists of unlike lengths.
        """
        mean, std = (None if data[key] is None else np.array(data[key]) for key in ("mean", "std"))
        return cls(data["normalise"], data["pixel_range"], mean, std)

    def fits(self, shape: tuple[int, int, int]) -> bool:
        """Return whether images of this (height, width, channels) can be normalised."""
        given = [values.shape for values in (self.mean, self.std) if values is not None]
        return all(each in ((1,), shape[-1:], shape) for each in given)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Normaliser) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_json()))

    def _constants_for(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return what to subtract (in pixels) and to multiply by, both float32 (H, W, C).

        Whole images, because a broadcast over three channels takes ten times as long.
        """
        key = (images.device, images.shape[1:])
        if key not in self._constants:
            mean, factor = self.offset_and_factor()
            height, width, channels = key[1]
            if not self.fits((height, width, channels)):
                raise DataError(
                    f"images of {tuple(key[1])} (height, width, channels) do not fit a normalisation"
                    f" fitted on {mean.shape}"
                )
            self._constants[key] = tuple(  # type: ignore[assignment]
                torch.tensor(value, dtype=torch.float32, device=images.device).expand(key[1]).contiguous()
                for value in (mean, factor)
            )
        return self._constants[key]


def to_NCHW(images_NHWC: Tensor, *, channels_last: bool) -> Tensor:
    """Return the images with shape (N, C, H, W), in channels_last memory format or contiguous."""
    images_NCHW = images_NHWC.permute(0, 3, 1, 2)
    return images_NCHW if channels_last else images_NCHW.contiguous()


def _standardise_each(pixels: Tensor) -> Tensor:
    axes, size = (1, 2, 3), pixels[0].numel()
    centred = pixels - pixels.mean(axes, keepdim=True)
    std = centred.square().mean(axes, keepdim=True).sqrt()
    return centred / std.clamp(min=size**-0.5)


def _problems(kind: str, pixel_range: int, mean: Floats | None, std: Floats | None) -> Iterator[str]:
    if kind not in KINDS:
        yield f"normalise={kind!r} is none of {', '.join(KINDS)}"
    if isinstance(pixel_range, bool) or pixel_range not in _PIXEL_RANGES:
        yield f"pixel_range={pixel_range!r} is neither 1 nor 255"
    for name, values in (("mean", mean), ("std", std)):
        if values is None:
            continue
        if kind in ("none", "per-image"):
            yield f"{name} has no place in normalise={kind}"
        elif values.dtype.kind not in "iuf" or values.ndim not in (1, 3) or not values.size:
            yield f"{name} is {values.dtype} {values.shape}: no numbers of channels, no image of numbers"
        elif not np.isfinite(values).all():
            yield f"{name} has infinite numbers or NaN"
        elif name == "std" and values.min() <= 0:
            yield f"std has {values.min()}, which is not positive"


def _check_counts(channels: int, **given: Floats) -> None:
    wrong = [f"{name} has {len(v)}" for name, v in given.items() if len(v) not in (0, channels)]
    if wrong:
        raise UsageError(f"{' and '.join(wrong)} numbers, but the images have {channels} channels")


def _measure_channels(images: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Return mean and population standard deviation of each channel's pixels, by histogram."""
    values, channels = np.arange(256), images.shape[-1]
    histograms = np.zeros((channels, 256), np.int64)
    for chunk in np.array_split(images, max(1, images.nbytes >> 24)):  # 16 MiB at a time
        for channel in range(channels):
            histograms[channel] += np.bincount(chunk[..., channel].ravel(), minlength=256)
    counts, sums, squares = (histograms @ values**power for power in range(3))
    variances = [
        int(count) * int(square) - int(total) ** 2  # times count**2; passes 2**63
        for count, total, square in zip(counts, sums, squares, strict=True)
    ]
    return sums / counts, np.array([variance**0.5 for variance in variances]) / counts
