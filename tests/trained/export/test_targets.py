"""The other targets: what is written is what the other library reads, or a refusal that says why."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from resnetlab import create_model
from resnetlab.data.batches.preprocessing import Geometry
from resnetlab.errors import ResnetlabError, UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.trained import export
from resnetlab.trained.artefact import Artefact, import_weights, load_artefact
from resnetlab.trained.export.comparing import largest_difference
from resnetlab.trained.export.exporting import export_model, read_foreign
from resnetlab.trained.export.fitting import fit
from resnetlab.trained.export.keras_file import KerasNetwork, keras_bytes
from resnetlab.trained.export.targets import TARGETS
from resnetlab.trained.export.torch_names import _TIMM, _TORCHVISION, _crop_share, torch_file
from resnetlab.weights.facts.naming import expected_shapes
from resnetlab.weights.namings.keras_applications import keras_layers, keras_v1_spec, keras_v2_spec
from tests.kit.artefacts import small_artefact
from tests.kit.foreign_weights import keras_v1, keras_v2


def logits(model: torch.nn.Module, artefact: Artefact) -> torch.Tensor:
    height, width, channels = artefact.image_shape
    images = torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        return model.eval()(images)


def test_the_room_has_the_exporter_and_the_names_are_read_without_it() -> None:
    code = "import sys, resnetlab.trained.export.targets as it; print('torch' in sys.modules, *it.TARGETS)"

    assert export.export_model is export_model
    with pytest.raises(AttributeError, match="no attribute 'export_all'"):
        export.export_all  # noqa: B018
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", *TARGETS]


def test_torchvision_takes_the_state_dict_with_another_bn_constant_made_up_for(tmp_path: Path) -> None:
    """The network has eps 1e-3 and biases, torchvision's 1e-5 and none."""
    artefact = small_artefact("resnet18", side=48, bn_eps=1e-3, conv_bias=True)

    export_model(artefact, "torchvision", tmp_path / "net.safetensors")

    theirs = create_model("resnet18", seed=0, classes=3)
    theirs.load_state_dict(safetensors.torch.load_file(tmp_path / "net.safetensors"))
    expected = logits(artefact.model(), artefact)
    assert float((logits(theirs, artefact) - expected).abs().max() / expected.abs().max()) < 1e-5


def test_a_description_beside_torchvisions_tensors_is_of_the_network_that_they_are(tmp_path: Path) -> None:
    """The file says eps and biases as made up for: with the first ones it would answer otherwise."""
    artefact = small_artefact("resnet18", side=48, bn_eps=1e-3, conv_bias=True)

    export_model(artefact, "torchvision", tmp_path / "net.safetensors")

    found, expected = load_artefact(tmp_path / "net.safetensors"), logits(artefact.model(), artefact)
    assert found.class_names == artefact.class_names
    assert float((logits(found.model(), artefact) - expected).abs().max() / expected.abs().max()) < 1e-5


def test_a_torch_file_holds_the_state_dict_and_nothing_else() -> None:
    tensors = dict(small_artefact().tensors)

    found = torch.load(io.BytesIO(torch_file(tensors)), weights_only=True)  # noqa: TID251

    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[key], tensors[key]) for key in tensors)


def test_real_torchvision_loads_it(tmp_path: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    artefact = small_artefact("resnet18", side=48)
    export_model(artefact, "torchvision", tmp_path / "net.safetensors")

    theirs = torchvision.models.resnet18(num_classes=3)
    theirs.load_state_dict(safetensors.torch.load_file(tmp_path / "net.safetensors"))
    assert torch.allclose(logits(theirs, artefact), logits(artefact.model(), artefact), rtol=1e-4)


def test_the_hub_folder_is_timms(tmp_path: Path) -> None:
    artefact = small_artefact("resnet18_v2", side=56, in_channels=1)
    geometry = Geometry(56, 60, "tf-bilinear")
    artefact = replace(artefact, preprocessing=replace(artefact.preprocessing, geometry=geometry))

    done = export_model(artefact, "hf", tmp_path / "net")

    config = json.loads((tmp_path / "net" / "config.json").read_text())
    assert (config["architecture"], config["num_classes"]) == ("resnetv2_18", 3)
    assert config["label_names"] == ["ant", "bee", "cat"]
    assert config["model_args"] == {"in_chans": 1}
    pretrained = config["pretrained_cfg"]
    assert pretrained["input_size"] == [1, 56, 56]
    assert int(56 / pretrained["crop_pct"]) == 60
    assert (pretrained["mean"], pretrained["std"]) == ([0.49], [0.21])
    assert (pretrained["first_conv"], pretrained["classifier"]) == ("stem.conv", "head.fc")
    state = safetensors.torch.load_file(tmp_path / "net" / "model.safetensors")
    assert state["head.fc.weight"].shape == (3, 512, 1, 1)  # timm's classifier is a convolution
    assert (tmp_path / "net" / "README.md").read_text().startswith("---\nlibrary_name: timm\n")
    assert 'timm.create_model("local-dir:net", pretrained=True)' in done.notes[0]
    assert "TensorFlow 1" in done.notes[1]


def test_real_timm_loads_the_hub_folder(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    artefact = small_artefact("resnet18_v2", side=56)
    export_model(artefact, "hf", tmp_path / "net")

    theirs = timm.create_model(f"local-dir:{tmp_path / 'net'}", pretrained=True)
    assert torch.allclose(logits(theirs, artefact), logits(artefact.model(), artefact), rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("resnet18", {"stride_on": "first", "bn_momentum": 0.01, "stochastic_depth": 0.2}),
        ("resnet50", {"shortcut": "stage", "zero_init_residual": True}),
    ],
)
def test_knobs_that_come_to_the_same_network_do_not_hinder(name: str, knobs: dict[str, object]) -> None:
    """A projection in every stage's first unit is one wherever the shape changes, for bottlenecks."""
    artefact = replace(small_artefact(), spec=model_spec(name).with_(**knobs, classes=3), tensors={})

    assert fit(artefact, _TORCHVISION, "torchvision")[0] == name


WIDE = {"widths": (128, 256, 512, 1024)}


@pytest.mark.parametrize(
    ("target", "spec", "theirs"),
    [
        ("hf", model_spec("resnet50").with_(blocks=(2, 2, 2, 2)), "resnet26"),
        ("hf", model_spec("resnet50").with_(**WIDE), "wide_resnet50_2"),
        ("hf", model_spec("resnet101").with_(**WIDE), "wide_resnet101_2"),
        ("torchvision", model_spec("resnet50").with_(**WIDE), "wide_resnet50_2"),
        ("torchvision", model_spec("resnet101").with_(**WIDE), "wide_resnet101_2"),
    ],
)
def test_networks_that_both_libraries_have_are_theirs(target: str, spec: ModelSpec, theirs: str) -> None:
    candidates = {"hf": _TIMM, "torchvision": _TORCHVISION}[target]
    artefact = replace(small_artefact(), spec=spec.with_(classes=3), tensors={})

    assert fit(artefact, candidates, target)[0] == theirs


def test_the_names_and_shapes_of_the_wide_and_the_short_network_are_theirs() -> None:
    """timm/models/resnet.py: Bottleneck, layers 2,2,2,2; base_width 128. Parameters as torchvision says."""
    wide, short = expected_shapes(_TIMM["wide_resnet50_2"]), expected_shapes(_TIMM["resnet26"])

    assert wide["layer3.0.conv2.weight"] == (512, 512, 3, 3)
    assert wide["layer4.2.conv3.weight"] == (2048, 1024, 1, 1)
    assert _TIMM["wide_resnet50_2"].num_parameters == 68_883_240
    assert _TIMM["wide_resnet101_2"].num_parameters == 126_886_696
    assert {key for key in short if key.startswith("layer3.")} >= {"layer3.1.conv3.weight"}
    assert "layer3.2.conv1.weight" not in short
    assert _TIMM["resnet26"].num_parameters == 15_995_176


def test_a_short_network_goes_to_the_hub_and_comes_back(tmp_path: Path) -> None:
    artefact = small_artefact("resnet50", side=64, blocks=(2, 2, 2, 2))

    export_model(artefact, "hf", tmp_path / "hub")

    config = json.loads((tmp_path / "hub" / "config.json").read_text())
    assert (config["architecture"], config["num_features"]) == ("resnet26", 2048)
    with pytest.raises(UsageError, match=r"torchvision has no network like resnet50 with blocks 2, 2, 2, 2"):
        export_model(artefact, "torchvision", tmp_path / "net.pth")


def test_timm_cuts_the_share_down_to_our_resize() -> None:
    for crop in (96, 160, 224, 288, 299):
        for resize in range(crop, crop + 80):
            assert int(crop / _crop_share(crop, resize)) == resize


@pytest.mark.parametrize(
    ("target", "artefact", "reasons"),
    [
        ("torchvision", {"name": "resnet50_v1"}, ["the nearest, resnet50", "on the first 1x1 (v1) here"]),
        ("torchvision", {"name": "resnet20"}, ["torchvision has no network like", "stem is small here"]),
        (
            "keras-cifar10",
            {"name": "resnet20_exclusive_gating"},
            ["has no network like resnet20_exclusive_gating", "shortcut gate is exclusive here, none there"],
        ),
        ("torchvision", {"name": "resnet18", "in_channels": 1}, ["take 3 channels, this one 1"]),
        ("torchvision", {"name": "tfofficial_resnet18v1"}, ["max pool is same here, torch there"]),
        ("hf", {"name": "resnet50_v1"}, ["timm has no network like resnet50_v1"]),
        ("hf", {"name": "resnet18", "kind": "per-image"}, ["timm normalises by channel", "per-image"]),
        ("keras", {"name": "resnet50"}, ["the nearest, ResNet50,", "on the 3x3 (v1.5) here"]),
        ("keras", {"name": "resnet18"}, ["unit is basic here, bottleneck there"]),
        ("keras", {"name": "resnet50_v2"}, ["the nearest, ResNet50V2,", "in the last unit there"]),
    ],
)  # fmt: skip
def test_a_network_that_the_target_does_not_have_is_refused_with_the_reason(
    tmp_path: Path, target: str, artefact: dict[str, object], reasons: list[str]
) -> None:
    artefact = dict(artefact)
    path = tmp_path / f"net{TARGETS[target][0]}"
    channels = artefact.pop("in_channels", 3)
    spec = model_spec(str(artefact.pop("name"))).with_(in_channels=channels, classes=3)
    other = small_artefact(**artefact, in_channels=channels)  # type: ignore[arg-type]
    made = replace(other, spec=spec, tensors={})

    with pytest.raises(UsageError) as caught:
        export_model(made, target, path)

    assert all(reason in str(caught.value) for reason in reasons), str(caught.value)
    assert not path.exists()


@pytest.mark.parametrize("version", [1, 2])
def test_keras_files_hold_the_network_in_keras_layouts(version: int) -> None:
    """Ours with biases that Keras' has not, or another constant; read back as Keras' file."""
    pytest.importorskip("h5py")
    knobs = {"blocks": (2, 1, 3, 1), "width": 0.125, "classes": 3}
    spec = (keras_v1_spec(50) if version == 1 else keras_v2_spec(50)).with_(**knobs)
    artefact = small_artefact(spec.name, side=40)
    model = create_model(spec, seed=1).eval()
    artefact = replace(artefact, spec=spec, tensors=model.state_dict())

    network = KerasNetwork(spec, artefact.tensors, keras_layers(spec), "", ())
    state = read_foreign(keras_bytes(artefact, network), ".h5", spec)

    theirs = create_model(spec, seed=2)
    theirs.load_state_dict(state)
    assert torch.equal(logits(theirs, artefact), logits(model, artefact))


def test_a_whole_keras_network_makes_up_for_constant_and_biases(tmp_path: Path) -> None:
    """Read back by weights/, which has its own table of names; 2e-5 after 50 layers."""
    h5py = pytest.importorskip("h5py")
    artefact = small_artefact("resnet50_v1", side=40, conv_bias=True, bn_eps=1e-3)

    done = export_model(artefact, "keras", tmp_path / "net.h5")

    assert done.difference < 2e-5
    assert "keras.applications.ResNet50(weights='net.h5', classes=3)" in done.notes[0]
    with h5py.File(tmp_path / "net.h5") as file:
        assert json.loads(file["resnetlab/class_names"][()]) == ["ant", "bee", "cat"]


def test_what_goes_out_to_keras_comes_in_with_its_names_and_its_preprocessing(tmp_path: Path) -> None:
    """Keras' own files have another normalisation, and no names."""
    artefact = small_artefact("resnet50_v1", side=64)
    export_model(artefact, "keras", tmp_path / "net.h5")

    back, report = import_weights(tmp_path / "net.h5")

    assert back.class_names == artefact.class_names
    assert back.preprocessing == artefact.preprocessing
    assert "the preprocessing is that in the file" in report.notes
    assert "the classes' names are those in the file" in report.notes


@pytest.mark.parametrize(
    ("name", "builder"), [("keras_resnet8v1", "resnet_v1"), ("keras_resnet11v2", "resnet_v2")]
)
def test_the_network_of_keras_example_goes_out_and_comes_in_whole(
    tmp_path: Path, name: str, builder: str
) -> None:
    """Every bit of it: biases before a BN, and the mean image."""
    h5py = pytest.importorskip("h5py")
    artefact = small_artefact(name, kind="per-pixel-mean")

    done = export_model(artefact, "keras", tmp_path / "net.h5")

    depth = artefact.spec.depth
    assert done.difference == 0
    assert f"{builder}(input_shape=(32, 32, 3), depth={depth}, num_classes=3)" in done.notes[0]
    assert ".load_weights('net.h5')" in done.notes[0]
    assert not any("pool" in note for note in done.notes)
    back, _ = import_weights(tmp_path / "net.h5")
    assert back.spec == artefact.spec
    assert back.tensors.keys() == artefact.tensors.keys()
    weights = {key for key in artefact.tensors if not key.endswith("num_batches_tracked")}
    assert all(torch.equal(back.tensors[key], artefact.tensors[key]) for key in weights)
    assert back.preprocessing == artefact.preprocessing
    assert back.class_names == artefact.class_names
    with h5py.File(tmp_path / "net.h5") as file:
        layers = [str(layer) for layer in file.attrs["layer_names"].astype(str)]
    assert layers == EXAMPLES_ORDER[builder]


def numbered(order: str) -> list[str]:
    """c1 is conv2d_1, b is batch_normalization."""
    kinds = {"c": "conv2d", "b": "batch_normalization"}
    found = [f"{kinds[each[0]]}_{each[1:]}".rstrip("_") for each in order.split()]
    return [*found, "dense"]


# `[layer.name for layer in resnet_v1((32, 32, 3), 8).layers if layer.weights]` of Keras 3, and of v2 of 11.
EXAMPLES_ORDER = {
    "resnet_v1": numbered("c b c1 b1 c2 b2 c3 b3 c4 c5 b4 c6 b5 c7 c8 b6"),
    "resnet_v2": numbered("c b c1 b1 c2 b2 c4 c3 b3 c5 b4 c6 b5 c8 c7 b6 c9 b7 c10 b8 c12 c11 b9"),
}


def test_what_keras_example_must_be_changed_in_for_a_network_is_said(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    made = small_artefact("keras_resnet8v1", side=16, names=("no", "yes"))
    one = replace(
        made,
        spec=made.spec.with_(classes=1),
        tensors=dict(made.tensors) | {key: made.tensors[key][:1] for key in ("fc.weight", "fc.bias")},
    )

    notes = " ".join(export_model(one, "keras", tmp_path / "net.h5").notes)

    assert "needs pool_size=(4, 4)" in notes
    assert 'activation="sigmoid"' in notes


def test_a_network_that_is_none_of_keras_example_is_refused_with_what_differs(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"cifar10_resnet\.py has no .* the nearest, keras_resnet8v1, differs"
    ):
        export_model(small_artefact("resnet8"), "keras", tmp_path / "net.h5")


@pytest.mark.parametrize("kind", ["per-image", "none"])
def test_the_preprocessing_of_a_keras_file_of_ours_comes_in(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("h5py")
    artefact = small_artefact("keras_resnet8v1", kind=kind)
    export_model(artefact, "keras", tmp_path / "net.h5")

    own, back = artefact.preprocessing, import_weights(tmp_path / "net.h5")[0].preprocessing

    assert back.geometry == own.geometry
    images = torch.arange(32 * 32 * 3).reshape(1, 32, 32, 3).remainder(256).to(torch.uint8)
    assert torch.equal(back.normaliser(images), own.normaliser(images))


@pytest.mark.parametrize(("spec", "table"), [(keras_v1_spec(50), keras_v1), (keras_v2_spec(50), keras_v2)])
def test_keras_names_are_those_of_the_table(spec, table) -> None:  # type: ignore[no-untyped-def]
    layers = keras_layers(spec)

    assert sorted(layers) == sorted(table(spec.blocks))
    assert layers[-1][0] == "predictions"


def test_keras_order_is_that_of_its_models_layers() -> None:
    """What `[layer.name for layer in ResNet50().layers if layer.weights]` of Keras 3 begins with."""
    v1 = [theirs for theirs, _ in keras_layers(keras_v1_spec(50))]
    v2 = [theirs for theirs, _ in keras_layers(keras_v2_spec(50))]

    unit = ["1_conv", "1_bn", "2_conv", "2_bn", "0_conv", "3_conv", "0_bn", "3_bn"]
    assert v1[:10] == ["conv1_conv", "conv1_bn", *(f"conv2_block1_{name}" for name in unit)]
    unit = ["preact_bn", "1_conv", "1_bn", "2_conv", "2_bn", "0_conv", "3_conv"]
    assert v2[:8] == ["conv1_conv", *(f"conv2_block1_{name}" for name in unit)]


def test_a_torch_program_is_of_torch_alone_and_takes_any_batch(tmp_path: Path) -> None:
    artefact = small_artefact(kind="per-image")
    export_model(artefact, "torch-export", tmp_path / "net.pt2", takes_pixels=True)
    images = torch.from_numpy(np.random.default_rng(2).integers(0, 256, (4, 32, 32, 3)).astype(np.uint8))

    texts = {"class_names": ""}
    program = torch.export.load(tmp_path / "net.pt2", extra_files=texts).module()

    assert json.loads(texts["class_names"]) == ["ant", "bee", "cat"]
    assert all(type(module).__module__.startswith("torch.") for module in program.modules())
    with torch.no_grad():
        prepared = artefact.preprocessing.normaliser(images).permute(0, 3, 1, 2)
        expected = artefact.model()(prepared).softmax(1)
        assert torch.allclose(program(images), expected, atol=1e-5)


def test_where_folding_changes_logits_the_layers_stay_and_it_is_said(tmp_path: Path) -> None:
    """A mean of 1e4, which a bias makes: the network rounds what it adds to it, the folded one does not."""
    artefact = small_artefact(conv_bias=True)
    artefact.tensors["conv1.bias"].add_(1e4)
    artefact.tensors["bn1.running_mean"].add_(1e4)

    done = export_model(artefact, "torch-export", tmp_path / "net.pt2")

    assert done.difference == 0
    assert "BN is not folded into the convolutions: a logit would differ by" in done.notes[0]
    assert "bn1.weight" in torch.export.load(tmp_path / "net.pt2").state_dict


def test_a_torch_program_of_all_layers_is_exact(tmp_path: Path) -> None:
    done = export_model(small_artefact(), "torch-export", tmp_path / "net.pt2", folds=False)
    assert done.difference == 0


def test_what_differs_from_pytorch_is_not_kept() -> None:
    artefact = small_artefact()
    model = artefact.model()

    assert largest_difference(artefact, model) == 0
    for wrong in (lambda x: model(x) * 1.001, lambda x: model(x)[:1], lambda x: model(x) * torch.nan):
        with pytest.raises(ResnetlabError, match="nothing was written"):
            largest_difference(artefact, wrong)


def test_batches_of_five_are_compared_too() -> None:
    artefact = small_artefact()
    model = artefact.model()

    with pytest.raises(ResnetlabError, match="in a batch of 5"):
        largest_difference(artefact, lambda x: model(x) if len(x) < 5 else model(x.flip(0)))


@pytest.mark.parametrize(
    ("target", "name", "takes_pixels", "message"),
    [
        ("safetensor", "x", False, "Did you mean safetensors"),
        ("safetensors", "net.bin", False, "ends in .safetensors"),
        ("keras", "net.weights.h5", False, "ends in .h5"),
        ("folder", "taken", False, "is there already"),
        ("safetensors", "taken", False, "is a directory"),
        ("safetensors", "net.safetensors", True, "only onnx and torch-export"),
    ],
)
def test_bad_usage_is_told(tmp_path: Path, target: str, name: str, takes_pixels: bool, message: str) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()

    with pytest.raises(UsageError, match=message):
        export_model(small_artefact(), target, tmp_path / name, takes_pixels=takes_pixels)


def test_only_a_graph_can_be_left_unfolded(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="safetensors has the layers as they are"):
        export_model(small_artefact(), "safetensors", tmp_path / "net.safetensors", folds=False)
