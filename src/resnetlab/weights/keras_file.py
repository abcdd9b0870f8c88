"""Keras' weight files as named tensors: .h5 of Keras 1 to 3, .weights.h5 and .keras of Keras 3.

The names become LAYER/LEAF with the leaves of today: kernel, bias, gamma, beta, moving_mean,
moving_variance. The extra `keras` (h5py) reads HDF5.
"""

import importlib.util
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from resnetlab.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    import h5py

# In the order in which a layer keeps them.
_LEAVES = {
    1: ("kernel",),
    2: ("kernel", "bias"),
    4: ("gamma", "beta", "moving_mean", "moving_variance"),
}


def read_keras(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a Keras file by LAYER/LEAF.

    Raises:
        UsageError: If h5py is not installed.
        CheckpointError: If the file is damaged or holds no weights.
    """
    if importlib.util.find_spec("h5py") is None:
        raise UsageError(
            f"{path}: Keras' files are HDF5, and h5py is not installed",
            hint='Install it: pip install "resnetlab[keras]".',
        )
    import h5py

    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = _names_by_group(json.loads(archive.read("config.json")))
                stream = io.BytesIO(archive.read("model.weights.h5"))
            with h5py.File(stream, "r") as file:
                tensors = dict(_new(file, names))
        else:
            with h5py.File(path, "r") as file:
                is_new = "layers" in file and "layer_names" not in file.attrs
                tensors = dict(_new(file, {}) if is_new else _old(file))
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: not a whole Keras file ({error})") from error
    if not tensors:
        raise CheckpointError(f"{path}: holds no weights")
    return tensors


def _old(file: "h5py.File") -> Iterator[tuple[str, Tensor]]:
    """Give the tensors of a file with a group for each layer that lists its weights in order."""
    root = file.get("model_weights", file)
    for layer in _texts(root, "layer_names"):
        weights = _texts(root[layer], "weight_names")
        leaves = _LEAVES.get(len(weights))
        if weights and leaves is None:
            raise ValueError(f"the layer {layer} has {len(weights)} weights: {', '.join(weights)}")
        for leaf, name in zip(leaves or (), weights, strict=True):
            yield f"{layer}/{leaf}", _tensor(root[layer][name])


def _texts(group: "h5py.Group", attribute: str) -> list[str]:
    """Return a list of names, which Keras stores in pieces where it is long."""
    found = group.attrs.get(attribute)
    if found is not None:
        parts = list(found)
    elif f"{attribute}0" in group.attrs:
        parts, piece = [], 0
        while (part := group.attrs.get(f"{attribute}{piece}")) is not None:
            parts += list(part)
            piece += 1
    else:
        raise ValueError(f"no {attribute} in {group.name}")
    return [part.decode() if isinstance(part, bytes) else str(part) for part in parts]


def _new(file: "h5py.File", names: dict[str, str]) -> Iterator[tuple[str, Tensor]]:
    """Give the tensors of Keras 3's layout: a group by class and count, its name in an attribute."""
    for key, group in file["layers"].items():
        weights = group.get("vars", {})
        if not len(weights):
            continue
        own = group["vars"].attrs.get("name", group.attrs.get("name"))
        layer = str(own) if own is not None else names.get(key, key)
        leaves = _LEAVES.get(len(weights))
        if leaves is None:
            raise ValueError(f"the layer {layer} has {len(weights)} weights")
        for index, leaf in enumerate(leaves):
            yield f"{layer}/{leaf}", _tensor(weights[str(index)])


def _names_by_group(config: dict[str, object]) -> dict[str, str]:
    """Return the layers' names by the names of their groups, which count each class."""
    inner = config.get("config")
    layers = inner.get("layers", []) if isinstance(inner, dict) else []
    groups: dict[str, str] = {}
    counts: dict[str, int] = {}
    for layer in layers:
        kind = _GROUPS.get(layer["class_name"])
        if kind is None:
            continue
        count = counts.get(kind, 0)
        groups[f"{kind}_{count}" if count else kind] = layer["config"]["name"]
        counts[kind] = count + 1
    return groups


_GROUPS = {"Conv2D": "conv2d", "BatchNormalization": "batch_normalization", "Dense": "dense"}


def _tensor(dataset: "h5py.Dataset") -> Tensor:
    return torch.from_numpy(dataset[()]).clone()
