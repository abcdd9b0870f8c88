"""What lies beside weights says which network they are of, and is believed."""

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from resnetlab import create_model
from resnetlab.errors import CheckpointError
from resnetlab.trained.transfer import open_trained
from resnetlab.weights import load_weights
from tests.kit.foreign_weights import lively

TINY: dict[str, object] = {"blocks": (1, 1, 1, 1), "width": 0.125, "classes": 4}
TIMM = {"input_size": [3, 64, 64], "mean": [0.5] * 3, "std": [0.5] * 3, "crop_pct": 1.0}


def folder_of(folder: Path, config: dict[str, Any], network: str = "resnet50") -> Path:
    safetensors.torch.save_file(lively(network, **TINY).state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"pretrained_cfg": TIMM} | config))
    return folder


OURS = [
    "resnet50", "resnet26", "resnet50.a1_in1k", "timm/resnet50.a1_in1k", "tv_resnet50", "gluon_resnet50_v1b",
    "ssl_resnet18", "swsl_resnet50", "wide_resnet50_2", "resnetv2_50", "ResNet-50", "resnet152", "resnet56",
]  # fmt: skip


@pytest.mark.parametrize("name", OURS)
def test_the_names_of_our_networks_pass_without_a_word(tmp_path: Path, name: str) -> None:
    _, report = load_weights(None, folder_of(tmp_path, {"architecture": name}))

    assert report.preprocessing.mean == (0.5,) * 3
    assert not any("not known" in note for note in report.notes)


OTHERS = {
    "resnetblur18": "blur pools", "resnetblur50.bt_in1k": "blur pools", "resnetaa50": "average pools",
    "resnetaa101d": "average pools", "resnet50d": "ResNet-D", "resnet26t": "another stem",
    "resnet50c": "another stem",
    "resnet33ts": "another stem", "resnet50s": "another stem", "gluon_resnet50_v1d": "ResNet-C, -D or -S",
    "resnet50_gn": "group normalisation", "seresnet50": "other layers", "ecaresnet50t": "other layers",
    "resnext50_32x4d": "a relative of ResNet", "resnetv2_50d": "ResNet-D", "resnetv2_50x1_bit": "Big",
    "vit_base_patch16_224": "another architecture", "convnext_tiny": "another architecture",
    "deeplabv3_resnet50": "segmentation", "fcn_resnet50": "segmentation", "resnetrs50": "ResNet-RS",
    "efficientnet_b0": "another architecture", "resnet50_clip": "other layers", "densenet121": "relative",
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_another_network_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match=f"the network is {name}: .*{OTHERS[name]}"):
        load_weights(None, folder_of(tmp_path, {"architecture": name}))


@pytest.mark.parametrize(
    "config",
    [
        {"pretrained_cfg": TIMM | {"architecture": "resnetblur50"}},
        {"architectures": ["ViTForImageClassification"]},
        {"model_type": "regnet"},
        {"model_args": {"act_layer": "silu"}},
        {"model_args": {"global_pool": "max"}},
        {"model_args": {"output_stride": 8}},
        {"model_args": {"aa_layer": "blurpool"}},
        {"model_args": {"stem_type": "deep"}},
        {"model_args": {"avg_down": True}},
        {"model_args": {"nobody_knows": 1}},
        {"global_pool": "catavgmax"},
        {"model_type": "resnet", "hidden_act": "gelu"},
    ],
)
def test_other_places_and_arguments_are_read_too(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json beside it says"):
        load_weights(None, folder_of(tmp_path, config))


def test_arguments_that_change_nothing_pass(tmp_path: Path) -> None:
    arguments = {
        "num_classes": 4,
        "in_chans": 3,
        "drop_path_rate": 0.1,
        "act_layer": "relu",
        "aa_layer": None,
    }

    load_weights(
        None, folder_of(tmp_path, {"architecture": "resnet50", "model_args": arguments, "global_pool": "avg"})
    )


def test_a_name_that_nobody_knows_is_said(tmp_path: Path) -> None:
    _, report = load_weights(None, folder_of(tmp_path, {"architecture": "my_network"}))

    assert any("config.json beside it calls the network my_network" in note for note in report.notes)


def test_every_way_in_heeds_it(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"architecture": "resnetblur18"}, "resnet18")

    with pytest.raises(CheckpointError, match="blur pools"):
        open_trained(folder)
    with pytest.raises(CheckpointError, match="blur pools"):
        create_model("resnet18", weights=folder / "model.safetensors", **TINY)


def test_a_files_own_name_may_be_the_only_sign(tmp_path: Path) -> None:
    path = tmp_path / "resnetblur50-84f4748f.pth.safetensors"
    safetensors.torch.save_file(lively("resnet50", **TINY).state_dict(), path)

    with pytest.raises(CheckpointError, match=r"its own name says .*blur pools"):
        load_weights(None, path)


def test_what_transformers_configuration_says_is_taken(tmp_path: Path) -> None:
    config = {
        "model_type": "resnet",
        "layer_type": "bottleneck",
        "downsample_in_bottleneck": True,
        "depths": [1] * 4,
    }

    _, report = load_weights(None, folder_of(tmp_path, config))

    assert report.spec.stride_on == "first"
    assert any("stride_on=first, as config.json says" in note for note in report.notes)


@pytest.mark.parametrize("kind", ["multi_label_classification", "regression"])
def test_answers_that_are_no_single_class_are_refused(tmp_path: Path, kind: str) -> None:
    path = folder_of(tmp_path, {"problem_type": kind})

    with pytest.raises(CheckpointError, match=f"computes otherwise .*problem_type {kind}"):
        load_weights(None, path)
    assert open_trained(path).weights.otherwise


ENTRY: dict[str, Any] = {"input_size": [3, 64, 64], "mean": [0.5] * 3, "std": [0.25] * 3, "crop_pct": 0.8}
CONVNEXT: dict[str, Any] = {
    "size": {"shortest_edge": 224}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3,
    "image_processor_type": "ConvNextImageProcessor",
}  # fmt: skip
VIT = CONVNEXT | {"size": {"height": 224, "width": 320}, "image_processor_type": "ViTImageProcessor"}
IMAGES: dict[str, tuple[str, dict[str, Any], tuple[int, int], str]] = {
    "timm's before 2022": ("config", ENTRY, (80, 64), ""),
    "timm's squeezed": ("config", {"pretrained_cfg": ENTRY | {"crop_mode": "squash"}}, (80, 64), "squeezed"),
    "timm's oblong": (
        "config", {"pretrained_cfg": ENTRY | {"input_size": [3, 64, 96]}}, (80, 64), "64 high and 96 wide",
    ),
    "ConvNeXt's without a share": ("preprocessor_config", CONVNEXT, (256, 224), ""),
    "ConvNeXt's with none": ("preprocessor_config", CONVNEXT | {"crop_pct": None}, (256, 224), ""),
    "ViT's, oblong": ("preprocessor_config", VIT, (224, 224), "squeezed to 224 x 320"),
    "not resized": ("preprocessor_config", VIT | {"do_resize": False}, (224, 224), "not resized"),
    "not cut": (
        "preprocessor_config",
        CONVNEXT | {"crop_size": 200, "do_center_crop": False, "image_processor_type": "CLIPImageProcessor"},
        (224, 224), "nothing is cut out",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", IMAGES)
def test_what_is_done_otherwise_with_images_is_said(tmp_path: Path, name: str) -> None:
    file, facts, (resize, crop), said = IMAGES[name]
    folder_of(tmp_path, {})
    (tmp_path / "config.json").unlink()
    (tmp_path / f"{file}.json").write_text(json.dumps(facts))

    _, report = load_weights(None, tmp_path)

    assert report.preprocessing.std == (0.25,) * 3
    assert (report.preprocessing.resize, report.preprocessing.crop) == (resize, crop)
    assert any(said in note for note in report.notes if "not the same is" in note) == bool(said)
