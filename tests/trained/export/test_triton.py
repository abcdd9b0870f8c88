"""A model of Triton's: numbered versions, pixels in; what is there stays as it is."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from resnetlab.cli import main
from resnetlab.data.batches.normalise import to_NCHW
from resnetlab.errors import UsageError
from resnetlab.trained.artefact import Artefact, write_folder
from resnetlab.trained.export import triton
from resnetlab.trained.export.exporting import export_model
from tests.kit.artefacts import small_artefact

onnxruntime = pytest.importorskip("onnxruntime")
PIXELS = np.random.default_rng(5).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)


def probabilities(artefact: Artefact) -> np.ndarray:
    images = artefact.preprocessing.normaliser(torch.from_numpy(PIXELS))
    with torch.no_grad():
        return artefact.model()(to_NCHW(images, channels_last=False)).softmax(1).numpy()


def answers(path: Path) -> np.ndarray:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(
        None, {"images": PIXELS}
    )[0]


def entries(config: str, kind: str) -> dict[str, str]:
    """The fields of the one input or output in a configuration, as they are written."""
    (body,) = re.findall(rf"{kind} \[\s*\{{(.*?)\}}\s*\]", config, re.S)
    return dict(re.findall(r"(\w+): (\[.*?\]|\S+)", body))


@pytest.mark.parametrize("kind", ["channel", "per-image", "per-pixel-mean"])
def test_a_model_answers_pixels_with_probabilities(kind: str, tmp_path: Path) -> None:
    artefact = small_artefact(kind=kind)

    done = export_model(artefact, "triton", tmp_path / "bugs")

    assert sorted(os.listdir(tmp_path / "bugs")) == ["1", "README.md", "config.pbtxt", "labels.txt"]
    assert os.listdir(tmp_path / "bugs" / "1") == ["model.onnx"]
    assert np.abs(answers(tmp_path / "bugs" / "1" / "model.onnx") - probabilities(artefact)).max() < 1e-5
    assert done.path == str(tmp_path / "bugs")
    assert any("version 1" in note and "--model-repository" in note for note in done.notes)


def test_the_configuration_is_the_graphs(tmp_path: Path) -> None:
    export_model(small_artefact(side=40), "triton", tmp_path / "bugs")
    config = (tmp_path / "bugs" / "config.pbtxt").read_text()
    session = onnxruntime.InferenceSession(
        tmp_path / "bugs" / "1" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    (given,), (made,) = session.get_inputs(), session.get_outputs()

    assert entries(config, "input") == {
        "name": f'"{given.name}"', "data_type": "TYPE_UINT8", "dims": "[ 40, 40, 3 ]"
    }  # fmt: skip
    assert entries(config, "output") == {
        "name": f'"{made.name}"', "data_type": "TYPE_FP32", "dims": "[ 3 ]", "label_filename": '"labels.txt"'
    }  # fmt: skip
    assert (given.type, given.shape) == ("tensor(uint8)", ["batch", 40, 40, 3])
    assert (made.type, made.shape) == ("tensor(float)", ["batch", 3])
    assert (tmp_path / "bugs" / "labels.txt").read_text() == "ant\nbee\ncat\n"
    assert re.search(r'^backend: "onnxruntime"$', config, re.M)


def test_a_later_export_adds_a_version_and_changes_nothing_else(tmp_path: Path) -> None:
    first, second = small_artefact(), small_artefact("resnet14")
    export_model(first, "triton", tmp_path / "bugs")
    config = tmp_path / "bugs" / "config.pbtxt"
    config.write_text(
        config.read_text().replace("64", "8") + "instance_group [ { count: 2 } ]\n"
    )  # the user's
    before = {path: path.read_bytes() for path in (tmp_path / "bugs").rglob("*") if path.is_file()}

    done = export_model(second, "triton", tmp_path / "bugs")

    assert any("version 2" in note for note in done.notes)
    assert {path: path.read_bytes() for path in before} == before
    assert np.abs(answers(tmp_path / "bugs" / "2" / "model.onnx") - probabilities(second)).max() < 1e-5
    assert sorted(each for each in os.listdir(tmp_path / "bugs") if each.isdecimal()) == ["1", "2"]


def test_the_next_number_is_after_the_highest(tmp_path: Path) -> None:
    artefact = small_artefact()
    export_model(artefact, "triton", tmp_path / "bugs")
    (tmp_path / "bugs" / "1").rename(tmp_path / "bugs" / "17")
    (tmp_path / "bugs" / "notes").mkdir()

    assert triton.next_version(tmp_path / "bugs", artefact) == 18


@pytest.mark.parametrize("other", ["classes", "size"])
def test_another_model_is_no_version_of_one(other: str, tmp_path: Path) -> None:
    export_model(small_artefact(), "triton", tmp_path / "bugs")
    changed = (
        small_artefact(side=40) if other == "size" else replace(small_artefact(), class_names=("a", "b", "c"))
    )

    with pytest.raises(UsageError, match=r"of other images or other classes.*\n.*another folder"):
        export_model(changed, "triton", tmp_path / "bugs")
    assert not (tmp_path / "bugs" / "2").exists()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bugs").mkdir()
    (tmp_path / "bugs" / "photo.jpg").touch()

    with pytest.raises(UsageError, match="is there already"):
        export_model(small_artefact(), "triton", tmp_path / "bugs")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is there already"):
        export_model(small_artefact(), "triton", tmp_path / "file")


def test_a_line_within_a_name_makes_no_class_more(tmp_path: Path) -> None:
    artefact = small_artefact(names=("an\nant", "bee", "cät"))

    export_model(artefact, "triton", tmp_path / "bugs")

    assert (tmp_path / "bugs" / "labels.txt").read_text(encoding="utf-8").splitlines() == [
        "an ant",
        "bee",
        "cät",
    ]


def test_the_command_serves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_folder(small_artefact(), tmp_path / "net")
    command = ["export", str(tmp_path / "net"), "--to", "triton", "-o", str(tmp_path / "models" / "bugs")]

    assert main(command) == 0
    assert "probabilities of batches of 1, 2 and 5 are PyTorch's" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    assert any("version 2" in note for note in json.loads(capsys.readouterr().out)["notes"])
    assert main([*command, "--int8"]) == 2
