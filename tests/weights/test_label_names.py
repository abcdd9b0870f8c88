"""The classes' names that lie beside weights, or that a naming tells, come in with them."""

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from resnetlab.cli.given_classes import given_class_names, read_class_names
from resnetlab.data.arrays.cifar import CIFAR10_NAMES
from resnetlab.errors import DataError, UsageError
from resnetlab.trained.artefact import import_weights
from resnetlab.trained.export.exporting import export_model
from resnetlab.trained.transfer import open_trained
from tests.kit.artefacts import small_artefact
from tests.kit.foreign_weights import lively

NAMES = ("ant", "bee", "cat")
SMALL: dict[str, object] = {"width": 0.125}


def hub_folder(path: Path, config: dict[str, Any], classes: int = 3, **more: dict[str, Any]) -> Path:
    path.mkdir()
    model = lively("resnet18", classes=classes, **SMALL)
    safetensors.torch.save_file(model.state_dict(), path / "model.safetensors")
    for name, content in ({"config": config} | more).items():
        (path / f"{name}.json").write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    "config",
    [
        {"label_names": [*NAMES]},
        {"pretrained_cfg": {"label_names": [*NAMES]}},
        {"labels": [*NAMES]},
        {"id2label": {"2": "cat", "0": "ant", "1": "bee"}},
        {"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}, "label_names": [*NAMES]},
    ],
)
def test_the_names_of_a_config_are_taken_and_said(tmp_path: Path, config: dict[str, Any]) -> None:
    folder = hub_folder(tmp_path / "hub", config)

    artefact, report = import_weights(folder)

    assert artefact.class_names == NAMES
    assert any("names are those of config.json" in note for note in report.notes)
    assert open_trained(folder).class_names == NAMES
    given, _ = import_weights(folder, class_names=("x", "y", "z"))
    assert given.class_names == ("x", "y", "z")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"label_names": ["a", "b"]}, "names 2 classes, the network has 3: not taken"),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}}, ""),
        ({"id2label": {"0": "a", "1": "b", "5": "c"}}, ""),
        ({"label_names": ["a", "", "c"]}, ""),
        ({"label_names": {"a": 1}}, ""),
    ],
)
def test_what_is_no_list_of_this_many_names_is_left_out(
    tmp_path: Path, config: dict[str, Any], said: str
) -> None:
    artefact, report = import_weights(hub_folder(tmp_path / "hub", config))

    assert artefact.class_names == ("class 0", "class 1", "class 2")
    assert any(said in note for note in (*report.notes, *artefact.notes))


def test_names_that_occur_twice_are_told_apart(tmp_path: Path) -> None:
    folder = hub_folder(tmp_path / "hub", {"label_names": ["crane", "bee", "crane"]})

    assert import_weights(folder)[0].class_names == ("crane (0)", "bee", "crane (2)")


def test_what_goes_out_to_the_hub_comes_in_with_its_names(tmp_path: Path) -> None:
    artefact = small_artefact("resnet18", side=64)
    export_model(artefact, "hf", tmp_path / "hub")

    back, _ = import_weights(tmp_path / "hub")

    assert back.class_names == artefact.class_names
    assert back.preprocessing.geometry == artefact.preprocessing.geometry


def test_one_logit_of_the_hub_has_two_names(tmp_path: Path) -> None:
    artefact, _ = import_weights(hub_folder(tmp_path / "hub", {"label_names": ["no", "yes"]}, classes=1))

    assert artefact.class_names == ("no", "yes")


def test_the_preprocessing_of_transformers_is_taken(tmp_path: Path) -> None:
    """As microsoft/resnet-50 has it; ConvNeXt's processor brings the shorter side to size / crop_pct."""
    processor = {
        "crop_pct": 0.875, "do_normalize": True, "do_resize": True, "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.2, 0.3, 0.4], "resample": 3, "size": 224,
    }  # fmt: skip
    folder = hub_folder(tmp_path / "hub", {"model_type": "resnet"}, preprocessor_config=processor)

    _, report = import_weights(folder)

    facts = report.preprocessing
    assert (facts.mean, facts.std) == ((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    assert (facts.resize, facts.crop, facts.interpolation) == (256, 224, "bicubic")
    assert any("that of preprocessor_config.json" in note for note in report.notes)


@pytest.mark.parametrize(
    ("size", "more", "expected"),
    [
        ({"shortest_edge": 224}, {"crop_pct": 0.95}, (235, 224)),
        ({"shortest_edge": 256}, {"crop_size": {"height": 224, "width": 224}}, (256, 224)),
        ({"height": 160, "width": 160}, {}, (160, 160)),
    ],
)
def test_every_form_of_a_processors_size_is_read(
    tmp_path: Path, size: object, more: dict[str, Any], expected: tuple[int, int]
) -> None:
    processor = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": size} | more
    folder = hub_folder(tmp_path / "hub", {"model_type": "resnet"}, preprocessor_config=processor)

    facts = import_weights(folder)[1].preprocessing

    assert (facts.resize, facts.crop) == expected


@pytest.mark.parametrize(
    "content",
    [
        '["ant", "bee", "cat"]',
        '{"0": "ant", "2": "cat", "1": "bee"}',
        '{"cat": 2, "ant": 0, "bee": 1}',
        '{"0": ["n1", "ant"], "1": ["n2", "bee"], "2": ["n3", "cat"]}',
    ],
)
def test_a_json_of_names_is_read_in_every_form(tmp_path: Path, content: str) -> None:
    (tmp_path / "names.json").write_text(content)

    assert read_class_names(tmp_path / "names.json") == NAMES


@pytest.mark.parametrize(
    "content", ['{"0": "ant", "5": "bee"}', "[1, 2]", "[]", '["ant",', '{"a": 0, "b": 0}']
)
def test_a_json_of_anything_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "names.json").write_text(content)

    with pytest.raises(DataError, match=r"names\.json (holds no names of classes|is no whole JSON)"):
        read_class_names(tmp_path / "names.json")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("cat,dog", ("cat", "dog")), ("cifar10", tuple(CIFAR10_NAMES)), ("cat, dog ", ("cat", "dog"))],
)
def test_names_may_be_written_out_or_a_datasets(text: str, expected: tuple[str, ...]) -> None:
    assert given_class_names(text) == expected


@pytest.mark.parametrize("text", ["dog", "none.txt"])
def test_a_name_that_is_no_file_is_told_how_names_are_written(text: str) -> None:
    with pytest.raises(UsageError, match=rf"{text}: No such file.*\n.*with commas, as cat,dog"):
        given_class_names(text)


def test_akamasters_networks_of_ten_classes_know_them(tmp_path: Path) -> None:
    state = {key.replace("fc.", "linear."): tensor for key, tensor in lively("resnet20").state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "resnet20.safetensors")

    artefact, _ = import_weights(tmp_path / "resnet20.safetensors")

    assert artefact.class_names == tuple(CIFAR10_NAMES)
    assert any("the classes are CIFAR-10's" in note for note in artefact.notes)
    assert open_trained(tmp_path / "resnet20.safetensors").class_names == tuple(CIFAR10_NAMES)


def test_the_same_names_of_other_classes_or_stages_know_nothing(tmp_path: Path) -> None:
    for name, knobs in (
        ("resnet20", {"classes": 7}),
        ("resnet18", {"classes": 10, "stem": "small", **SMALL}),
    ):
        state = {k.replace("fc.", "linear."): t for k, t in lively(name, **knobs).state_dict().items()}
        safetensors.torch.save_file(state, tmp_path / "x.safetensors")
        assert import_weights(tmp_path / "x.safetensors")[0].class_names[0] == "class 0"
