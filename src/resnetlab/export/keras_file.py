"""An .h5 file that keras.applications loads: ResNet50(weights=FILE, classes=...), and the V2.

Keras' ResNets have biases before BN (zeros here) and a BN constant of their own (made up for in the
running variance); v1's first convolution reads blue, green, red.
"""

import importlib.util
import io

import numpy as np
import numpy.typing as npt
from torch import Tensor

from resnetlab.artefact.model import Artefact
from resnetlab.errors import UsageError
from resnetlab.export.fitting import fit
from resnetlab.spec import ModelSpec
from resnetlab.weights.namings.keras_applications import keras_v1_spec, keras_v2_spec
from resnetlab.weights.namings.keras_out import keras_layers
from resnetlab.weights.recognising import followed_by_norm

_DEPTHS = (50, 101, 152)
_CANDIDATES = {
    **{f"ResNet{depth}": keras_v1_spec(depth) for depth in _DEPTHS},
    **{f"ResNet{depth}V2": keras_v2_spec(depth) for depth in _DEPTHS},
}
# Keras' v2 has no bias in the first two convolutions of a unit, which a BN follows.
_BARE = ("_1_conv", "_2_conv")
_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def for_keras(artefact: Artefact) -> tuple[str, ModelSpec, dict[str, Tensor]]:
    """Return Keras' name of the network, its specification, and our tensors with its constants.

    Raises:
        UsageError: If Keras has no such network.
    """
    name, tensors = fit(artefact, _CANDIDATES, "keras.applications")
    for conv, norm in followed_by_norm(artefact.spec).items():
        if (bias := tensors.get(f"{conv}.bias")) is not None:
            tensors[f"{norm}.running_mean"] = tensors[f"{norm}.running_mean"] - bias
            tensors[f"{conv}.bias"] = bias.new_zeros(bias.shape)
    changes = {"classes": artefact.spec.classes, "in_channels": artefact.spec.in_channels}
    return name, _CANDIDATES[name].with_(**changes), tensors


def keras_bytes(artefact: Artefact, spec: ModelSpec, tensors: dict[str, Tensor]) -> bytes:
    """Return the .h5 file: a group for each layer that lists its tensors; the description besides.

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

    stream = io.BytesIO()
    layers = keras_layers(spec)
    with h5py.File(stream, "w") as file:
        file.attrs["layer_names"] = [theirs.encode() for theirs, _ in layers]
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = b"2.15.0"
        for key, text in artefact.to_texts().items():
            file.create_dataset(f"resnetlab/{key}", data=text)
        for theirs, ours in layers:
            group = file.create_group(theirs)
            arrays = _arrays(theirs, ours, spec, tensors)
            group.attrs["weight_names"] = [f"{theirs}/{leaf}:0".encode() for leaf in arrays]
            for leaf, array in arrays.items():
                group.create_dataset(f"{theirs}/{leaf}:0", data=array)
    return stream.getvalue()


def _arrays(
    theirs: str, ours: str, spec: ModelSpec, tensors: dict[str, Tensor]
) -> dict[str, npt.NDArray[np.float32]]:
    """Return a layer's tensors in Keras' layouts, in Keras' order."""
    weight = tensors[f"{ours}.weight"].float().numpy()
    if f"{ours}.running_mean" in tensors:
        return {leaf: tensors[f"{ours}.{own}"].float().numpy() for leaf, own in _NORM.items()}
    if weight.ndim == 2:
        return {"kernel": weight.T.copy(), "bias": tensors[f"{ours}.bias"].float().numpy()}
    if spec.order == "post" and theirs == "conv1_conv" and weight.shape[1] == 3:
        weight = weight[:, ::-1]
    kernel = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
    if spec.order == "pre":
        bias = tensors[f"{ours}.bias"].float().numpy()
        return {"kernel": kernel} if theirs.endswith(_BARE) else {"kernel": kernel, "bias": bias}
    return {"kernel": kernel, "bias": np.zeros(kernel.shape[3], np.float32)}
