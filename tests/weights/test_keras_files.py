"""Keras' files of every layout: read whole or refused with the cause."""

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from resnetlab.errors import CheckpointError, UsageError, WriteError
from resnetlab.trained.artefact import import_weights
from resnetlab.trained.transfer import open_trained
from resnetlab.weights import load_weights
from resnetlab.weights.files.reading import read_weight_file
from tests.kit.foreign_weights import TENSORFLOW, keras_v1, lively, to_tensorflow
from tests.kit.torch_files import equal


def test_without_h5py_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)

    with pytest.raises(UsageError, match=r"resnetlab\[keras\]"):
        read_weight_file(path)


def test_keras_layouts(tmp_path: Path) -> None:
    """By layer and order: today's names, those of Keras 1, and Keras 3's groups by class."""
    h5py = pytest.importorskip("h5py")
    expected = {
        "conv1/kernel": torch.rand(3, 3, 3, 4),
        "conv1/bias": torch.rand(4),
        "bn/gamma": torch.rand(4),
        "bn/beta": torch.rand(4),
        "bn/moving_mean": torch.rand(4),
        "bn/moving_variance": torch.rand(4),
    }
    own_names = {
        "conv1": ["conv1_W_1:0", "conv1_b_1:0"],
        "bn": ["bn_gamma_1:0", "bn_beta_1:0", "bn_running_mean_1:0", "bn_running_std_1:0"],
    }
    layers = {
        layer: [t for name, t in expected.items() if name.startswith(f"{layer}/")] for layer in own_names
    }
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["layer_names"] = [b"input_1", b"conv1", b"bn"]
        file.create_group("input_1").attrs["weight_names"] = []
        for layer, names in own_names.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, tensor in zip(names, layers[layer], strict=True):
                group[name] = tensor.numpy()
    with h5py.File(tmp_path / "new.weights.h5", "w") as file:
        for kind, layer in (("conv2d", "conv1"), ("batch_normalization", "bn")):
            for index, tensor in enumerate(layers[layer]):
                file[f"layers/{kind}/vars/{index}"] = tensor.numpy()
    kinds = {"conv1": "Conv2D", "bn": "BatchNormalization"}
    config = {"config": {"layers": [{"class_name": k, "config": {"name": n}} for n, k in kinds.items()]}}
    with zipfile.ZipFile(tmp_path / "new.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.write(tmp_path / "new.weights.h5", "model.weights.h5")

    assert equal(read_weight_file(tmp_path / "old.h5").tensors, expected)
    assert equal(read_weight_file(tmp_path / "new.keras").tensors, expected)

    whole = (tmp_path / "old.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="not a whole Keras file"):
        read_weight_file(tmp_path / "cut.h5")


def one_layer(file: Any, name: str = "conv1", count: int = 1) -> Any:
    """Return the group of a layer that lists `count` weights, k0, k1, ..."""
    file.attrs["layer_names"] = [name.encode()]
    group = file.create_group(name)
    group.attrs["weight_names"] = [f"k{index}".encode() for index in range(count)]
    return group


def external_link(file: Any) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(f"{file.filename}.other", "w") as other:
        other["k0"] = [1.0]
    one_layer(file)["k0"] = h5py.ExternalLink(f"{file.filename}.other", "k0")


def virtual(file: Any) -> None:
    h5py = pytest.importorskip("h5py")
    layout = h5py.VirtualLayout(shape=(25,), dtype="f4")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "k0", shape=(25,))
    one_layer(file).create_virtual_dataset("k0", layout)


def layer_names_scalar(file: Any) -> None:
    file.attrs["layer_names"] = 3


BAD_FILES: dict[str, tuple[Callable[[Any], object], str]] = {
    "a group": (lambda file: one_layer(file).create_group("k0"), "k0 is no numbers"),
    "texts": (lambda file: one_layer(file).create_dataset("k0", data=["text"]), "k0 is no numbers"),
    "huge": (
        lambda file: one_layer(file).create_dataset("k0", (10**14,), "f4", chunks=(10**6,)),
        "k0 unpacks from 0 to 400,000,000,000,000 bytes",
    ),
    "external": (
        lambda file: one_layer(file).create_dataset("k0", (25,), "f4", external=[("/etc/passwd", 0, 100)]),
        "k0 lies in another file",
    ),
    "an external link": (external_link, "has no k0, or a link"),
    "virtual": (virtual, "k0 lies in another file"),
    "a scalar for layer_names": (layer_names_scalar, "no layer_names in /"),
    "layers, a dataset": (lambda file: file.create_dataset("layers", data=[0.0]), "/layers is no group"),
}


def test_one_array_as_the_weights_of_a_thousand_layers_is_an_error(tmp_path: Path) -> None:
    """Found by hand: 2,000 layers linked to 3.4 MB took 4.6 GB, and did not end in a minute."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["layer_names"] = [f"layer{number}" for number in range(1000)]
        file["all"] = torch.rand(3, 3, 128, 128).numpy()
        for number in range(1000):
            group = file.create_group(f"layer{number}")
            group.attrs["weight_names"] = [b"kernel:0"]
            group["kernel:0"] = file["all"]

    with pytest.raises(CheckpointError, match=r"its tensors would take [\d,]+ bytes, of [\d,]+ in the file"):
        read_weight_file(tmp_path / "x.h5")


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_keras_file_that_holds_something_else_is_an_error(tmp_path: Path, name: str) -> None:
    h5py = pytest.importorskip("h5py")
    write, message = BAD_FILES[name]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        write(file)

    with pytest.raises(CheckpointError, match=rf"x\.h5: not a whole Keras file \(.*{message}"):
        read_weight_file(tmp_path / "x.h5")


def test_a_layer_of_many_tensors_without_clear_names_is_said_to_be_one(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "old.h5", "w") as file:
        one_layer(file, "resnet50", 318)

    with pytest.raises(CheckpointError, match="its layer resnet50 holds") as raised:
        read_weight_file(tmp_path / "old.h5")
    assert "it is a network of its own" in str(raised.value)
    assert "get_layer('resnet50').save_weights" in str(raised.value)
    assert len(str(raised.value)) < 400


INNER = {"c/kernel": 0, "c/bias": 1, "b/gamma": 2, "b/beta": 3, "b/moving_mean": 4, "b/moving_variance": 5}


def test_the_layers_of_a_network_within_a_network_have_its_name_before_theirs(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["layer_names"] = [b"resnet50", b"dense_1"]
        group = file.create_group("resnet50")
        group.attrs["weight_names"] = [f"{name}:0".encode() for name in INNER]
        for name, value in INNER.items():
            group[f"{name}:0"] = [float(value)]
        file["dense_1/dense_1/kernel:0"] = [9.0]
        file["dense_1"].attrs["weight_names"] = [b"dense_1/kernel:0"]
    with h5py.File(tmp_path / "new.weights.h5", "w") as file:
        for name, value in INNER.items():
            kind = "conv2d" if name.startswith("c/") else "batch_normalization"
            file[f"layers/functional/layers/{kind}/vars/{value if value < 2 else value - 2}"] = [float(value)]
        file["layers/dense/vars/0"] = [9.0]
    inner = [
        {"class_name": "Conv2D", "config": {"name": "c"}},
        {"class_name": "BatchNormalization", "config": {"name": "b"}},
    ]
    layers = [
        {"class_name": "Functional", "config": {"name": "resnet50", "layers": inner}},
        {"class_name": "Dense", "config": {"name": "dense_1"}},
    ]
    with zipfile.ZipFile(tmp_path / "new.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))
        archive.write(tmp_path / "new.weights.h5", "model.weights.h5")

    expected = {f"resnet50/{name}": float(value) for name, value in INNER.items()} | {"dense_1/kernel": 9.0}
    for name in ("old.h5", "new.keras"):
        assert {each: t.item() for each, t in read_weight_file(tmp_path / name).tensors.items()} == expected


@pytest.mark.parametrize("config", ["[]", '{"config": {"layers": [1]}}', '{"config": {"layers": null}}'])
def test_a_keras_archive_with_another_configuration_is_an_error(tmp_path: Path, config: str) -> None:
    pytest.importorskip("h5py")
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as archive:
        archive.writestr("config.json", config)
        archive.writestr("model.weights.h5", b"")

    with pytest.raises(CheckpointError, match=r"x\.keras: not a whole Keras file"):
        read_weight_file(tmp_path / "x.keras")


def test_a_damaged_and_a_swollen_member_of_a_keras_archive_are_errors(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    path = tmp_path / "x.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(range(256)) * 100)
    content = bytearray(path.read_bytes())
    start = content.index(b"model.weights.h5") + 16
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"not a whole Keras file \(.*decompressing"):
        read_weight_file(path)

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(2**26 + 1))
    with pytest.raises(CheckpointError, match=r"model\.weights\.h5 would take 67,108,865 bytes"):
        read_weight_file(path)


def test_a_layer_that_normalises_is_read_with_its_count(tmp_path: Path) -> None:
    """Keras' Normalization keeps a mean, a variance and a number without axes."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        group = one_layer(file, "normalization", 3)
        group["k0"], group["k1"], group["k2"] = [0.1, 0.2, 0.3], [1.0, 1.0, 1.0], 7.0

    found = read_weight_file(tmp_path / "x.h5").tensors

    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == {
        "normalization/mean": (3,), "normalization/variance": (3,), "normalization/count": ()
    }  # fmt: skip


def dense(activation: object, units: int = 5) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": "last", "activation": activation, "units": units}}


def plain(kind: str) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": "layer"}}


OTHERWISE = {
    "a maximum over the map": ([plain("GlobalMaxPooling2D"), dense("softmax")], "GlobalMaxPooling2D"),
    "several labels at once": ([dense("sigmoid")], "Dense with sigmoid"),
    "another activation": ([dense("tanh", 1)], "Dense with tanh"),
    "images scaled within": ([plain("Rescaling"), dense("softmax")], "Rescaling"),
    "within a model in the model": (
        [{"class_name": "Functional", "config": {"name": "m", "layers": [plain("LeakyReLU")]}}, dense(None)],
        "LeakyReLU",
    ),
}


LEAVES = ["kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "mean", "variance", "count"]


def keras_50(path: Path, layers: list[dict[str, Any]], **more: torch.Tensor) -> Path:
    """Write a ResNet of Keras Applications' names with a configuration of these layers, and more tensors."""
    h5py = pytest.importorskip("h5py")
    model = lively("resnet50_v1", blocks=(1, 1, 1, 1), width=0.125, classes=5, bn_eps=1.001e-5)
    tensors = to_tensorflow(model.state_dict(), keras_v1((1, 1, 1, 1)), TENSORFLOW) | more
    names: dict[str, list[str]] = {}
    for name in tensors:
        names.setdefault(name.partition("/")[0], []).append(name)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [*names]
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": {"layers": layers}})
        for layer, own in names.items():
            own.sort(key=lambda name: LEAVES.index(name.rpartition("/")[2]))
            file.create_group(layer).attrs["weight_names"] = own
            for name in own:
                file[layer][name] = tensors[name].numpy()
    return path


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_a_keras_model_computes_beside_its_weights_is_heeded(tmp_path: Path, name: str) -> None:
    layers, said = OTHERWISE[name]
    path = keras_50(tmp_path / "model.h5", layers)

    with pytest.raises(CheckpointError, match=f"computes otherwise .*{said}"):
        load_weights(None, path)
    _, report = load_weights(None, path, head="reset")
    assert any(said in note for note in report.notes)


@pytest.mark.parametrize("last", [dense("softmax"), dense(None), dense("linear")])
def test_a_plain_keras_model_is_read(tmp_path: Path, last: dict[str, Any]) -> None:
    layers = [plain("InputLayer"), plain("GlobalAveragePooling2D"), plain("Dropout"), last]
    _, report = load_weights(None, keras_50(tmp_path / "model.h5", layers))

    assert report.spec.classes == 5
    assert not any("otherwise" in note for note in report.notes)


def of_pixels(kind: str, **config: object) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": kind.lower(), **config}}


BODY = {"class_name": "Functional", "config": {"name": "resnet50", "layers": [plain("Conv2D"), plain("Add")]}}
MEAN, VARIANCE = [0.4, 0.5, 0.6], [0.04, 0.09, 0.16]
PIXELS = {"class_name": "__keras_tensor__", "config": {"keras_history": ["input_layer", 0, 0]}}


def operation(kind: str, constant: object) -> dict[str, Any]:
    """Of Keras 3, as x / 255.0 makes one of a model's input."""
    return of_pixels(kind) | {"inbound_nodes": [{"args": [PIXELS, constant], "kwargs": {}}]}


def turned_around(*channels: int) -> list[dict[str, Any]]:
    """What x[..., ::-1] is in keras.applications.resnet.preprocess_input."""
    takers = [operation("GetItem", [{"class_name": "__ellipsis__", "config": {}}, each]) for each in channels]
    for number, each in enumerate(takers):
        each["config"]["name"] = f"get_item_{number}"
    put = [{"config": {"keras_history": [each["config"]["name"], 0, 0]}} for each in takers]
    stack = of_pixels("Stack", axis=-1) | {"inbound_nodes": [{"args": [put], "kwargs": {}}]}
    return [*takers, stack]


CAFFE = {"class_name": "__tensor__", "config": {"value": [[[[-103.9, -116.8, -123.7]]]]}}
NORMALIZED = {
    "normalization/mean": torch.tensor(MEAN),
    "normalization/variance": torch.tensor(VARIANCE),
    "normalization/count": torch.tensor(7),
}
OWN_IMAGES: dict[str, tuple[list[dict[str, Any]], dict[str, torch.Tensor], tuple[Any, ...]]] = {
    "to -1 to 1": (
        [of_pixels("Rescaling", scale=1 / 127.5, offset=-1)], {}, (255, (127.5,) * 3, (127.5,) * 3)
    ),
    "by a scale": ([of_pixels("Rescaling", scale=1 / 255)], {}, (255, (0.0,) * 3, (255.0,) * 3)),
    "by weights": (
        [of_pixels("Normalization", axis=[-1])], NORMALIZED, (1, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    ),
    "by arithmetic": (
        [operation("TrueDivide", 127.5), operation("Subtract", 1.0)], {}, (255, (127.5,) * 3, (127.5,) * 3)
    ),
    "by both, augmentation between": (
        [
            of_pixels("Sequential", layers=[of_pixels("Rescaling", scale=1 / 255)]),
            of_pixels("RandomFlip"),
            of_pixels("Normalization", mean=MEAN, variance=VARIANCE),
        ],
        {},
        (255, (102.0, 127.5, 153.0), (51.0, 76.5, 102.0)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN_IMAGES)
def test_layers_that_scale_pixels_are_the_preprocessing(tmp_path: Path, name: str) -> None:
    """Their pixels are red, green, blue, so that conv1 stays; in an import as in a fine-tuning."""
    layers, tensors, (pixel_range, mean, std) = OWN_IMAGES[name]
    path = keras_50(tmp_path / "model.h5", [plain("InputLayer"), *layers, BODY, dense("softmax")], **tensors)
    conv1 = read_weight_file(path).tensors["conv1_conv/kernel"].permute(3, 2, 0, 1)

    artefact, report = import_weights(path)
    trained = open_trained(path)

    assert torch.equal(artefact.tensors["conv1.weight"], conv1)
    fitted, _ = load_weights(None, path, head="reset")
    assert torch.equal(fitted["conv1.weight"], conv1)
    for own in (artefact.preprocessing.normaliser, trained.preprocessing.normaliser):
        assert own.pixel_range == pixel_range
        assert own.mean == pytest.approx(mean, rel=1e-6)
        assert own.std == pytest.approx(std, rel=1e-6)
    assert trained.is_told
    assert set(report.unused) == set(tensors)
    assert any("mean and std are those in the file" in note for note in report.notes)


def test_preprocess_input_within_a_model_turns_conv1_and_the_numbers(tmp_path: Path) -> None:
    path = keras_50(
        tmp_path / "model.h5", [*turned_around(2, 1, 0), operation("Add", CAFFE), BODY, dense(None)]
    )

    artefact, _ = import_weights(path)

    conv1 = read_weight_file(path).tensors["conv1_conv/kernel"].permute(3, 2, 0, 1)
    assert torch.equal(artefact.tensors["conv1.weight"], conv1.flip(1))
    assert artefact.preprocessing.normaliser.mean == pytest.approx([123.7, 116.8, 103.9])
    assert open_trained(path).weights.naming.dialect.is_bgr


HIDDEN = {
    "channels in another order": turned_around(2, 0, 1),
    "a division by zero": [operation("TrueDivide", 0)],
    "a product of two tensors": [operation("Multiply", PIXELS)],
    "a function": [of_pixels("Lambda")],
    "operations": [of_pixels("GetItem"), of_pixels("Add")],
    "statistics that are nowhere": [of_pixels("Normalization")],
    "backwards": [of_pixels("Normalization", mean=0.5, variance=1, invert=True)],
    "a BN": [of_pixels("BatchNormalization")],
    "a scale that is none": [of_pixels("Rescaling", scale={"of": "x"})],
    "a scale below zero": [of_pixels("Rescaling", scale=-1)],
}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_a_file_does_with_pixels_and_nobody_understands_is_said(tmp_path: Path, name: str) -> None:
    """An import is refused; a fine-tuning does not say that its images are normalised as they were."""
    path = keras_50(tmp_path / "model.h5", [*HIDDEN[name], BODY, dense("softmax")])
    words = HIDDEN[name][0]["class_name"]

    with pytest.raises(CheckpointError, match=rf"computes otherwise .*\({words}\)"):
        import_weights(path)
    trained = open_trained(path)

    assert not trained.is_told
    assert any(words in note and "not understood" in note for note in trained.weights.notes)


def test_a_normalization_in_a_file_of_weights_alone_is_not_passed_over(tmp_path: Path) -> None:
    path = keras_50(tmp_path / "model.h5", [], **NORMALIZED)

    with pytest.raises(CheckpointError, match="besides the whole network it holds normalization"):
        import_weights(path)
    assert not open_trained(path).is_told


@pytest.mark.starts_anew
@pytest.mark.skipif(sys.platform != "linux", reason="no file may be larger than so much, as on a full disk")
def test_a_full_folder_for_temporary_files_is_no_damage(tmp_path: Path) -> None:
    import resource

    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["layers/dense/vars/0"] = torch.ones(100, 100).numpy()
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.write(tmp_path / "net.h5", "model.weights.h5")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for name in ("net.h5", "net.keras"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**14, hard))
        try:
            with pytest.raises(WriteError, match=rf"{name}: .*(?s:.)*name one with more room by TMPDIR="):
                read_weight_file(tmp_path / name)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert len(read_weight_file(tmp_path / name).tensors) == 1
