"""The namings without stages, without names, or of parts by another word: networks written so come back."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from resnetlab.errors import CheckpointError
from resnetlab.models import ResNet
from resnetlab.trained.artefact import import_weights
from resnetlab.weights import load_weights
from resnetlab.weights.files.reading import read_weight_file
from resnetlab.weights.namings.keras_applications import keras_v2_spec
from tests.kit.foreign_weights import (
    TENSORFLOW,
    by_number,
    keras_example,
    keras_example_in_layer_order,
    keras_v1,
    lively,
    official_cifar_8_v1,
    open_lth,
    sequential,
    to_tensorflow,
    transformers,
    weiaicunzai,
)
from tests.kit.tensorflow_checkpoints import write_bundle

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
SMALL: dict[str, object] = {"blocks": (2, 1, 3, 1), "width": 0.125, "classes": 5}


def logits(model: ResNet, size: int) -> Tensor:
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model.eval()(images)


def saved(folder: Path, tensors: dict[str, Tensor]) -> Path:
    path = folder / "x.safetensors"
    safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def comes_back(path: Path, model: ResNet, size: int, naming: str) -> None:
    state, report = load_weights(None, path)
    found = ResNet(report.spec)
    found.load_state_dict(state)

    assert report.naming.name == naming
    assert replace(report.spec, source=model.spec.source) == model.spec
    assert torch.equal(logits(found, size), logits(model, size))


@pytest.mark.parametrize("network", ["resnet18", "resnet50"])
@pytest.mark.parametrize(
    ("rename", "naming"), [(transformers, "transformers"), (sequential, "torchvision-sequential")]
)
def test_other_words_for_torchvisions_parts(
    tmp_path: Path, network: str, rename: Callable[[str], str], naming: str
) -> None:
    model = lively(network, **SMALL)
    path = saved(tmp_path, {rename(name): tensor for name, tensor in model.state_dict().items()})

    comes_back(path, model, 64, naming)


def test_a_backbone_cut_into_a_sequential_with_its_classifier_beside(tmp_path: Path) -> None:
    model = lively("resnet18", **SMALL)
    names = {name: sequential(name) for name in model.state_dict()}
    renamed = {
        name: f"features.{short}" if not short.startswith("9.") else f"classifier.{short[2:]}"
        for name, short in names.items()
    }
    path = saved(tmp_path, {renamed[name]: tensor for name, tensor in model.state_dict().items()})

    comes_back(path, model, 64, "torchvision-sequential")


def test_open_lths_units_in_a_row(tmp_path: Path) -> None:
    model = lively("resnet14_cifar", width=0.5, shortcut="B")
    path = saved(tmp_path, {open_lth(name, 2): tensor for name, tensor in model.state_dict().items()})

    comes_back(path, model, 32, "open-lth")


@pytest.mark.parametrize("network", ["resnet18", "resnet50"])
def test_weiaicunzais_residual_functions(tmp_path: Path, network: str) -> None:
    model = lively(network, stem="small", input_size=32, **SMALL)
    path = saved(tmp_path, {weiaicunzai(name): tensor for name, tensor in model.state_dict().items()})

    comes_back(path, model, 32, "weiaicunzai")


UNREAD = {
    "detectron2": ("res2.0.conv1.norm.weight", "stem.conv1.weight"),
    "Caffe2": ("res2_0_branch2a_w", "conv1_w"),
    "PaddlePaddle": ("bn1._mean", "conv1.weight"),
    "pytorchcv": ("features.stage1.unit1.body.conv1.conv.weight", "features.init_block.conv.conv.weight"),
    "pruned": ("conv1.weight_orig", "conv1.weight_mask"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_names_that_are_not_read_are_told_from_other_networks(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, {each: torch.rand(4, 3, 7, 7) for each in UNREAD[name]})

    with pytest.raises(CheckpointError, match=f"holds a .*{name}.* in names that are not read") as raised:
        load_weights(None, path)
    assert "no network of ours" not in str(raised.value)


@pytest.mark.parametrize("start", [0, 1, 40])
@pytest.mark.parametrize(
    ("name", "units", "version"), [("keras_resnet14v1", 2, 1), ("keras_resnet20v2", 2, 2)]
)
def test_keras_example_is_read_by_numbers(
    tmp_path: Path, name: str, units: int, version: int, start: int
) -> None:
    model = lively(name)
    tensors = to_tensorflow(model.state_dict(), keras_example(units, version, start), TENSORFLOW)

    comes_back(saved(tmp_path, tensors), model, 32, "keras-example")

    artefact, report = import_weights(tmp_path / "x.safetensors")
    assert any("mean image" in note for note in artefact.notes)
    assert any("--mean" in note for note in report.notes)


@pytest.mark.parametrize(
    ("name", "units", "version"), [("keras_resnet14v1", 2, 1), ("keras_resnet20v2", 2, 2)]
)
def test_keras_checkpoints_of_objects_are_read_by_order(
    tmp_path: Path, name: str, units: int, version: int
) -> None:
    model = lively(name)
    pairs = by_number(keras_example_in_layer_order(units, version))
    tensors = to_tensorflow(model.state_dict(), pairs, TENSORFLOW, suffix=VALUE)
    tensors[f"optimizer/iter{VALUE}"] = torch.tensor(7)
    write_bundle(tmp_path / "cp.ckpt", tensors)

    comes_back(tmp_path / "cp.ckpt", model, 32, "keras-example-order")


def test_keras_3s_checkpoints_of_objects_too(tmp_path: Path) -> None:
    """They count all layers, those without weights too, and call a kernel _kernel."""
    model = lively("keras_resnet14v1")
    pairs = (
        (f"_operations/{3 * n + 1}", ours) for n, (_, ours) in enumerate(keras_example_in_layer_order(2, 1))
    )
    leaves = TENSORFLOW | {"weight": "_kernel"}
    write_bundle(tmp_path / "ck", to_tensorflow(model.state_dict(), pairs, leaves, "model/", VALUE))

    comes_back(tmp_path / "ck", model, 32, "keras-example-order")


def in_layer_order_v1(blocks: tuple[int, ...]) -> list[tuple[str, str]]:
    """Keras Applications' layers with weights as `model.layers` has them: by depth, then as made."""
    found = [("", "conv1"), ("", "bn1")]
    for stage, count in enumerate(blocks, 1):
        for unit in range(count):
            at = f"layer{stage}.{unit}"
            parts = ["conv1", "bn1", "conv2", "bn2", "downsample.0", "conv3", "downsample.1", "bn3"]
            found += [("", f"{at}.{part}") for part in parts if unit == 0 or not part.startswith("down")]
    return [*found, ("", "fc")]


def in_layer_order_v2(blocks: tuple[int, ...]) -> list[tuple[str, str]]:
    found = [("", "stem.conv")]
    for stage, count in enumerate(blocks):
        for unit in range(count):
            at = f"stages.{stage}.blocks.{unit}"
            parts = ["norm1", "conv1", "norm2", "conv2", "norm3", "downsample.conv", "conv3"]
            found += [("", f"{at}.{part}") for part in parts if unit == 0 or not part.startswith("down")]
    return [*found, ("", "norm"), ("", "head.fc")]


def test_keras_applications_by_order(tmp_path: Path) -> None:
    """Biases fold and blue comes first, as in the files by name: equal to what those give."""
    biased = lively("resnet50_v1", bn_eps=1.001e-5, conv_bias=True, **SMALL)
    write_bundle(
        tmp_path / "order",
        to_tensorflow(
            biased.state_dict(), by_number(iter(in_layer_order_v1((2, 1, 3, 1)))), TENSORFLOW, suffix=VALUE
        ),
    )
    named = saved(tmp_path, to_tensorflow(biased.state_dict(), keras_v1((2, 1, 3, 1)), TENSORFLOW))

    found, report = load_weights(None, tmp_path / "order")
    expected, other = load_weights(None, named)

    assert report.spec == other.spec
    assert report.preprocessing == other.preprocessing
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_keras_applications_v2_by_order(tmp_path: Path) -> None:
    knobs = ("stride_on", "strides", "shortcut", "max_pool", "conv_bias", "bn_eps", "bn_momentum")
    model = lively("resnet50_v2", **{knob: getattr(keras_v2_spec(50), knob) for knob in knobs}, **SMALL)
    pairs = by_number(iter(in_layer_order_v2((2, 1, 3, 1))))
    write_bundle(tmp_path / "order", to_tensorflow(model.state_dict(), pairs, TENSORFLOW, suffix=VALUE))

    comes_back(tmp_path / "order", model, 67, "keras-applications-v2-order")


def test_another_keras_model_without_names_is_said_to_be_one(tmp_path: Path) -> None:
    layers = {
        "conv2d/kernel": (3, 3, 3, 8),
        "conv2d/bias": (8,),
        "conv2d_1/kernel": (3, 3, 8, 8),
        "conv2d_1/bias": (8,),
    }
    path = saved(tmp_path, {name: torch.rand(shape) for name, shape in layers.items()})

    with pytest.raises(CheckpointError, match="a Keras model whose layers are not named"):
        load_weights(None, path)
    write_bundle(tmp_path / "cp", {f"layer_with_weights-0/kernel{VALUE}": torch.rand(3, 3, 3, 8)})
    with pytest.raises(CheckpointError, match="a Keras model whose layers have numbers alone"):
        load_weights(None, tmp_path / "cp")


def test_a_saved_model_is_looked_into(tmp_path: Path) -> None:
    model = lively("tfofficial_cifar_resnet8v1")
    (tmp_path / "saved" / "variables").mkdir(parents=True)
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\x08\x01")
    tensors = to_tensorflow(model.state_dict(), official_cifar_8_v1(), TENSORFLOW, "resnet_model/")
    write_bundle(tmp_path / "saved" / "variables" / "variables", tensors)

    for path in (tmp_path / "saved", tmp_path / "saved" / "saved_model.pb"):
        assert set(read_weight_file(path).tensors) == set(tensors)
    comes_back(tmp_path / "saved", model, 32, "tensorflow-official-cifar")


def test_tensorflows_first_format_is_known_by_its_content(tmp_path: Path) -> None:
    write_bundle(tmp_path / "x", {"resnet_v1_50/conv1/weights": torch.rand(7, 7, 3, 8)})
    (tmp_path / "resnet_v1_50.ckpt").write_bytes((tmp_path / "x.index").read_bytes())

    with pytest.raises(CheckpointError, match="TensorFlow's first format") as raised:
        read_weight_file(tmp_path / "resnet_v1_50.ckpt")
    assert "load_checkpoint" in raised.value.hint


OWN = {
    "dense": {"dense": (256, 5)},
    "any name": {"fc_out": (256, 5)},
    "hidden, the width kept": {"fc1": (256, 256), "predictions": (256, 5)},
    "hidden": {"dense": (256, 32), "dense_1": (32, 5)},
}


@pytest.mark.parametrize("name", OWN)
def test_a_head_of_ones_own_on_keras_applications(tmp_path: Path, name: str) -> None:
    """The last Dense is the head whatever its name, and a hidden one is never dropped in silence."""
    model = lively("resnet50_v1", conv_bias=True, **SMALL)
    tensors = to_tensorflow(model.state_dict(), keras_v1((2, 1, 3, 1)), TENSORFLOW)
    tensors = {key: tensor for key, tensor in tensors.items() if not key.startswith("predictions")}
    for layer, shape in OWN[name].items():
        tensors |= {f"{layer}/kernel": torch.rand(shape), f"{layer}/bias": torch.rand(shape[1])}
    path = saved(tmp_path, tensors)

    if len(OWN[name]) == 1:
        found, report = load_weights(None, path)
        assert torch.equal(found["fc.weight"], tensors[f"{next(iter(OWN[name]))}/kernel"].T)
        assert report.spec.classes == 5
        return
    with pytest.raises(CheckpointError, match="its classifier is not one linear layer"):
        load_weights(None, path)
    fresh = lively("resnet50_v1", **SMALL)
    _, report = load_weights(fresh, path, head="reset")
    assert len(report.unused) == 2 * len(OWN[name])


def test_a_norm_before_keras_head_is_refused_by_name(tmp_path: Path) -> None:
    model = lively("resnet50_v1", conv_bias=True, **SMALL)
    tensors = to_tensorflow(model.state_dict(), keras_v1((2, 1, 3, 1)), TENSORFLOW)
    leaves = ("gamma", "beta", "moving_mean", "moving_variance")
    path = saved(tmp_path, tensors | {f"batch_normalization/{leaf}": torch.rand(256) for leaf in leaves})

    with pytest.raises(CheckpointError, match=r"it holds batch_normalization/\* \(4 tensors\)"):
        load_weights(None, path)
