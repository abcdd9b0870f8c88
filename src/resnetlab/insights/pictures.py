"""Small pictures for a page: of what a network saw, of heat over it, of the filters of its first layer."""

import io
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from resnetlab.data.images.geometry import Pixels, to_picture

_SMALL = 64
"""The longer side up to which a picture is shown by its pixels, enlarged, and without loss."""
_ENLARGED = 96
_LARGE = 160
"""Pixels of the longer side of the others at most; a page shows them at two thirds of it."""
_QUALITY = 82

_INFERNO = bytes.fromhex(
    "0000040403120b0724150b37210c4a2f0a5b3d09654a0c6b57106e64156e71196e7d1e6d8a226a972766a32c61b0315bbc3"
    "754c73e4cd24644db503be45a31eb6628f1731df68013f98e09fb9d07fcac11fbbc21f9cb35f5db4cf2ea69f3f68afcffa4"
)
"""Every eighth colour of matplotlib's "inferno": between them a straight line is off by 4 of 255 at most."""

Floats = npt.NDArray[np.floating]


class Picture(NamedTuple):
    """A file's content."""

    suffix: str
    """.png or .jpg."""
    content: bytes


def over(pixels: Pixels, heat_HW: Floats, strength: float) -> Pixels:
    """Return a picture under the colours of a map, uint8 (H, W, 3).

    Args:
        pixels: Uint8 (H, W, C).
        heat_HW: From 0 to 1.
        strength: Share of the colour where the map is 1; where it is 0 the picture stays.
    """
    anchors = np.frombuffer(_INFERNO, np.uint8).reshape(-1, 3)
    places = np.linspace(0, 1, len(anchors))
    colors = np.stack([np.interp(heat_HW, places, anchors[:, channel]) for channel in range(3)], axis=-1)
    picture = np.broadcast_to(pixels, (*heat_HW.shape, 3)).astype(np.float64)
    share = strength * heat_HW[..., None]
    mixed: Pixels = np.rint(picture * (1 - share) + colors * share).astype(np.uint8)
    return mixed


def pictured(pixels: Pixels) -> Picture:
    """Return a picture, uint8 (H, W, C), as a small file: tiny ones by their pixels, others made smaller."""
    image = to_picture(pixels)
    longer = max(image.size)
    if longer <= _SMALL:
        times = -(-_ENLARGED // longer)
        size = (image.width * times, image.height * times)
        return Picture(".png", _encoded(image.resize(size, Image.Resampling.NEAREST), "PNG"))
    if longer > _LARGE:
        image.thumbnail((_LARGE, _LARGE), Image.Resampling.LANCZOS)
    return Picture(".jpg", _encoded(image, "JPEG", quality=_QUALITY))


def filters_picture(weights_OCHW: Floats) -> Picture | None:
    """Return the filters of a first layer side by side, each scaled to its own range.

    None, if their channels are neither one nor the three colours: then there is nothing to see.
    """
    count, channels, height, width = weights_OCHW.shape
    if channels not in (1, 3):
        return None
    low = weights_OCHW.min((1, 2, 3), keepdims=True)
    span = np.maximum(weights_OCHW.max((1, 2, 3), keepdims=True) - low, 1e-12)
    tiles_NHWC = np.rint(255 * (weights_OCHW - low) / span).astype(np.uint8).transpose(0, 2, 3, 1)
    times = max(1, _FILTER // max(height, width))
    columns = min(count, 16 if count >= 32 else 8)
    rows = -(-count // columns)
    step_y, step_x = height * times + _GAP, width * times + _GAP
    sheet = np.zeros((rows * step_y - _GAP, columns * step_x - _GAP, 4), np.uint8)  # clear between them
    for index, tile in enumerate(tiles_NHWC.repeat(times, 1).repeat(times, 2)):
        top, left = index // columns * step_y, index % columns * step_x
        sheet[top : top + height * times, left : left + width * times, :3] = tile
        sheet[top : top + height * times, left : left + width * times, 3] = 255
    return Picture(".png", _encoded(Image.fromarray(sheet), "PNG"))


_FILTER = 40
"""Pixels of the side of a filter, at most."""
_GAP = 4


def _encoded(image: Image.Image, kind: str, **how: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **how)
    return stream.getvalue()
