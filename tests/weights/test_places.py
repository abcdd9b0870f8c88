"""A network within a file: under prefixes, with other heads, beside what is none of its parts."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from resnetlab.cli import main
from resnetlab.errors import CheckpointError, ResnetlabError, UsageError
from resnetlab.models import ResNet
from resnetlab.trained.transfer import open_trained
from resnetlab.weights import WeightsReport, load_weights
from resnetlab.weights.loading import open_weights
from tests.kit.foreign_weights import lively
from tests.kit.torch_files import save

TINY: dict[str, object] = {"blocks": (1, 1, 1, 1), "width": 0.125, "classes": 4}
State = dict[str, Tensor]
WIDTH = 64


def whole() -> State:
    return dict(lively("resnet18", **TINY).state_dict())


def body() -> State:
    return {key: tensor for key, tensor in whole().items() if not key.startswith("fc.")}


def prefixed(prefix: str, state: State) -> State:
    return {prefix + key: tensor for key, tensor in state.items()}


def loaded(
    folder: Path, state: State, prefix: str | None = None, ignore: Sequence[str] = ()
) -> tuple[State, WeightsReport]:
    path = folder / "weights.safetensors"
    safetensors.torch.save_file({key: tensor.clone() for key, tensor in state.items()}, path)
    return load_weights(None, path, prefix=prefix, ignore=ignore)


def refused(folder: Path, state: State, words: str) -> ResnetlabError:
    with pytest.raises(CheckpointError, match=words) as raised:
        loaded(folder, state)
    return raised.value


def is_whole(found: State) -> bool:
    return all(torch.equal(found[key], tensor) for key, tensor in whole().items())


PREFIXES = [
    "encoder.", "backbone.", "net.", "resnet.", "module.model.", "model.module._orig_mod.", "ema.module.",
    "student.backbone.", "1.", "state.anything_else.",
]  # fmt: skip


@pytest.mark.parametrize("prefix", PREFIXES)
def test_any_prefix_under_which_a_network_is_whole_is_removed_and_said(tmp_path: Path, prefix: str) -> None:
    found, report = loaded(tmp_path, prefixed(prefix, whole()))

    assert is_whole(found)
    assert "prefixes   removed" in str(report)
    assert report.naming.has_head


def test_torchs_wrappers_are_removed_at_any_depth(tmp_path: Path) -> None:
    wrapped = {key.replace("layer2.", "layer2._orig_mod."): tensor for key, tensor in whole().items()}

    found, report = loaded(tmp_path, prefixed("_orig_mod.module.", wrapped))

    assert is_whole(found)
    assert "_orig_mod." in report.naming.prefixes


def test_of_several_networks_the_user_chooses(tmp_path: Path) -> None:
    other = {key: tensor + 1 for key, tensor in whole().items()}
    state = prefixed("module.encoder_q.", whole()) | prefixed("module.encoder_k.", other)
    state["module.queue"] = torch.rand(8, 8)

    error = refused(tmp_path, state, r"holds 2 networks, under .*encoder_k.*encoder_q")

    assert "--prefix" in error.hint
    assert is_whole(loaded(tmp_path, state, prefix="encoder_q")[0])
    found, report = loaded(tmp_path, state, prefix="module.encoder_k.")
    assert torch.equal(found["fc.weight"], other["fc.weight"])
    assert report.unused["module.queue"] == "outside of the prefix"
    with pytest.raises(UsageError, match="no network lies under the prefix 'teacher'") as raised:
        loaded(tmp_path, state, prefix="teacher")
    assert "module.encoder_q." in raised.value.hint


def test_a_prefix_may_end_before_the_only_network_beneath_it(tmp_path: Path) -> None:
    other = {key: tensor + 1 if tensor.is_floating_point() else tensor for key, tensor in whole().items()}
    state = prefixed("teacher.backbone.", whole()) | prefixed("student.backbone.", other)

    found, _ = loaded(tmp_path, state, "teacher")
    assert is_whole(found)

    with pytest.raises(UsageError, match="no network lies under the prefix 'teach'") as raised:
        loaded(tmp_path, state, "teach")
    assert "under student.backbone, teacher.backbone." in str(raised.value.hint)


def test_several_copies_of_the_same_numbers_are_one_network(tmp_path: Path) -> None:
    """MadryLab's robustness saves its model a second time as the attacker's."""
    mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.1])
    numbers = {"new_mean": mean.view(3, 1, 1), "new_std": std.view(3, 1, 1)}
    state = prefixed("module.model.", whole()) | prefixed("module.normalizer.", numbers)
    state |= prefixed("module.attacker.model.", whole()) | prefixed("module.attacker.normalize.", numbers)

    found, report = loaded(tmp_path, state)

    assert is_whole(found)
    facts = report.preprocessing
    assert facts.mean == pytest.approx((0.4, 0.5, 0.6))
    assert facts.std == pytest.approx((0.2, 0.3, 0.1))
    assert facts.is_told
    assert "normalises the images" in report.unused["module.normalizer.new_mean"]
    state["module.attacker.normalize.new_std"] = torch.ones(3, 1, 1)  # another one: which is it?
    refused(tmp_path, state, r"besides the whole network it holds .*normalizer\.\* \(2")


@pytest.mark.parametrize(
    ("mean", "std", "shape"),
    [("mu", "sigma", (1, 3, 1, 1)), ("mean", "std", (3, 1, 1)), ("0.mean", "0.std", (3,))],
)
def test_a_normaliser_in_front_is_the_preprocessing(
    tmp_path: Path, mean: str, std: str, shape: tuple[int, ...]
) -> None:
    numbers = {mean: torch.tensor([120.0, 110.0, 100.0]).view(shape), std: torch.full(shape, 58.0)}

    _, report = loaded(tmp_path, prefixed("1.", whole()) | numbers)

    assert report.preprocessing.pixel_range == 255
    assert report.preprocessing.mean == (120.0, 110.0, 100.0)
    assert any("mean and std are those in the file" in note for note in report.notes)


W, B = torch.rand(4, WIDTH), torch.rand(4)
LINEAR = {
    "dropout and linear": {"fc.1.weight": W, "fc.1.bias": B},
    "linear alone": {"fc.0.weight": W, "fc.0.bias": B},
    "classifier": {"classifier.weight": W, "classifier.bias": B},
    "head": {"head.fc.weight": W, "head.fc.bias": B},
    "last_linear": {"last_linear.weight": W, "last_linear.bias": B},
    "a convolution": {"classifier.1.weight": W[:, :, None, None], "classifier.1.bias": B},
}


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_one_linear_layer_is_the_head_whatever_it_is_called(tmp_path: Path, name: str, prefix: str) -> None:
    found, report = loaded(tmp_path, prefixed(prefix, body()) | LINEAR[name])

    assert torch.equal(found["fc.weight"], W)
    assert torch.equal(found["fc.bias"], B)
    assert report.spec.classes == 4
    assert any("lies beside" in note for note in report.notes) == bool(prefix)


def test_a_quantised_head_is_no_missing_one(tmp_path: Path) -> None:
    """Its matrix and bias lie packed in what is no tensor; scale and zero point tell of it."""
    state = body() | {"fc.scale": torch.tensor(1.0), "fc.zero_point": torch.tensor(0)}

    refused(
        tmp_path, state, "its classifier is not one linear layer that reads the features: .*fc.zero_point"
    )


def test_a_head_without_bias_has_one_of_zeros(tmp_path: Path) -> None:
    found, report = loaded(tmp_path, body() | {"fc.weight": W})

    assert torch.equal(found["fc.weight"], W)
    assert not found["fc.bias"].any()
    assert report.derived["fc.bias"] == "0: the file has no bias there"


OWN_HEADS = {
    "two layers": {
        "fc.0.weight": torch.rand(8, WIDTH),
        "fc.0.bias": torch.rand(8),
        "fc.3.weight": torch.rand(4, 8),
    },
    "two, the width kept": {"fc.weight": torch.rand(WIDTH, WIDTH), "classifier.weight": W},
    "a norm before": {"fc.0.weight": torch.rand(WIDTH), "fc.0.bias": torch.rand(WIDTH), "fc.1.weight": W},
    "another width": {"fc.weight": torch.rand(4, 2 * WIDTH)},
    "weight norm": {"fc.weight_g": torch.rand(4, 1), "fc.weight_v": W},
}


@pytest.mark.parametrize("name", OWN_HEADS)
def test_any_other_head_is_refused_by_name_and_begins_anew_where_that_is_asked_for(
    tmp_path: Path, name: str
) -> None:
    state = body() | OWN_HEADS[name]
    error = refused(tmp_path, state, "its classifier is not one linear layer that reads the features: .*fc")
    assert "finetune" in error.hint

    model = lively("resnet18", **TINY)
    found, report = load_weights(model, tmp_path / "weights.safetensors", head="reset")

    assert torch.equal(found["layer4.0.conv2.weight"], state["layer4.0.conv2.weight"])
    assert set(OWN_HEADS[name]) == set(report.unused)
    assert set(report.reset) == {"fc.weight", "fc.bias"}


BESIDES = {
    "a projection": {
        "projection_head.0.weight": torch.rand(8, WIDTH),
        "projection_head.0.bias": torch.rand(8),
    },
    "class weights": {"criterion.weight": torch.ones(4)},
    "an auxiliary head": {"aux.fc.weight": torch.rand(4, WIDTH)},
    "a norm": {"neck.weight": torch.rand(WIDTH), "neck.running_mean": torch.rand(WIDTH)},
    "a temperature": {"temperature": torch.tensor(2.0)},
}


@pytest.mark.parametrize("name", BESIDES)
@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_what_lies_besides_is_refused_by_groups_or_left_out_if_that_is_said(
    tmp_path: Path, name: str, prefix: str
) -> None:
    more = BESIDES[name]
    state = prefixed(prefix, whole()) | (prefixed(prefix, more) if prefix == "module." else more)
    group = next(iter(more)).partition(".")[0]
    pattern = f"{group}.*" if "." in next(iter(more)) else group
    count = f"{len(more)} tensor{'s' * (len(more) > 1)}"

    error = refused(tmp_path, state, rf"besides the whole network it holds {group}.* \({count}\)")

    assert f"--ignore '{pattern}'" in error.hint
    found, report = loaded(tmp_path, state, ignore=[pattern])
    assert is_whole(found)
    assert set(report.unused.values()) == {"left out, as asked"}
    _, reset = load_weights(lively("resnet18", **TINY), tmp_path / "weights.safetensors", head="reset")
    assert len(reset.unused) == len(more) + 2


def test_a_pattern_to_ignore_that_fits_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no tensor of the file is called 'heads\.\*'"):
        loaded(tmp_path, whole(), ignore=["heads.*"])


OTHER_NETWORKS: dict[str, tuple[Callable[[State], State], str]] = {
    "FCN": (
        lambda state: prefixed("backbone.", body()) | {"classifier.0.weight": torch.rand(8, WIDTH, 3, 3)},
        "segmentation network .* dilated",
    ),
    "DeepLab": (
        lambda state: (
            prefixed("backbone.", body()) | {"classifier.0.convs.0.0.weight": torch.rand(8, WIDTH, 1, 1)}
        ),
        "segmentation network .* dilated",
    ),
    "group normalisation": (
        lambda state: {
            key: tensor for key, tensor in state.items() if "running" not in key and "num_" not in key
        },
        "group or layer normalisation",
    ),
    "CBAM": (lambda state: state | {"layer1.0.ca.fc.0.weight": torch.rand(4, 4, 1, 1)}, "CBAM"),
    "attention after the stem": (
        lambda state: state | {"ca.fc1.weight": torch.rand(4, 8, 1, 1)},
        "unknown: ca.fc1",
    ),
    "PReLU": (lambda state: state | {"prelu.weight": torch.rand(8)}, "unknown: prelu"),
    "a convolution more": (lambda state: state | {"conv2.weight": torch.rand(8, 8, 3, 3)}, "unknown: conv2"),
    "SE": (lambda state: prefixed("m.", state | {"layer1.0.se.fc1.weight": torch.rand(2, 8)}), "SE-ResNet"),
    "quantised": (lambda state: state | {"layer1.0.conv1.zero_point": torch.zeros(1)}, "quantised"),
}


@pytest.mark.parametrize("name", OTHER_NETWORKS)
def test_another_network_is_refused_also_where_the_head_begins_anew(tmp_path: Path, name: str) -> None:
    change, words = OTHER_NETWORKS[name]
    refused(tmp_path, change(whole()), words)

    with pytest.raises(CheckpointError, match=words):
        load_weights(lively("resnet18", **TINY), tmp_path / "weights.safetensors", head="reset")


def test_whole_numbers_are_no_weights(tmp_path: Path) -> None:
    state = whole()
    state["layer1.0.conv1.weight"] = (state["layer1.0.conv1.weight"] * 9).to(torch.int8)

    refused(tmp_path, state, r"layer1\.0\.conv1\.weight holds int8: the network is quantised")


def test_a_stem_with_a_pool_is_said_by_a_knob(tmp_path: Path) -> None:
    """Huyvnphan's networks for CIFAR-10: a 3x3 convolution of stride 1 and torchvision's max pool."""
    knobs = TINY | {"stem": "small", "stem_pool": True}
    model = lively("resnet18", **knobs)
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file(model.state_dict(), path)

    _, plain = load_weights(None, path)
    found, report = load_weights(None, path, knobs={"stem_pool": True})

    assert any("3x3, stride 1, no max pool follows" in note for note in plain.notes)
    assert not any("bottleneck" in note for note in plain.notes)
    assert report.spec == model.spec
    ours = ResNet(report.spec).eval()
    ours.load_state_dict(found)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(ours(images), model(images))
    with pytest.raises(UsageError, match=r"the file tells blocks: it holds"):
        load_weights(None, path, knobs={"blocks": (2, 2, 2, 2)})
    with pytest.raises(UsageError, match="no such model knob: stem_pol"):
        load_weights(None, path, knobs={"stem_pol": True})


def test_three_stages_of_bottlenecks_stride_on_the_3x3_unless_it_is_said(tmp_path: Path) -> None:
    model = lively("resnet11_bottleneck", width=0.5, stride_on="3x3")
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file(prefixed("module.", dict(model.state_dict())), path)

    _, report = load_weights(None, path)
    _, other = load_weights(None, path, knobs={"stride_on": "first"})

    assert report.spec == model.spec
    assert any("a bottleneck strides on its 3x3" in note for note in report.notes)
    assert other.spec.stride_on == "first"
    assert any("stride_on=first, as asked" in note for note in other.notes)


def test_the_command_line_says_which_network_and_what_to_ignore(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {key: tensor + 1 for key, tensor in whole().items()}
    path = tmp_path / "two.safetensors"
    state = prefixed("student.", whole()) | prefixed("teacher.", other) | {"criterion.weight": torch.ones(4)}
    safetensors.torch.save_file(state, path)

    assert main(["import", str(path), "-o", str(tmp_path / "a")]) == 5
    assert "--prefix student." in capsys.readouterr().err
    assert (
        main(
            ["import", str(path), "-o", str(tmp_path / "a"), "--prefix", "teacher", "--ignore", "criterion.*"]
        )
        == 0
    )

    found = safetensors.torch.load_file(tmp_path / "a" / "model.safetensors")
    assert torch.equal(found["fc.weight"], other["fc.weight"])
    assert open_trained(path, prefix="student").spec.classes == 4


def test_what_a_profiler_left_in_every_module_is_left_out(tmp_path: Path) -> None:
    state = whole()
    modules = ("", "layer1.", "layer1.0.", "layer1.0.conv1.")
    counted = {f"{module}total_ops": torch.zeros(1) for module in modules}
    safetensors.torch.save_file(state | counted, tmp_path / "x.safetensors")

    _, report = load_weights(None, tmp_path / "x.safetensors")

    assert dict(report.unused) == dict.fromkeys(counted, "counted by a profiler")


def test_a_file_that_may_normalise_images_in_its_own_way_is_not_said_to_do_it_as_others(
    tmp_path: Path,
) -> None:
    state = whole()
    more = {"mean": torch.rand(1, 3, 1, 1), "inv_std": torch.rand(1, 3, 1, 1)}
    safetensors.torch.save_file(state | more, tmp_path / "x.safetensors")

    opened = open_weights(tmp_path / "x.safetensors")

    assert not opened.preprocessing.is_told
    assert any("may normalise images itself" in note for note in opened.notes)


def test_variances_below_zero_are_refused(tmp_path: Path) -> None:
    """But not those that an export with another constant under the root leaves."""
    state = whole()
    state["bn1.running_var"][0] = -9e-6
    safetensors.torch.save_file(state, tmp_path / "x.safetensors")
    load_weights(None, tmp_path / "x.safetensors")

    state["bn1.running_var"][0] = -2e-5
    safetensors.torch.save_file(state, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=r"below zero: bn1\.running_var"):
        load_weights(None, tmp_path / "x.safetensors")


def test_a_tensor_without_plain_numbers_is_refused_by_name_and_not_left_out(tmp_path: Path) -> None:
    """A sparse classifier made a backbone of a network."""
    state = whole()
    state["fc.weight"] = state["fc.weight"].to_sparse()
    save({"state_dict": state}, tmp_path / "x.pth")

    with pytest.raises(CheckpointError, match=r"numbers are not there one by one: fc\.weight \(sparse\)"):
        load_weights(None, tmp_path / "x.pth", head="reset")


def test_of_our_own_networks_with_biases_the_padding_is_said_to_be_open(tmp_path: Path) -> None:
    """A bare state dict of Keras' example has the names and shapes of one that pads as torch does."""
    path = tmp_path / "x.safetensors"
    theirs = lively("keras_resnet8v1", classes=4)
    safetensors.torch.save_file(dict(theirs.state_dict()), path)

    _, report = load_weights(None, path)
    assert any("padding" in note and "pad both sides alike" in note for note in report.notes)

    _, report = load_weights(None, path, knobs={"padding": "same"})
    assert report.spec.padding == "same"
