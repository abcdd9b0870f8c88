"""A network for images of another size than it was trained on: its layers take every size."""

from dataclasses import replace

from resnetlab.data.batches.preprocessing import Geometry
from resnetlab.errors import UsageError
from resnetlab.trained.artefact.model import Artefact

WITH_SIZE = ("onnx", "torch-export", "triton", "folder", "safetensors", "hf")
"""Targets that hold the images' size."""


def resized(artefact: Artefact, side: int) -> tuple[Artefact, str]:
    """Return the network for square images of so many pixels a side, and what became of its preprocessing.

    The shorter side is resized in the proportion that it was before.

    Raises:
        UsageError: If the side is no number of pixels, its strides do not allow it, or the network's
            mean image has a size.
    """
    if side < 1:
        raise UsageError(f"a size of {side} is no number of pixels")
    _refuse_mean_image(artefact, f"{side} px")
    *_, channels = artefact.image_shape
    artefact.spec.shapes(side, side)
    own = artefact.preprocessing.geometry
    resize = round(own.resize * side / own.side) if own.side else side
    geometry = Geometry(side, resize, own.interpolation, own.uses_draft)
    note = f"images of {side} px: the shorter side to {resize} px, the square in the middle"
    if own.side:
        note += f", as {own.resize} and {own.side} px before"
    preprocessing = replace(artefact.preprocessing, geometry=geometry)
    return replace(artefact, preprocessing=preprocessing, image_shape=(side, side, channels)), note


def any_size(artefact: Artefact) -> list[tuple[int, int]]:
    """Return the sizes, as (height, width), at which a graph for images of every size is compared.

    Raises:
        UsageError: If the network's mean image has a size.
    """
    _refuse_mean_image(artefact, "every size")
    height, width, _ = artefact.image_shape
    return [(height, width), (height + 32, width + 64), (height + 64, width + 64)]


def _refuse_mean_image(artefact: Artefact, wanted: str) -> None:
    mean = artefact.preprocessing.normaliser.mean
    if mean is not None and mean.ndim == 3:
        height, width = mean.shape[:2]
        raise UsageError(
            f"the network takes its mean image of {width}x{height} px off: none for {wanted}",
            hint="Without --size it is exported for that size.",
        )
