"""An .h5 file that Keras loads: weights for keras.applications or its example for CIFAR-10, or a whole model.

Keras' ResNets have biases before BN and a BN constant of their own (made up for in the running
variance); v1's first convolution in keras.applications reads blue, green, red.
"""

import importlib.util
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from torch import Tensor

from resnetlab.errors import UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.trained.artefact.card import describe_preprocessing
from resnetlab.trained.artefact.model import Artefact
from resnetlab.trained.export.fitting import fit
from resnetlab.trained.export.keras_model import KerasModel, keras_model
from resnetlab.weights.namings.keras_applications import keras_layers, keras_v1_spec, keras_v2_spec
from resnetlab.weights.namings.keras_example import keras_example_names
from resnetlab.weights.recognising import followed_by_norm

if TYPE_CHECKING:
    import h5py

_DEPTHS = (50, 101, 152)
_CANDIDATES = {
    **{f"ResNet{depth}": keras_v1_spec(depth) for depth in _DEPTHS},
    **{f"ResNet{depth}V2": keras_v2_spec(depth) for depth in _DEPTHS},
}
_EXAMPLES_STAGES, _EXAMPLES_POOL = 3, 8
# Keras' v2 has no bias in the first two convolutions of a unit, which a BN follows.
_BARE = ("_1_conv", "_2_conv")
_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


@dataclass(frozen=True)
class KerasNetwork:
    """A network as Keras has it."""

    spec: ModelSpec
    """With Keras' constants."""
    tensors: Mapping[str, Tensor]
    """By our names, for that."""
    layers: tuple[tuple[str, str], ...]
    """(their layer, ours), as `model.layers` of Keras has them."""
    call: str
    """What takes the file in Keras; {} stands for the file's name."""
    notes: tuple[str, ...]
    """What must be known of it there."""
    model: KerasModel | None = None
    """Its configuration, if the file is a whole model."""
    is_reversed: bool = False
    """Whether its channels come as blue, green, red."""
    lines: tuple[str, ...] = ()
    """Of Python, that make `network` of the file; {} stands for it."""


def for_keras(artefact: Artefact) -> KerasNetwork:
    """Return the network for keras.applications or for Keras' example, whose it is.

    Raises:
        UsageError: If Keras has no such network.
    """
    if len(artefact.spec.blocks) == _EXAMPLES_STAGES:
        return _for_example(artefact)
    name, tensors = fit(artefact, _CANDIDATES, "keras.applications")
    for conv, norm in followed_by_norm(artefact.spec).items():
        if (bias := tensors.get(f"{conv}.bias")) is not None:
            tensors[f"{norm}.running_mean"] = tensors[f"{norm}.running_mean"] - bias
            tensors[f"{conv}.bias"] = bias.new_zeros(bias.shape)
    spec = _with_own_sizes(_CANDIDATES[name], artefact)
    sides = ', classifier_activation="sigmoid"' if spec.classes == 1 else ""  # softmax of one is always 1
    order = "blue, green, red, as in all ResNets of Keras" if spec.order == "post" else "red, green, blue"
    return KerasNetwork(
        spec,
        tensors,
        keras_layers(spec),
        f"keras.applications.{name}(weights={{}}, classes={spec.classes}{sides})",
        (f"its input: {describe_preprocessing(artefact.preprocessing)}; the channels are {order}",),
        is_reversed=spec.order == "post",
        lines=(
            f"network = keras.applications.{name}(weights={{}}, classes={spec.classes}{sides},"
            f" input_shape={artefact.image_shape})",
        ),
    )


def _for_example(artefact: Artefact) -> KerasNetwork:
    """Return the network for examples/cifar10_resnet.py, biases and all; see `for_keras`."""
    units = artefact.spec.blocks[0]
    depths = {
        f"keras_resnet{6 * units + 2}v1": 6 * units + 2,
        f"keras_resnet{9 * units + 2}v2": 9 * units + 2,
    }
    candidates = {name: model_spec(name) for name in depths}
    name, tensors = fit(artefact, candidates, "Keras' example cifar10_resnet.py")
    spec = _with_own_sizes(candidates[name], artefact)
    version, shape = name[-2:], artefact.image_shape
    call = f"resnet_{version}(input_shape={shape}, depth={depths[name]}, num_classes={spec.classes})"
    given = describe_preprocessing(artefact.preprocessing)
    return KerasNetwork(
        spec,
        tensors,
        tuple(keras_example_names(spec.plan())),
        f"of Keras' example cifar10_resnet.py {call}.load_weights({{}})",
        (f"its input: {given}; the channels are red, green, blue", *_changes_of_example(spec, shape)),
        lines=(
            f"network = {call}  # resnet_{version} is of Keras' example cifar10_resnet.py",
            "network.load_weights({})",
        ),
    )


def for_keras_cifar10(artefact: Artefact) -> KerasNetwork:
    """Return the whole model that Keras' example saves of this network.

    Raises:
        UsageError: If it is none of the example's networks.
    """
    if len(artefact.spec.blocks) != _EXAMPLES_STAGES:
        raise UsageError(
            f"{artefact.spec.name} is no network of Keras' example cifar10_resnet.py: these have 3 stages",
            hint="--to keras writes weights for keras.applications.",
        )
    network = _for_example(artefact)
    given, spec = describe_preprocessing(artefact.preprocessing), network.spec
    title = f"ResNet{spec.name.removeprefix('keras_resnet')}"
    return replace(
        network,
        call="keras.models.load_model({})",
        lines=("network = keras.models.load_model({})",),
        notes=(f"its input: {given}; the channels are red, green, blue",),
        model=keras_model(spec, artefact.image_shape, title),
    )


def _changes_of_example(spec: ModelSpec, shape: tuple[int, int, int]) -> Iterator[str]:
    """Give what must be changed in the example's script for this network."""
    _, height, width = spec.shapes(*shape[:2])[-2].input  # of the pool, before the classifier
    if (height, width) != (_EXAMPLES_POOL, _EXAMPLES_POOL):
        yield f"its last maps are {height}x{width}: the example needs pool_size=({height}, {width})"
    if spec.classes == 1:
        yield 'softmax of one logit is always 1: write activation="sigmoid" there'


def _with_own_sizes(spec: ModelSpec, artefact: Artefact) -> ModelSpec:
    return spec.with_(classes=artefact.spec.classes, in_channels=artefact.spec.in_channels)


def keras_bytes(artefact: Artefact, network: KerasNetwork) -> bytes:
    """Return the .h5 file: a group for each layer that lists its tensors; the description besides.

    Of a whole model these groups lie below model_weights, and the configuration is an attribute.
    Source: keras/src/legacy/saving/legacy_h5_format.py.

    Raises:
        UsageError: If h5py is not installed.
    """
    if importlib.util.find_spec("h5py") is None:
        raise UsageError(
            "Keras' files are HDF5, and h5py is not installed",
            hint='Install it: pip install "resnetlab[keras]".',
        )
    import h5py

    stream, model = io.BytesIO(), network.model
    with h5py.File(stream, "w") as file:
        for key, text in artefact.to_texts().items():
            file.create_dataset(f"resnetlab/{key}", data=text)
        root = file
        if model is not None:
            file.attrs["model_config"], file.attrs["training_config"] = model.config, model.training
            _say_version(file)
            root = file.create_group("model_weights")
        _say_version(root)
        with_weights = dict(network.layers)
        layers = model.layers if model is not None else tuple(with_weights)
        _write_names(root, "layer_names", layers)
        for theirs in layers:
            group = root.create_group(theirs)
            arrays = _arrays(theirs, with_weights[theirs], network) if theirs in with_weights else {}
            _write_names(group, "weight_names", [f"{theirs}/{leaf}:0" for leaf in arrays])
            for leaf, array in arrays.items():
                group.create_dataset(f"{theirs}/{leaf}:0", data=array)
    return stream.getvalue()


def _say_version(group: "h5py.Group") -> None:
    """Write which Keras would have written it, as strings that Keras 2.2 decodes."""
    group.attrs["backend"] = b"tensorflow"
    group.attrs["keras_version"] = b"2.15.0"


_MOST_BYTES = 64_512  # of an attribute; Keras' HDF5_OBJECT_HEADER_LIMIT


def _write_names(group: "h5py.Group", attribute: str, names: Sequence[str]) -> None:
    """Write a list of names; in pieces where it is too long for one attribute, as Keras does."""
    encoded = np.array([name.encode() for name in names], dtype="S" if names else "S1")
    pieces = max(1, -(-encoded.nbytes // _MOST_BYTES))
    if pieces == 1:
        group.attrs[attribute] = encoded
        return
    for number, piece in enumerate(np.array_split(encoded, pieces + 1)):  # uneven ones fit too
        group.attrs[f"{attribute}{number}"] = piece


def _arrays(theirs: str, ours: str, network: KerasNetwork) -> dict[str, npt.NDArray[np.float32]]:
    """Return a layer's tensors in Keras' layouts, in Keras' order."""
    spec, tensors = network.spec, network.tensors
    weight = tensors[f"{ours}.weight"].float().numpy()
    if f"{ours}.running_mean" in tensors:
        return {leaf: tensors[f"{ours}.{own}"].float().numpy() for leaf, own in _NORM.items()}
    own = tensors.get(f"{ours}.bias")
    bias = np.zeros(len(weight), np.float32) if own is None else own.float().numpy()
    if weight.ndim == 2:
        return {"kernel": weight.T.copy(), "bias": bias}
    if spec.order == "post" and theirs == "conv1_conv" and weight.shape[1] == 3:
        weight = weight[:, ::-1]
    kernel = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
    is_bare = spec.order == "pre" and theirs.endswith(_BARE)
    return {"kernel": kernel} if is_bare else {"kernel": kernel, "bias": bias}
