"""What a Keras model's configuration says that its weights do not: pools, activations, layers without any.

`model.save` keeps the configuration; a file of weights alone has none.
"""

import importlib.util
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from resnetlab.weights.normalisers import OwnImages

_Layer = tuple[str, str, Mapping[str, Any]]
"""Class, name, configuration."""
_Numbers = npt.NDArray[np.float64]

# Layers that compute something in evaluation, and that no network of ours has in such a place.
_OTHERS = re.compile(
    r"GlobalMaxPooling2D|GlobalMaxPool2D|Rescaling|Resizing|CenterCrop|Lambda|TFOpLambda|SlicingOpLambda"
    r"|\w*(LeakyReLU|LeakyRelu|PReLU|ELU|ThresholdedReLU|Softplus|Swish|GELU|Gelu)"
    r"|(Unit|Layer|Group|Spectral)?Normalization|Multiply|Subtract|Divide|TrueDivide|GetItem|Concatenate|Average"
    r"|Maximum|Minimum|Dot|Attention|MultiHeadAttention|(Depthwise|Separable)Conv2D|UpSampling2D"
)
_LINEAR = (None, "linear")
_MOST_DEPTH = 8


def heed_configuration(path: Path, tensors: Mapping[str, Tensor]) -> tuple[OwnImages | None, tuple[str, ...]]:
    """Return what the file's own configuration says beyond its weights.

    Args:
        path: The file.
        tensors: Its own, by LAYER/LEAF: a Normalization keeps its numbers there.

    Returns:
        What becomes of pixels before the first convolution, None if nothing does; and what no network
        of ours computes, in words. Nothing of both if the file has no configuration, or one that is not
        understood.
    """
    layers = [*_layers(_configuration(path), 0)]
    first = next((index for index, (kind, *_) in enumerate(layers) if kind == "Conv2D"), 0)
    before = [layer for layer in layers[:first] if not _OF_NO_PIXEL.fullmatch(layer[0])]
    images = _of_pixels(before, tensors)
    if images is not None and images.is_known:
        layers, before = layers[first:], []
    found = [*(_words(layer) for layer in before), *_otherwise(layers)]
    return images, tuple(dict.fromkeys(found))


def _words(layer: _Layer) -> str:
    return f"{layer[1]} ({layer[0]})"


def _otherwise(layers: Sequence[_Layer]) -> Iterator[str]:
    """Give what no network of ours computes, in words."""
    yield from (_words(layer) for layer in layers if _OTHERS.fullmatch(layer[0]))
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


# Before the first convolution: what leaves pixels as they are in evaluation.
_OF_NO_PIXEL = re.compile(
    r"InputLayer|Functional|Model|Sequential|ZeroPadding2D|Identity|\w*Dropout|Gaussian(Noise|Blur)|Rand[Aa]\w+"
    r"|Random\w+|AugMix|AutoContrast|CutMix|MixUp|Equalization|Solarization"
)


def _of_pixels(layers: Sequence[_Layer], tensors: Mapping[str, Tensor]) -> OwnImages | None:
    """Return what these layers, one after the other, make of pixels; None if there are none of them."""
    if not layers:
        return None
    words = ", ".join(map(_words, layers))
    factor, offset = np.ones(1), np.zeros(1)
    names: list[str] = []
    for kind, layer, config in layers:
        if kind == "Rescaling":
            step = _numbers(config.get("scale", 1)), _numbers(config.get("offset", 0))
        elif kind == "Normalization" and not config.get("invert"):
            mean, variance, own = _statistics(layer, config, tensors)
            std = np.maximum(np.sqrt(np.maximum(variance, 0)), 1e-7)  # as Keras has it
            step, names = (1 / std, -mean / std), [*names, *own]
        else:
            return OwnImages(words=words)
        factor, offset = factor * step[0], offset * step[0] + step[1]
    if not (np.isfinite([*factor, *offset]).all() and factor.min() > 0):
        return OwnImages(words=words)
    return OwnImages.of([*(-offset / factor)], [*(1 / factor)], words, names=tuple(names))


def _statistics(
    layer: str, config: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> tuple[_Numbers, _Numbers, list[str]]:
    """Return a Normalization's mean and variance, and the tensors that hold them; NaN if they are nowhere."""
    own = [name for name in tensors if f"/{name}".rpartition("/")[0].endswith(f"/{layer}")]
    held = {name.rpartition("/")[2]: tensors[name].flatten().tolist() for name in own}
    given = (config.get("mean"), config.get("variance"))
    mean, variance = (
        held.get(leaf) if each is None else each for leaf, each in zip(_HELD, given, strict=True)
    )
    return _numbers(mean), _numbers(variance), own


_HELD = ("mean", "variance")


def _numbers(given: object) -> _Numbers:
    """Return one number, or one for each channel; NaN if it is anything else."""
    try:
        found = np.asarray(given, np.float64).flatten()
    except (TypeError, ValueError):
        return np.full(1, np.nan)
    return found if found.size in (1, 3) else np.full(1, np.nan)


def _activation(given: object) -> str | None:
    """Return an activation's name, which may be an object with its own configuration."""
    if isinstance(given, Mapping):
        given = given.get("class_name")
    return given if isinstance(given, str) or given is None else str(given)


def _layers(config: object, depth: int) -> Iterator[_Layer]:
    """Give class, name and configuration of each layer, those of models within models too."""
    inner = config.get("config") if isinstance(config, Mapping) else None
    listed = inner.get("layers") if isinstance(inner, Mapping) else inner  # a list in Keras 1
    if depth > _MOST_DEPTH or not isinstance(listed, list):
        return
    for each in listed:
        own = each.get("config") if isinstance(each, Mapping) else None
        if isinstance(own, Mapping):
            yield str(each.get("class_name", "")), str(own.get("name", "")), own
        yield from _layers(each, depth + 1)


def _configuration(path: Path) -> object:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return json.loads(archive.read("config.json"))
        if importlib.util.find_spec("h5py") is None:
            return None
        import h5py

        with h5py.File(path, "r") as file:
            return json.loads(file.attrs.get("model_config", "null"))
    except Exception:  # whatever a damaged file makes of h5py and zipfile; who reads its tensors says so
        return None
