"""What a Keras model's configuration says that its weights do not: pools, activations, layers without any.

`model.save` keeps the configuration; a file of weights alone has none.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from resnetlab.weights.facts.keras_pixels import NODES, Layer, changes_pixels, of_pixels, words_of
from resnetlab.weights.facts.normalisers import OwnImages

# Layers that compute something in evaluation, and that no network of ours has in such a place.
_OTHERS = re.compile(
    r"GlobalMaxPooling2D|GlobalMaxPool2D|Rescaling|Resizing|CenterCrop|Lambda|TFOpLambda|SlicingOpLambda"
    r"|\w*(LeakyReLU|LeakyRelu|PReLU|ELU|ThresholdedReLU|Softplus|Swish|GELU|Gelu)"
    r"|(Unit|Layer|Group|Spectral)?Normalization|Multiply|Subtract|Divide|TrueDivide|GetItem|Concatenate|Average"
    r"|Maximum|Minimum|Dot|Attention|MultiHeadAttention|(Depthwise|Separable)Conv2D|UpSampling2D"
)
_LINEAR = (None, "linear")
_MOST_DEPTH = 8


def heed_configuration(
    configuration: object, tensors: Mapping[str, Tensor]
) -> tuple[OwnImages | None, tuple[str, ...]]:
    """Return what a file's own configuration says beyond its weights.

    Args:
        configuration: As JSON has it; None if the file has none.
        tensors: Its own, by LAYER/LEAF: a Normalization keeps its numbers there.

    Returns:
        What becomes of pixels before the first convolution, None if nothing does; and what no network
        of ours computes, in words. Nothing of both if the file has no configuration, or one that is not
        understood.
    """
    layers = [*_layers(configuration, 0)]
    first = next((index for index, (kind, *_) in enumerate(layers) if kind == "Conv2D"), 0)
    before = [layer for layer in layers[:first] if changes_pixels(layer[0])]
    images = of_pixels(before, tensors)
    if images is not None and images.is_known:
        layers, before = layers[first:], []
    found = [*map(words_of, before), *_otherwise(layers)]
    return images, tuple(dict.fromkeys(found))


def _otherwise(layers: Sequence[Layer]) -> Iterator[str]:
    """Give what no network of ours computes, in words."""
    yield from (words_of(layer) for layer in layers if _OTHERS.fullmatch(layer[0]))
    for kind, layer, config in layers:
        activation = _activation(config.get("activation"))
        if kind == "Dense" and activation not in (*_LINEAR, "softmax"):
            if not (activation == "sigmoid" and config.get("units") == 1):
                yield f"{layer} (Dense with {activation})"
        elif kind == "Conv2D" and activation not in _LINEAR:
            yield f"{layer} (Conv2D with {activation})"
        elif kind == "Conv2D" and config.get("dilation_rate") not in (None, 1, [1, 1]):
            yield f"{layer} (Conv2D, dilated)"
        elif kind == "Activation" and activation not in (*_LINEAR, "relu", "softmax", "sigmoid"):
            yield f"{layer} (Activation {activation})"


def _activation(given: object) -> str | None:
    """Return an activation's name, which may be an object with its own configuration."""
    if isinstance(given, Mapping):
        given = given.get("class_name")
    return given if isinstance(given, str) or given is None else str(given)


def _layers(config: object, depth: int) -> Iterator[Layer]:
    """Give class, name and configuration of each layer, those of models within models too."""
    inner = config.get("config") if isinstance(config, Mapping) else None
    listed = inner.get("layers") if isinstance(inner, Mapping) else inner  # a list in Keras 1
    if depth > _MOST_DEPTH or not isinstance(listed, list):
        return
    for each in listed:
        own = each.get("config") if isinstance(each, Mapping) else None
        if isinstance(own, Mapping):
            called = {NODES: each.get(NODES)}
            yield str(each.get("class_name", "")), str(own.get("name", "")), {**own, **called}
        yield from _layers(each, depth + 1)
