"""TensorFlow's bilinear resizing, restated."""

import numpy as np
import numpy.typing as npt


def restated_tf_bilinear(pixels: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """One pixel at a time, as the kernel's loops have it, in float32."""
    height, width, channels = pixels.shape
    out = np.zeros((*size, channels), np.float32)
    for y in range(size[0]):
        for x in range(size[1]):
            place_y = np.float32(y) * (np.float32(height) / np.float32(size[0]))
            place_x = np.float32(x) * (np.float32(width) / np.float32(size[1]))
            top, left = int(place_y), int(place_x)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            share_y, share_x = place_y - np.float32(top), place_x - np.float32(left)
            for c in range(channels):
                values = [np.float32(pixels[i, j, c]) for i in (top, bottom) for j in (left, right)]
                above = values[0] + (values[1] - values[0]) * share_x
                below = values[2] + (values[3] - values[2]) * share_x
                out[y, x, c] = above + (below - above) * share_y
    return out
