"""load_weights: heads, channels, other networks, and a report of every tensor."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from resnetlab import create_model
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.models import ResNet
from resnetlab.network.catalog import model_spec
from resnetlab.weights import load_weights, recognise
from resnetlab.weights.facts.naming import expected_shapes
from resnetlab.weights.facts.preprocessings import KERAS_CAFFE, PER_IMAGE, UNTOLD, beside
from tests.kit.foreign_weights import TENSORFLOW, keras_v1, lively, to_tensorflow

TINY: dict[str, object] = {"blocks": (1, 1, 1, 1), "width": 0.125}


def images(channels: int = 3) -> Tensor:
    return torch.randn(2, channels, 40, 40, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    safetensors.torch.save_file(lively("resnet18", classes=4, **TINY).state_dict(), path)
    return path


def logits(model: ResNet, state: dict[str, Tensor], pixels: Tensor) -> Tensor:
    model.load_state_dict(state)
    with torch.no_grad():
        return model.eval()(pixels)


def test_everything_matched_is_said_so(file: Path) -> None:
    model = lively("resnet18", classes=4, **TINY)

    state, report = load_weights(create_model("resnet18", classes=4, **TINY), file)

    assert set(report.matched) == set(state) == set(model.state_dict())
    assert not (report.derived or report.reset or report.unused)
    assert torch.equal(
        logits(ResNet(report.spec), state, images()), logits(model, model.state_dict(), images())
    )
    assert f"matched    {len(state)} tensors" in str(report)
    assert json.loads(json.dumps(report.to_json()))["preprocessing"]["mean"] == [0.485, 0.456, 0.406]


def test_another_class_count_is_an_error_that_says_what_to_do(file: Path) -> None:
    with pytest.raises(UsageError, match="the file has 4 classes, the network 5: head=reset"):
        load_weights(model_spec("resnet18").with_(classes=5, **TINY), file)


def test_a_reset_head_is_the_models_own_and_the_rest_the_files(file: Path) -> None:
    model = create_model("resnet18", classes=5, seed=1, **TINY)

    state, report = load_weights(model, file, head="reset")

    assert set(report.reset) == {"fc.weight", "fc.bias"} == set(report.unused)
    assert torch.equal(state["fc.weight"], model.fc.weight)
    assert torch.equal(state["conv1.weight"], lively("resnet18", classes=4, **TINY).conv1.weight)


def test_rows_of_shared_class_names_are_kept(file: Path) -> None:
    model = create_model("resnet18", classes=3, seed=1, **TINY)
    old = lively("resnet18", classes=4, **TINY).fc.weight

    state, report = load_weights(
        model,
        file,
        head="keep-shared",
        class_names=("owl", "cat", "emu"),
        file_class_names=("cat", "dog", "emu", "fox"),
    )

    assert torch.equal(state["fc.weight"][1:], old[[0, 2]])
    assert torch.equal(state["fc.weight"][0], model.fc.weight[0])
    assert report.reset["fc.weight"] == "the rows of 1 new classes: owl"
    with pytest.raises(UsageError, match="needs the file's 4 class names"):
        load_weights(model, file, head="keep-shared", class_names=("owl", "cat", "emu"))


def test_a_file_without_a_classifier_needs_a_reset_head(tmp_path: Path) -> None:
    path = tmp_path / "body.safetensors"
    body = {k: t for k, t in lively("resnet18", **TINY).state_dict().items() if not k.startswith("fc.")}
    safetensors.torch.save_file(body, path)
    spec = model_spec("resnet18").with_(classes=5, **TINY)

    with pytest.raises(UsageError, match="no classifier, the network one of 5 classes: head=reset"):
        load_weights(spec, path)
    state, report = load_weights(spec, path, head="reset")
    assert set(state) == set(expected_shapes(spec))
    assert set(report.reset.values()) == {"the file has no classifier"}


def test_the_background_class_is_left_out_for_1000_classes(tmp_path: Path) -> None:
    """Reference section 6.1, point 3: TensorFlow's label k is torch's k - 1."""
    path = tmp_path / "official.safetensors"
    spec = model_spec("tfofficial_resnet18v1")
    state = {k: torch.rand(s) for k, s in expected_shapes(spec).items() if not k.endswith("tracked")}
    order = [("conv1", "bn1")]
    for stage in (1, 2, 3, 4):
        order += [(f"layer{stage}.0.downsample.0", f"layer{stage}.0.downsample.1")]
        order += [(f"layer{stage}.{u}.conv{i}", f"layer{stage}.{u}.bn{i}") for u in (0, 1) for i in (1, 2)]
    pairs = [("dense", "fc")]
    for index, (conv, norm) in enumerate(order):
        tail = f"_{index}" if index else ""
        pairs += [(f"conv2d{tail}", conv), (f"batch_normalization{tail}", norm)]
    safetensors.torch.save_file(to_tensorflow(state, iter(pairs), TENSORFLOW), path)

    found, report = load_weights(spec.with_(classes=1000), path)

    assert torch.equal(found["fc.weight"], state["fc.weight"][1:])
    assert torch.equal(found["fc.bias"], state["fc.bias"][1:])
    assert any("background" in note for note in report.notes)


@pytest.mark.parametrize("channels", [1, 6])
def test_channels_are_adapted_so_that_grey_or_doubled_images_give_the_same(file: Path, channels: int) -> None:
    """A grey image as one channel for three, a colour image given twice; sums differ in order: 1e-5."""
    spec = model_spec("resnet18").with_(classes=4, in_channels=channels, **TINY)
    with pytest.raises(UsageError, match="images of 3 channels, the network of"):
        load_weights(spec, file)

    state, report = load_weights(spec, file, adapt_channels=True)

    original = lively("resnet18", classes=4, **TINY)
    grey, colour = images(1), images(3)
    pixels, same = (
        (grey, grey.expand(-1, 3, -1, -1)) if channels == 1 else (torch.cat((colour, colour), 1), colour)
    )
    expected = logits(original, original.state_dict(), same)
    assert torch.allclose(
        logits(ResNet(spec), state, pixels), expected, rtol=0, atol=1e-5 * float(expected.abs().max())
    )
    assert "conv1.weight" in report.derived


def test_another_depth_is_named(file: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds resnet18 with .*blocks.*another network than resnet34"):
        load_weights(model_spec("resnet34"), file)


def test_a_network_that_strides_elsewhere_is_refused(tmp_path: Path) -> None:
    """Keras' is v1: its numbers in v1.5 would fit, and be wrong."""
    path = tmp_path / "keras.safetensors"
    model = lively("resnet50_v1", conv_bias=True, **TINY)
    safetensors.torch.save_file(to_tensorflow(model.state_dict(), keras_v1((1, 1, 1, 1)), TENSORFLOW), path)

    with pytest.raises(CheckpointError, match="stride_on: the file's first, yours 3x3"):
        load_weights(model_spec("resnet50").with_(**TINY), path)
    _, report = load_weights(model_spec("resnet50_v1").with_(**TINY), path)
    assert "not exact: the file's network has bn_eps 1.001e-05, yours 1e-05" in report.notes


def test_a_plain_network_is_taken_as_plain_when_it_is_named(tmp_path: Path) -> None:
    """Reference section 8: a plain checkpoint has the residual one's names."""
    path = tmp_path / "plain.safetensors"
    state = lively("plain20").state_dict()
    safetensors.torch.save_file(state, path)

    found, report = load_weights(model_spec("plain20"), path)

    assert all(torch.equal(found[key], tensor) for key, tensor in state.items())
    assert any("does not tell shortcut: taken as your network has it, none" in note for note in report.notes)


STRANGERS = {
    "ResNeXt": {"layer1.0.conv2.weight": (64, 2, 3, 3)},
    "SE-ResNet": {"layer1.0.se.fc1.weight": (16, 256, 1, 1)},
    "ResNet-C or -D": {"conv1.0.weight": (32, 3, 3, 3)},
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_relative_is_called_by_its_name(name: str) -> None:
    with pytest.raises(CheckpointError, match=f"a.? {name}"):
        recognise(expected_shapes(model_spec("resnet50")) | STRANGERS[name])


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("blocks.0.attn.qkv.weight", "Vision Transformer"),
        ("features.denseblock1.denselayer1.conv1.weight", "DenseNet"),
        ("block1_conv1/kernel", "VGG"),
        ("resnet_v1_50/block1/unit_1/bottleneck_v1/conv1/weights", "TF-Slim"),
        ("something.weight", "no residual network whose names are known"),
    ],
)
def test_another_architecture_is_called_by_its_name(key: str, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        recognise({key: (3, 3)})


def test_missing_and_misshapen_tensors_are_named() -> None:
    shapes = expected_shapes(model_spec("resnet50"))
    del shapes["layer2.1.bn1.running_var"]
    shapes["layer3.1.conv3.weight"] = (7, 256, 1, 1)

    with pytest.raises(
        CheckpointError, match=r"missing: layer2\.1\.bn1\.running_var.*layer3\.1\.conv3\.weight"
    ):
        recognise(shapes)


def test_not_a_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    state = lively("resnet18", **TINY).state_dict()
    state["layer1.0.conv1.weight"].view(-1)[3] = torch.nan
    safetensors.torch.save_file(state, path)

    with pytest.raises(CheckpointError, match=r"NaN: layer1\.0\.conv1\.weight"):
        load_weights(None, path)


def test_timms_own_preprocessing_is_taken_from_beside_the_file(file: Path) -> None:
    facts = {
        "input_size": [3, 160, 160],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "crop_pct": 0.95,
        "interpolation": "bicubic",
    }
    (file.parent / "config.json").write_text(json.dumps({"pretrained_cfg": facts}))

    _, report = load_weights(None, file)

    found = report.preprocessing
    assert (found.crop, found.resize, found.mean, found.interpolation) == (160, 168, (0.5,) * 3, "bicubic")


def test_create_model_takes_a_file_of_weights(tmp_path: Path) -> None:
    theirs = create_model("resnet8", seed=5)
    safetensors.torch.save_file(theirs.state_dict(), tmp_path / "weights.safetensors")

    ours = create_model("resnet8", seed=1, weights=tmp_path / "weights.safetensors")

    assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.state_dict().items())


def as_kuangliu(key: str) -> str:
    return key.replace("downsample", "shortcut").replace("fc.", "linear.")


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
KUANGLIU = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
HALVES = ((0.5,) * 3, (0.5,) * 3)
NOTHING = ((0.0,) * 3, (1.0,) * 3)
FACTS = {
    "torchvision": ("resnet18", {}, str, IMAGENET, (256, 224, "bilinear")),
    "timm": ("resnet50_v2", {}, str, HALVES, (235, 224, "bicubic")),
    "kuangliu": (
        "resnet18", {"stem": "small", "classes": 10}, as_kuangliu, KUANGLIU, (None, None, "bilinear"),
    ),
    "kuangliu's names, other classes": (
        "resnet18", {"stem": "small", "classes": 9}, as_kuangliu, NOTHING, (None, None, "bilinear"),
    ),
    "kuangliu's names, grey images": (
        "resnet18", {"stem": "small", "classes": 10, "in_channels": 1}, as_kuangliu, NOTHING,
        (None, None, "bilinear"),
    ),
    "akamaster": ("resnet8", {}, as_kuangliu, IMAGENET, (None, None, "bilinear")),
    "own": ("resnet8", {}, str, NOTHING, (None, None, "bilinear")),
}  # fmt: skip


@pytest.mark.parametrize("source", FACTS)
def test_the_preprocessing_is_that_of_the_files_source(source: str) -> None:
    name, knobs, rename, numbers, geometry = FACTS[source]
    shapes = expected_shapes(model_spec(name).with_(**knobs))

    facts = recognise({rename(key): shape for key, shape in shapes.items()}).preprocessing

    assert (facts.mean, facts.std) == numbers
    assert (facts.resize, facts.crop, facts.interpolation) == geometry
    assert facts.is_told == (numbers != NOTHING)


def test_that_a_file_does_not_tell_the_preprocessing_is_said(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    safetensors.torch.save_file(lively("resnet8").state_dict(), path)

    _, report = load_weights(None, path)

    assert "images     the file does not tell how they were normalised" in str(report)
    assert report.to_json()["preprocessing"]["is_told"] is False


def test_what_lies_beside_a_file_is_in_pixels_of_0_to_1(tmp_path: Path) -> None:
    """As timm means it, also where the names are of a source that counts to 255 or knows no mean."""
    facts = {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.25] * 3}
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": facts}))

    for given in (KERAS_CAFFE, PER_IMAGE, UNTOLD):
        found, _ = beside(tmp_path / "x.h5", given)
        assert (found.pixel_range, found.normalise, found.is_told) == (1, "channel", True)
        assert (found.mean, found.std) == ((0.5,) * 3, (0.25,) * 3)


TINY_SHAPES = expected_shapes(model_spec("resnet8"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layer1.0.conv1.weight": ()}, "convolutions without four axes"),
        ({"layer300000.0.conv1.weight": (1, 1, 3, 3)}, "the residual units are not all there"),
        ({"layer300000000.0.conv1.weight": (1, 1, 3, 3)}, "unknown: layer300000000"),
        ({f"layer1.{'9' * 5000}.conv1.weight": (1, 1, 3, 3)}, "unknown: layer1"),
        ({"bn1.num_batches_tracked": (3,)}, r"bn1.num_batches_tracked is \(3,\), expected \(\)"),
    ],
)
def test_odd_names_and_shapes_are_an_error(changes: dict[str, tuple[int, ...]], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        recognise(TINY_SHAPES | changes)


def test_a_depth_that_the_catalog_lacks_is_another_architecture() -> None:
    unit = "block1/unit_1/unit_fn_v2"
    shapes = {"init_conv/weights": (3, 3, 3, 16), f"{unit}/preact/beta": (16,)}
    for number in range(1, 6):
        shapes |= {f"block1/unit_{number}/unit_fn_v2/conv{i}/weights": (3, 3, 16, 16) for i in (1, 2)}

    with pytest.raises(CheckpointError, match=r"chao-ji's trainer.*no network of ours"):
        recognise(shapes)
