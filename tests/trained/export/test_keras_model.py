"""A whole model for Keras: its configuration, computed here layer by layer, is the network."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resnetlab.base.reading.hdf5 import read_hdf5
from resnetlab.errors import UsageError
from resnetlab.trained.artefact import Artefact, import_weights
from resnetlab.trained.export.exporting import export_model
from resnetlab.trained.export.keras_file import _write_names
from resnetlab.trained.export.keras_model import keras_model
from resnetlab.weights.files.keras_file import _texts
from tests.kit.artefacts import small_artefact

h5py = pytest.importorskip("h5py")
NETWORKS = ["keras_resnet8v1", "keras_resnet14v1", "keras_resnet11v2", "keras_resnet20v2"]


def computed(path: Path, images_NHWC: Tensor) -> Tensor:
    """What Keras computes of a file, as its configuration says: SAME padding, BN by moving statistics."""
    with h5py.File(path) as file:
        config = json.loads(file.attrs["model_config"])["config"]
        weights = {
            layer: [
                torch.from_numpy(np.asarray(group[name])) for name in group.attrs["weight_names"].astype(str)
            ]
            for layer, group in file["model_weights"].items()
        }
    values: dict[str, Tensor] = {}
    for layer in config["layers"]:
        kind, name, own = layer["class_name"], layer["name"], layer["config"]
        inputs = [values[node[0]] for node in layer["inbound_nodes"][0]] if layer["inbound_nodes"] else []
        values[name] = {
            "InputLayer": lambda _: images_NHWC.permute(0, 3, 1, 2),
            "Conv2D": lambda own: conv2d(inputs[0], *weights[name], own),  # noqa: B023
            "BatchNormalization": lambda own: norm(inputs[0], *weights[name], own["epsilon"]),  # noqa: B023
            "Activation": lambda own: F.relu(inputs[0]),  # noqa: B023
            "Add": lambda own: inputs[0] + inputs[1],  # noqa: B023
            "AveragePooling2D": lambda own: F.avg_pool2d(inputs[0], own["pool_size"], own["strides"]),  # noqa: B023
            "Flatten": lambda own: inputs[0].permute(0, 2, 3, 1).flatten(1),  # noqa: B023
            "Dense": lambda own: inputs[0] @ weights[name][0] + weights[name][1],  # noqa: B023
        }[kind](own)
    return values[config["output_layers"][0][0]]


def conv2d(x: Tensor, kernel: Tensor, bias: Tensor, own: dict[str, Any]) -> Tensor:
    (stride, _), size = own["strides"], x.shape[-1]
    total = max((-(-size // stride) - 1) * stride + kernel.shape[0] - size, 0)
    x = F.pad(x, (total // 2, total - total // 2) * 2)
    assert [*kernel.shape[:2], kernel.shape[3]] == [*own["kernel_size"], own["filters"]]
    return F.conv2d(x, kernel.permute(3, 2, 0, 1), bias, stride)


def norm(x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    return F.batch_norm(x, mean, var, gamma, beta, eps=eps)


def exported(artefact: Artefact, folder: Path) -> Path:
    export_model(artefact, "keras-cifar10", folder / "net.h5")
    return folder / "net.h5"


@pytest.mark.parametrize("name", NETWORKS)
def test_the_configuration_is_the_network(name: str, tmp_path: Path) -> None:
    artefact = small_artefact(name)
    images = torch.randn(2, 32, 32, 3, generator=torch.Generator().manual_seed(0))

    found = computed(exported(artefact, tmp_path), images)

    with torch.no_grad():
        expected = artefact.model()(images.permute(0, 3, 1, 2))
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-5


@pytest.mark.parametrize("name", NETWORKS[1:3])
def test_what_goes_out_comes_in_whole(name: str, tmp_path: Path) -> None:
    artefact = small_artefact(name, kind="per-pixel-mean")

    back, _ = import_weights(exported(artefact, tmp_path))

    assert back.spec == artefact.spec
    weights = {key for key in artefact.tensors if not key.endswith("num_batches_tracked")}
    assert all(torch.equal(back.tensors[key], artefact.tensors[key]) for key in weights)
    assert (back.class_names, back.preprocessing) == (artefact.class_names, artefact.preprocessing)


def test_the_file_of_the_example_itself_is_read_as_such(tmp_path: Path) -> None:
    """Without the description that ours has: the mean image is not in it, which is said with the way out."""
    path = exported(small_artefact("keras_resnet8v1"), tmp_path)
    with h5py.File(path, "a") as file:
        del file["resnetlab"]

    back, report = import_weights(path)

    assert (back.spec.name, report.naming.name) == ("keras_resnet8v1", "keras-example")
    assert back.preprocessing.normaliser.kind == "per-pixel-mean"
    assert any("mean image of CIFAR-10" in note and "--mean-image" in note for note in report.notes)


def test_one_logit_is_a_sigmoid_and_the_pool_covers_the_maps(tmp_path: Path) -> None:
    made = small_artefact("keras_resnet8v1", side=16, names=("no", "yes"))
    one = replace(
        made,
        spec=made.spec.with_(classes=1),
        tensors=dict(made.tensors) | {key: made.tensors[key][:1] for key in ("fc.weight", "fc.bias")},
    )

    model = keras_model(one.spec, one.image_shape, "x")

    layers = {each["name"]: each["config"] for each in json.loads(model.config)["config"]["layers"]}
    assert layers["input_1"].keys() == {
        "name",
        "dtype",
        "batch_input_shape",
        "sparse",
    }  # Keras 2 takes no more
    assert layers["average_pooling2d"]["pool_size"] == [4, 4]
    assert layers["dense"]["activation"] == "sigmoid"
    assert json.loads(model.training)["loss"] == "binary_crossentropy"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18", r"resnet18 is no network of Keras' example .* 3 stages\n.*--to keras"),
        ("resnet8", "the nearest, keras_resnet8v1, differs"),
    ],
)
def test_another_network_is_refused(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        exported(small_artefact(name), tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_list_of_names_that_is_too_long_for_an_attribute_comes_in_pieces(tmp_path: Path) -> None:
    """HDF5 has 64 kB for one; a network of 1001 layers has 80 kB of names."""
    names = [f"batch_normalization_{number}" for number in range(4000)]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        _write_names(file, "layer_names", names)
        _write_names(file, "weight_names", [])

        assert "layer_names" not in file.attrs
    found = read_hdf5(tmp_path / "x.h5")
    assert _texts(found, "layer_names") == names
    assert _texts(found, "weight_names") == []
