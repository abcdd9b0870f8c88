"""Small pictures to be looked at on a page or in a notebook."""

import io

from PIL import Image

from resnetlab.data.images.geometry import Pixels, to_picture


def thumbnail(pixels: Pixels, side: int) -> tuple[bytes, bool]:
    """Return a PNG of no more than `side` pixels each way, and whether it is one to be enlarged.

    Args:
        pixels: Uint8 (H, W, 1 or 3).
        side: The most pixels of the longer side; a smaller picture stays as it is.
    """
    picture = to_picture(pixels)
    is_small = max(picture.size) < side
    if not is_small:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue(), is_small
