"""Training images as the network is shown them: augmented, mixed, normalised, the first ones of a batch."""

import io

from PIL import Image
from torch import Tensor

_SIDE = 1024
"""Pixels of a picture's side, as far as whole images fit; of one image at least."""

_COLUMNS = 8


def shown_of(images_NCHW: Tensor) -> Tensor:
    """Return the first images of a batch that a picture has room for, at most eight times eight."""
    columns = _columns(images_NCHW)
    return images_NCHW[: columns**2]


def grid_of(images_NCHW: Tensor) -> bytes:
    """Return a PNG of them in rows, each image from its smallest number, black, to its largest, white.

    What is constant is black. Of images with other than one or three channels the first channel is shown.
    """
    columns = _columns(images_NCHW)
    images = shown_of(images_NCHW).detach().float().cpu()
    if images.shape[1] != 3:
        images = images[:, :1]
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    pixels = ((images - low) / (high - low).clamp(min=1e-12) * 255).round().byte().permute(0, 2, 3, 1)
    count, height, width, channels = pixels.shape
    rows = -(-count // columns)
    page = Image.new("L" if channels == 1 else "RGB", (columns * width, rows * height))
    for number, each in enumerate(pixels):
        tile = Image.fromarray((each[..., 0] if channels == 1 else each).numpy())
        page.paste(tile, (number % columns * width, number // columns * height))
    stream = io.BytesIO()
    page.save(stream, "PNG")
    return stream.getvalue()


def _columns(images_NCHW: Tensor) -> int:
    side = max(images_NCHW.shape[-2:])
    return max(1, min(_COLUMNS, _SIDE // side, int(len(images_NCHW) ** 0.5) or 1))
