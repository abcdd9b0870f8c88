"""What a Keras model's configuration says that its weights do not: pools, activations, layers without any.

`model.save` keeps the configuration; a file of weights alone has none.
"""

import importlib.util
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# Layers that compute something in evaluation, and that no network of ours has in such a place.
_OTHERS = re.compile(
    r"GlobalMaxPooling2D|GlobalMaxPool2D|Rescaling|Resizing|CenterCrop|Lambda|TFOpLambda|SlicingOpLambda"
    r"|\w*(LeakyReLU|LeakyRelu|PReLU|ELU|ThresholdedReLU|Softplus|Swish|GELU|Gelu)|UnitNormalization"
    r"|(Layer|Group|Spectral)Normalization|Multiply|Subtract|Divide|TrueDivide|GetItem|Concatenate|Average"
    r"|Maximum|Minimum|Dot|Attention|MultiHeadAttention|(Depthwise|Separable)Conv2D|UpSampling2D"
)
_LINEAR = (None, "linear")
_MOST_DEPTH = 8


def computes_otherwise(path: Path) -> tuple[str, ...]:
    """Return what the file's own configuration says that no network of ours computes, in words.

    Nothing if the file has no configuration, or one that is not understood.
    """
    layers = [*_layers(_configuration(path), 0)]
    found = [f"{layer} ({kind})" for kind, layer, _ in layers if _OTHERS.fullmatch(kind)]
    for kind, layer, config in layers:
        activation = _activation(config.get("activation"))
        if kind == "Dense" and activation not in (*_LINEAR, "softmax"):
            if not (activation == "sigmoid" and config.get("units") == 1):
                found.append(f"{layer} (Dense with {activation})")
        elif kind == "Conv2D" and activation not in _LINEAR:
            found.append(f"{layer} (Conv2D with {activation})")
        elif kind == "Conv2D" and config.get("dilation_rate") not in (None, 1, [1, 1]):
            found.append(f"{layer} (Conv2D, dilated)")
        elif kind == "Activation" and activation not in (*_LINEAR, "relu", "softmax", "sigmoid"):
            found.append(f"{layer} (Activation {activation})")
    return tuple(dict.fromkeys(found))


def _activation(given: object) -> str | None:
    """Return an activation's name, which may be an object with its own configuration."""
    if isinstance(given, Mapping):
        given = given.get("class_name")
    return given if isinstance(given, str) or given is None else str(given)


def _layers(config: object, depth: int) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
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
