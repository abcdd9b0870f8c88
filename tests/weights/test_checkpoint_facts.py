"""What a checkpoint says of itself beside its weights is heeded: classes, configurations, network names."""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from resnetlab import create_model
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.trained.artefact import import_weights
from resnetlab.trained.transfer import open_trained
from resnetlab.weights import load_weights
from resnetlab.weights.facts.architecture import heed
from resnetlab.weights.files.checkpoint_facts import class_names, mmlab, own_images, plain_facts
from resnetlab.weights.loading import open_weights
from tests.kit.foreign_weights import lively
from tests.kit.torch_files import save

NAMES = ["bee", "cat", "ant"]
TINY: dict[str, object] = {"blocks": (1, 1, 1, 1), "width": 0.125, "classes": 3}


def checkpoint(folder: Path, network: str = "resnet18", **more: Any) -> Path:
    state = dict(lively(network, **TINY).state_dict())
    return save({"state_dict": state} | more, folder / "checkpoint.pth")


BESIDE: dict[str, dict[str, Any]] = {
    "a list": {"classes": NAMES},
    "numbers by name": {"class_to_idx": {"ant": 2, "bee": 0, "cat": 1}},
    "names by number": {"idx_to_class": {2: "ant", 0: "bee", 1: "cat"}},
    "names by number as text": {"id2label": {"2": "ant", "0": "bee", "1": "cat"}},
    "Lightning's": {"hyper_parameters": {"lr": 0.1, "class_names": NAMES}},
    "OpenMMLab's": {"meta": {"CLASSES": tuple(NAMES), "epoch": 3}},
    "OpenMMLab's newer": {"meta": {"dataset_meta": {"classes": NAMES}}},
    "the one that fits": {"classes": ["of", "another", "data", "set"], "labels": NAMES},
}


@pytest.mark.parametrize("name", BESIDE)
def test_lists_and_numberings_of_classes_are_found(name: str) -> None:
    assert NAMES in class_names({"state_dict": {}} | BESIDE[name])


@pytest.mark.parametrize(
    "value", [["a", "b", 3], {"a": 0, "b": 2, "c": 5}, {0: "a", 1: "", 2: "c"}, 3, None, {}, ["one"]]
)
def test_what_names_no_classes_is_left_alone(value: object) -> None:
    assert class_names({"classes": value}) == []


def test_the_classes_names_in_a_checkpoint_come_in_with_it(tmp_path: Path) -> None:
    more = {"classes": ["of", "another", "data", "set"], "args": argparse.Namespace(class_names=NAMES)}
    artefact, report = import_weights(checkpoint(tmp_path, **more))

    assert artefact.class_names == tuple(NAMES)
    assert "the classes' names are those in the checkpoint" in report.notes


def test_lists_of_names_are_told_once_and_in_order() -> None:
    assert class_names({"classes": NAMES, "meta": {"CLASSES": NAMES, "labels": ["a", "b"]}}) == [
        NAMES,
        ["a", "b"],
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"hyper_parameters": {"model": {"name": "resnetblur18"}}},
        {"hyper_parameters": {"encoder_name": "timm/resnetblur18"}},
        {"config": {"model_config": {"arch": "resnetblur18"}}},
        {"cfg": {"network": {"type": "resnetblur18"}, "lr": 0.1}},
        {"args": {"net": "resnetblur18"}},
    ],
)
def test_another_network_is_refused_wherever_it_is_named(tmp_path: Path, more: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"the file itself says that the network is .*resnetblur18"):
        heed("x.pth", tmp_path / "x.pth", plain_facts(more))


def test_names_of_other_things_are_no_networks_names() -> None:
    facts = plain_facts(
        {"optimizer": {"name": "sgd"}, "config": {"model": {"name": "resnet18", "dropout": 0.1}}}
    )

    assert facts == {"model": "resnet18", "dropout": "0.1"}


STYLE = "model = dict(type='ImageClassifier', backbone=dict(type='ResNet', depth=50, style='{}'))"


@pytest.mark.parametrize(("style", "knobs"), [("caffe", {"stride_on": "first"}), ("pytorch", {})])
@pytest.mark.parametrize("key", ["cfg", "config"])
def test_openmmlabs_style_tells_where_a_bottleneck_strides(
    style: str, knobs: dict[str, str], key: str
) -> None:
    assert mmlab({"meta": {key: STYLE.format(style)}}) == (knobs, None)


CAFFE = "mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], to_rgb=False"


def test_openmmlabs_configuration_is_heeded(tmp_path: Path) -> None:
    """conv1 is turned around, and the numbers with it; in an import as in a fine-tuning."""
    text = f"{STYLE.format('caffe')}\ndata_preprocessor = dict({CAFFE})"
    path = checkpoint(tmp_path, "resnet50", meta={"cfg": text})
    theirs = torch.load(path, weights_only=True)["state_dict"]["conv1.weight"]  # noqa: TID251

    artefact, report = import_weights(path)
    trained = open_trained(path)

    assert report.spec.stride_on == "first"
    assert torch.equal(artefact.tensors["conv1.weight"], theirs.flip(1))
    assert any("to_rgb=False" in note for note in report.notes)
    for own in (artefact.preprocessing.normaliser, trained.preprocessing.normaliser):
        assert own.to_json() == {
            "normalise": "channel", "pixel_range": 255, "mean": [123.675, 116.28, 103.53], "std": [1.0] * 3
        }  # fmt: skip
    tensors, _ = load_weights(create_model(trained.spec, seed=0), path, head="reset")
    assert torch.equal(tensors["conv1.weight"], theirs.flip(1))
    assert trained.weights.naming.dialect.is_bgr


HALVES: dict[str, tuple[object, ...] | None] = {
    "mean=[103.53], to_rgb=False": ((), True),
    "to_rgb=False), dict(to_rgb=True": ((), None),
    "mean=[1, 2, 3], std=[4, 5, 6], to_rgb=True), test=dict(mean=[7, 8, 9]": ((), False),
    "mean=[1, 2, 3], std=[4, 5, 6], to_rgb=True": ((1, 2, 3), False),
    "mean=[1, 2, 3], std=[4, 5, 6], to_rgb=False": ((3, 2, 1), True),
    "to_rgb=True": None,
}


@pytest.mark.parametrize("said", HALVES)
def test_half_a_configuration_of_openmmlab_is_not_taken_for_a_whole_one(said: str) -> None:
    _, found = mmlab({"meta": {"cfg": f"p = dict({said})"}})

    assert ((found.mean, found.is_bgr) if found is not None else None) == HALVES[said]


RECORDED: dict[str, tuple[dict[str, Any], tuple[float, ...] | None]] = {
    "arguments": ({"args": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}}, (0.1, 0.2, 0.3)),
    "Lightning's": ({"hyper_parameters": {"mean": (101, 2, 3), "std": (5, 5, 5)}}, (101, 2, 3)),
    "two that differ": (
        {"mean": [0.1] * 3, "std": [1.0] * 3, "config": {"mean": [2] * 3, "std": [1] * 3}}, ()
    ),
    "of something else": ({"args": {"mean": 0.5, "std": 0.1}}, None),
    "none": ({"args": {"mean": None, "std": None}}, None),
    "half": ({"args": {"mean": [0.5] * 3}}, None),
    "no deviation": ({"args": {"mean": [0.5] * 3, "std": [0.1, 0.0, 0.1]}}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_a_mean_and_a_std_beside_the_weights_are_found(name: str) -> None:
    content, mean = RECORDED[name]

    found = own_images({"state_dict": {}} | content)

    assert (found.mean if found is not None else None) == mean


def test_they_are_the_preprocessing_and_several_are_not_known(tmp_path: Path) -> None:
    own = argparse.Namespace(mean=[0.1, 0.2, 0.3], std=[0.4, 0.5, 0.6])
    opened = open_weights(checkpoint(tmp_path, args=own))
    assert (opened.preprocessing.mean, opened.preprocessing.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))

    opened = open_weights(checkpoint(tmp_path, args=own, mean=[0.2] * 3, std=[0.1] * 3))
    assert not opened.preprocessing.is_told
    assert (
        "what the file does with pixels is not understood: it records several means and stds" in opened.notes
    )


def described(folder: Path, texts: dict[str, str]) -> Path:
    path = folder / "model.safetensors"
    safetensors.torch.save_file(
        lively("resnet18", **TINY).state_dict(), path, metadata={"format": "pt"} | texts
    )
    return path


def test_the_only_file_of_weights_in_a_folder_is_taken_and_said(tmp_path: Path) -> None:
    path = described(tmp_path, {}).rename(tmp_path / "checkpoint.safetensors")
    (tmp_path / "README.md").write_text("A network.")

    _, report = load_weights(None, tmp_path)
    assert "taken is the folder's only file of weights, checkpoint.safetensors" in report.notes

    shutil.copy(path, tmp_path / "last.ckpt")
    with pytest.raises(UsageError, match=r"several files of weights: checkpoint\.safetensors, last\.ckpt"):
        load_weights(None, tmp_path)


def test_names_that_a_user_gives_win(tmp_path: Path) -> None:
    artefact, _ = import_weights(
        described(tmp_path, {"classes": json.dumps(NAMES)}), class_names=["x", "y", "z"]
    )

    assert artefact.class_names == ("x", "y", "z")


@pytest.mark.parametrize("key", ["architecture", "model", "arch"])
def test_the_texts_in_the_header_of_safetensors_are_heeded(tmp_path: Path, key: str) -> None:
    with pytest.raises(CheckpointError, match=r"the file itself says that the network is resnetaa50"):
        load_weights(None, described(tmp_path, {key: "resnetaa50"}))


@pytest.mark.parametrize(
    "texts", [{"classes": '["bee", "cat", "ant"]'}, {"class_to_idx": '{"ant": 2, "bee": 0, "cat": 1}'}]
)
def test_so_are_the_names_of_classes_there(tmp_path: Path, texts: dict[str, str]) -> None:
    artefact, _ = import_weights(described(tmp_path, texts))

    assert artefact.class_names == tuple(NAMES)


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "3", "", "null"])
def test_any_other_text_there_is_left_alone(tmp_path: Path, text: str) -> None:
    artefact, _ = import_weights(described(tmp_path, {"classes": text, "config": text}))

    assert artefact.class_names == ("class 0", "class 1", "class 2")
