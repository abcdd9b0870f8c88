"""Keras' weight files as named tensors: .h5 of Keras 1 to 3, .weights.h5 and .keras of Keras 3.

The names become LAYER/LEAF with the leaves of today: kernel, bias, gamma, beta, moving_mean,
moving_variance. The extra `keras` (h5py) reads HDF5.
"""

import contextlib
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from resnetlab.base import files
from resnetlab.base.reading.hdf5 import ROOM_HINT, Dataset, Group, can_read_hdf5, read_hdf5
from resnetlab.base.reading.plain import look_at, parse_foreign_json, refuse_more
from resnetlab.errors import CheckpointError, UsageError, WriteError

_CONFIGURATION, _WEIGHTS = "config.json", "model.weights.h5"
_PIECE = 2**20
# In the order in which a layer keeps them.
_MOST_OF_LAYER = 4
_LEAVES = {
    1: ("kernel",),
    2: ("kernel", "bias"),
    3: ("mean", "variance", "count"),  # of a Normalization layer
    4: ("gamma", "beta", "moving_mean", "moving_variance"),
}


@dataclass(frozen=True)
class KerasFile:
    """What a Keras file holds."""

    tensors: dict[str, Tensor]
    """By LAYER/LEAF."""
    configuration: Any
    """Of the network, as JSON has it; None in a file of weights alone."""
    described: dict[str, Any]
    """The class names and the preprocessing in an export of ours; empty in another's."""


def read_keras(path: Path) -> KerasFile:
    """Return what a Keras file holds.

    Raises:
        UsageError: If h5py is not installed.
        CheckpointError: If the file is damaged or holds no weights.
        WriteError: If the folder for temporary files is too full for what is read by way of it.
    """
    if not can_read_hdf5():
        raise UsageError(
            f"{path}: Keras' files are HDF5, and h5py is not installed",
            hint='Install it: pip install "resnetlab[keras]".',
        )
    try:
        look_at(path)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                configuration = parse_foreign_json(archive.read(_checked(archive, _CONFIGURATION)).decode())
                root = _unpacked(archive)
            found = _new(root, _names_by_group(configuration))
        else:
            root = read_hdf5(path)
            configuration = _json(root.texts.get("model_config"))
            is_new = "layers" in root.members and "layer_names" not in root.texts
            found = _new(root, {}) if is_new else _old(root)
        tensors = dict(_within(path.stat().st_size, found))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error.args[0]}", hint=error.hint) from error
    except WriteError as error:
        raise WriteError(f"{path}: {error.args[0]}", hint=ROOM_HINT) from error
    except Exception as error:  # whatever a damaged file makes of zipfile, and of what it says
        cause = str(error).strip() or type(error).__name__
        raise CheckpointError(f"{path}: not a whole Keras file ({cause})") from error
    if not tensors:
        raise CheckpointError(f"{path}: holds no weights")
    return KerasFile(tensors, configuration, _described(root))


def _within(size: int, tensors: Iterator[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """Give tensors as long as a file of so many bytes can hold them: links may give one a thousand names."""
    taken = 0
    for name, tensor in tensors:
        taken += tensor.nbytes
        refuse_more(taken, size, "its tensors")
        yield name, tensor


def _checked(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return a file of the archive, which unpacks to no more than weights can."""
    facts = archive.getinfo(name)
    refuse_more(facts.file_size, facts.compress_size, name)
    return facts


def _unpacked(archive: zipfile.ZipFile) -> Group:
    """Return the weights in an archive."""
    facts = _checked(archive, _WEIGHTS)
    with tempfile.TemporaryDirectory(prefix="resnetlab-") as folder, archive.open(facts) as stream:
        own = Path(folder) / _WEIGHTS
        files.write_part(own, iter(lambda: stream.read(_PIECE), b""))
        return read_hdf5(own)


def _json(text: object) -> Any:
    """Return what a text in the file says as JSON, None if it says nothing."""
    with contextlib.suppress(ValueError):
        return parse_foreign_json(text) if isinstance(text, str) else None
    return None


_PARTS = ("class_names", "preprocessing")
_GROUP = "resnetlab"


def _described(root: Group) -> dict[str, Any]:
    group = root.members.get(_GROUP)
    found = group.members if isinstance(group, Group) else {}
    texts = {part: each.text for part in _PARTS if isinstance(each := found.get(part), Dataset)}
    return {part: parsed for part, text in texts.items() if (parsed := _json(text)) is not None}


def _old(file: Group) -> Iterator[tuple[str, Tensor]]:
    """Give the tensors of a file with a group for each layer that lists its weights in order."""
    root = file.group("model_weights") if "model_weights" in file.members else file
    for layer in _texts(root, "layer_names"):
        group = root.group(layer)
        weights = _texts(group, "weight_names")
        if len(weights) > _MOST_OF_LAYER and (inner := _inner_names(weights)):
            yield from ((f"{layer}/{own}", _tensor(group, name)) for own, name in inner.items())
            continue
        leaves = _LEAVES.get(len(weights))
        if weights and leaves is None:
            raise _no_layer(layer, len(weights))
        for leaf, name in zip(leaves or (), weights, strict=True):
            yield f"{layer}/{leaf}", _tensor(group, name)


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


def _texts(group: Group, attribute: str) -> list[str]:
    """Return a list of names, which Keras stores in pieces where it is long."""
    if attribute in group.texts:
        return [*group.texts[attribute]]
    pieces: list[str] = []
    count = 0
    while (part := group.texts.get(f"{attribute}{count}")) is not None:
        pieces += part
        count += 1
    if not count:
        raise ValueError(f"no {attribute} in {group.name}")
    return pieces


def _new(file: Group, names: dict[str, str], within: str = "") -> Iterator[tuple[str, Tensor]]:
    """Give the tensors of Keras 3's layout: a group by class and count, its name in an attribute.

    A network within a network is a group with layers of its own: their names follow its own.
    """
    layers = file.group("layers")
    for key in layers.members:
        group = layers.group(key)
        own = group.texts.get("name", names.get(within + key))
        if "layers" in group.members:
            outer = str(own) if own is not None else key
            inner = _new(group, names, f"{within}{key}/")
            yield from ((f"{outer}/{name}", tensor) for name, tensor in inner)
            continue
        if "vars" not in group.members or not (weights := group.group("vars")).members:
            continue
        own = weights.texts.get("name", own)
        layer = str(own) if own is not None else key
        leaves = _LEAVES.get(len(weights.members))
        if leaves is None:
            raise _no_layer(layer, len(weights.members))
        for index, leaf in enumerate(leaves):
            yield f"{layer}/{leaf}", _tensor(weights, str(index))


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


def _tensor(group: Group, name: str) -> Tensor:
    return torch.from_numpy(np.array(group.array(name)))
