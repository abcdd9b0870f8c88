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

import numpy as np
import torch
from torch import Tensor

from resnetlab.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    import h5py

_MOST_UNPACKED, _MOST_RATIO = 2**26, 100
# In the order in which a layer keeps them.
_MOST_OF_LAYER = 4
_LEAVES = {
    1: ("kernel",),
    2: ("kernel", "bias"),
    3: ("mean", "variance", "count"),  # of a Normalization layer
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
                names = _names_by_group(json.loads(_member(archive, "config.json")))
                stream = io.BytesIO(_member(archive, "model.weights.h5"))
            with h5py.File(stream, "r") as file:
                tensors = dict(_new(file, names))
        else:
            with h5py.File(path, "r") as file:
                is_new = "layers" in file and "layer_names" not in file.attrs
                tensors = dict(_new(file, {}) if is_new else _old(file))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error.args[0]}", hint=error.hint) from error
    except Exception as error:  # whatever a damaged file makes of h5py and zipfile
        cause = str(error).strip() or type(error).__name__
        raise CheckpointError(f"{path}: not a whole Keras file ({cause})") from error
    if not tensors:
        raise CheckpointError(f"{path}: holds no weights")
    return tensors


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a file of the archive."""
    facts = archive.getinfo(name)
    _refuse_bomb(name, facts.file_size, facts.compress_size)
    return archive.read(name)


def _refuse_bomb(name: str, num_bytes: int, stored: int) -> None:
    """Raise if so few bytes stand for so many that they can be no trained weights."""
    if num_bytes > _MOST_UNPACKED and num_bytes > _MOST_RATIO * stored:
        raise ValueError(f"{name} unpacks from {stored:,} to {num_bytes:,} bytes")


def _at(group: "h5py.Group", path: str) -> "h5py.Group | h5py.Dataset":
    """Return what lies in a group; links are not followed, as they can lead into other files."""
    import h5py

    found = group
    for part in path.strip("/").split("/"):
        if not isinstance(found, h5py.Group):
            raise ValueError(f"{found.name} is no group")
        if not isinstance(found.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{found.name} has no {part}, or a link")
        found = found[part]
    return found


def _group(group: "h5py.Group", path: str) -> "h5py.Group":
    """Return the group that lies in a group."""
    found = _at(group, path)
    if not hasattr(found, "keys"):
        raise ValueError(f"{found.name} is no group")
    return found


def _old(file: "h5py.File") -> Iterator[tuple[str, Tensor]]:
    """Give the tensors of a file with a group for each layer that lists its weights in order."""
    root = _group(file, "model_weights") if "model_weights" in file else file
    for layer in _texts(root, "layer_names"):
        group = _group(root, layer)
        weights = _texts(group, "weight_names")
        if len(weights) > _MOST_OF_LAYER and (inner := _inner_names(weights)):
            yield from ((f"{layer}/{own}", _tensor(_at(group, name))) for own, name in inner.items())
            continue
        leaves = _LEAVES.get(len(weights))
        if weights and leaves is None:
            raise _no_layer(layer, len(weights))
        for leaf, name in zip(leaves or (), weights, strict=True):
            yield f"{layer}/{leaf}", _tensor(_at(group, name))


def _inner_names(weights: list[str]) -> dict[str, str]:
    """Return the weights of a network within a network by LAYER/LEAF; empty if they are called otherwise."""
    found = {"/".join(name.partition(":")[0].split("/")[-2:]): name for name in weights}
    known = {leaf for leaves in _LEAVES.values() for leaf in leaves}
    is_clear = len(found) == len(weights) and all(
        "/" in own and own.rpartition("/")[2] in known for own in found
    )
    return found if is_clear else {}


def _no_layer(layer: str, count: int) -> CheckpointError:
    """Return the error of a layer with other weights than ours have, such as a network in a network."""
    return CheckpointError(
        f"its layer {layer} holds {count} tensors, as no layer of a ResNet does: it is a network of its own"
        " or of another kind",
        hint=f"Of a network within another: model.get_layer({layer!r}).save_weights(FILE), in Keras.",
    )


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


def _new(file: "h5py.Group", names: dict[str, str], within: str = "") -> Iterator[tuple[str, Tensor]]:
    """Give the tensors of Keras 3's layout: a group by class and count, its name in an attribute.

    A network within a network is a group with layers of its own: their names follow its own.
    """
    layers = _group(file, "layers")
    for key in layers:
        group = _group(layers, key)
        own = group.attrs.get("name", names.get(within + key))
        if "layers" in group:
            outer = str(own) if own is not None else key
            inner = _new(group, names, f"{within}{key}/")
            yield from ((f"{outer}/{name}", tensor) for name, tensor in inner)
            continue
        if "vars" not in group or not len(weights := _group(group, "vars")):
            continue
        own = weights.attrs.get("name", own)
        layer = str(own) if own is not None else key
        leaves = _LEAVES.get(len(weights))
        if leaves is None:
            raise _no_layer(layer, len(weights))
        for index, leaf in enumerate(leaves):
            yield f"{layer}/{leaf}", _tensor(_at(weights, str(index)))


def _names_by_group(config: dict[str, object], within: str = "") -> dict[str, str]:
    """Return the layers' names by the paths of their groups, which count each class."""
    inner = config.get("config")
    layers = inner.get("layers", []) if isinstance(inner, dict) else []
    groups: dict[str, str] = {}
    counts: dict[str, int] = {}
    for layer in layers:
        kind = _GROUPS.get(layer["class_name"])
        if kind is None:
            continue
        count = counts.get(kind, 0)
        group = f"{within}{kind}_{count}" if count else f"{within}{kind}"
        groups[group] = layer["config"]["name"]
        groups |= _names_by_group(layer, f"{group}/")
        counts[kind] = count + 1
    return groups


_GROUPS = {
    "Conv2D": "conv2d",
    "BatchNormalization": "batch_normalization",
    "Dense": "dense",
    "Functional": "functional",
    "Sequential": "sequential",
}


def _tensor(dataset: "h5py.Group | h5py.Dataset") -> Tensor:
    import h5py

    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiu":
        raise ValueError(f"{dataset.name} is no numbers")
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{dataset.name} lies in another file")
    _refuse_bomb(dataset.name, dataset.nbytes, dataset.id.get_storage_size())
    return torch.from_numpy(np.asarray(dataset[()])).clone()
