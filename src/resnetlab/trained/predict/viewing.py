"""Which views of an image a trained network can be shown, by its size, its stride and its normalisation."""

import math

from resnetlab.data.batches.preprocessing import Preprocessing
from resnetlab.errors import UsageError
from resnetlab.evaluation.views import MULTISCALE, TEN_CROP, Views, views_of
from resnetlab.network.layers import Conv, Pool
from resnetlab.network.spec import ModelSpec
from resnetlab.trained.artefact.model import Description


def views_for(
    name: str, description: Description, preprocessing: Preprocessing, *, takes_any_size: bool
) -> Views | None:
    """Return the views of this name for a trained network, see `evaluation.views`; None for the single one.

    Args:
        name: One of `evaluation.views.VIEWS`.
        description: Of the network.
        preprocessing: Of its images.
        takes_any_size: Whether it can be given images of other sizes than its own.

    Raises:
        UsageError: If there are no views of this name, or they make no sense for this network.
    """
    height, width, channels = description.image_shape
    resize = preprocessing.geometry.resize
    views = views_of(name, side=height, resize=resize, stride=stride_of(description.spec))
    if views is None:
        return None
    if height != width:
        raise UsageError(
            f"views={name}: they are squares, and {description.origin} takes {width}x{height} pixels"
        )
    if name == MULTISCALE and not takes_any_size:
        raise UsageError(
            f"views={name}: {description.origin} is a graph for images of {width}x{height} pixels",
            hint=f"Take the run or the model folder that it was exported from, or views={TEN_CROP}.",
        )
    if name == MULTISCALE and not preprocessing.normaliser.fits((height + 1, width, channels)):
        raise UsageError(
            f"views={name}: {description.origin} subtracts a mean image of {width}x{height} pixels; there is"
            " none of other sizes",
            hint=f"Its normalisation is {preprocessing.normaliser.kind}; views={TEN_CROP} are of that size.",
        )
    return views


def stride_of(spec: ModelSpec) -> int:
    """Return by how many pixels of the image two neighbouring places of the last maps lie apart."""
    stem = (layer.stride for layer in spec.plan().stem if isinstance(layer, Conv | Pool))
    return math.prod((*stem, *spec.strides))


def refuse_long_images(spec: ModelSpec, views: Views) -> None:
    """Raise UsageError if images that are no squares cannot be brought to the views' sizes for a network.

    Average pooling without padding, as one original's shortcuts have it, takes even sizes only.
    """
    if views.crop:
        return
    try:
        spec.shapes(views.sides[0], views.sides[0] + 1)
    except UsageError as error:
        raise UsageError(
            f"views={views.name}: whole images have any size, {spec.name} does not take any: {error.args[0]}",
            hint=f"views={TEN_CROP} are squares; so are whole images of datasets that are kept in memory.",
        ) from error
