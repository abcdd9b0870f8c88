"""Model folders and files of ours: whole, checked, and the same network again."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from resnetlab.data.batches.preprocessing import Geometry, Preprocessing
from resnetlab.errors import CheckpointError, ResnetlabError, UsageError
from resnetlab.runs.directory import RunDirectory
from resnetlab.trained.artefact import Artefact, import_weights, load_artefact, write_folder
from resnetlab.trained.artefact.class_names import name_classes
from resnetlab.trained.artefact.onnx_model import load_onnx
from resnetlab.trained.artefact.opening import open_artefact
from resnetlab.trained.export.exporting import export_model
from tests.kit.artefacts import normaliser, small_artefact


def assert_same(found: Artefact, expected: Artefact) -> None:
    assert found.tensors.keys() == expected.tensors.keys()
    assert all(torch.equal(found.tensors[key], expected.tensors[key]) for key in expected.tensors)
    assert found.to_texts() == expected.to_texts()


@pytest.mark.parametrize("target", ["folder", "safetensors"])
def test_what_is_written_is_read_again(tmp_path: Path, target: str) -> None:
    artefact = small_artefact(kind="per-pixel-mean")
    path = tmp_path / ("net" if target == "folder" else "net.safetensors")

    export_model(artefact, target, path)

    assert_same(load_artefact(path), artefact)


@pytest.mark.parametrize("name", ["net.pth", "net.bin", "net"])
def test_a_file_of_ours_is_ours_under_any_name(tmp_path: Path, name: str) -> None:
    """Its tensors' names and shapes do not tell the network, nor how its images are normalised."""
    artefact = small_artefact("tfofficial_cifar_resnet20v2")
    export_model(artefact, "safetensors", tmp_path / "net.safetensors")
    (tmp_path / "net.safetensors").rename(tmp_path / name)

    for found in (open_artefact(tmp_path / name), load_artefact(tmp_path / name)):
        assert (found.spec, found.preprocessing) == (artefact.spec, artefact.preprocessing)
        assert found.notes == artefact.notes


def test_a_folder_holds_the_description_for_people_and_programs(tmp_path: Path) -> None:
    artefact = small_artefact()
    write_folder(artefact, tmp_path / "net")

    names = {path.name for path in (tmp_path / "net").iterdir()}
    assert names == {
        "model.safetensors", "spec.json", "classes.json", "preprocessing.json", "README.md", "MANIFEST.json",
    }  # fmt: skip
    assert json.loads((tmp_path / "net" / "classes.json").read_text()) == ["ant", "bee", "cat"]
    assert json.loads((tmp_path / "net" / "preprocessing.json").read_text())["image_size"] == 32
    state = safetensors.torch.load_file(tmp_path / "net" / "model.safetensors")
    assert state.keys() == artefact.tensors.keys()


def test_the_cards_three_lines_load_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from resnetlab.trained.predict import Prediction

    write_folder(small_artefact(), tmp_path / "net")
    card = (tmp_path / "net" / "README.md").read_text()
    assert "75.00 % of the test set (3 of 4)" in card
    code = card.partition("```python\n")[2].partition("```")[0]
    shown: list[Prediction] = []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(_jpeg())

    exec(code, {"print": shown.append})

    assert len(code.strip().replace("\n\n", "\n").splitlines()) == 3
    assert shown[0].place == "photo.jpg"


def _jpeg() -> bytes:
    import io

    from PIL import Image

    from tests.kit.pictures import pixels

    stream = io.BytesIO()
    Image.fromarray(pixels(0)).save(stream, "JPEG")
    return stream.getvalue()


def test_the_card_may_be_edited_the_rest_may_not(tmp_path: Path) -> None:
    write_folder(small_artefact(), tmp_path / "net")
    (tmp_path / "net" / "README.md").write_text("mine")
    load_artefact(tmp_path / "net")

    for name in ("classes.json", "model.safetensors"):
        path = tmp_path / "net" / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=f"{name} has other bytes"):
            load_artefact(tmp_path / "net")


def test_an_edited_preprocessing_is_told_what_to_do_instead(tmp_path: Path) -> None:
    write_folder(small_artefact(), tmp_path / "net")
    path = tmp_path / "net" / "preprocessing.json"
    path.write_text(path.read_text().replace("0.49", "0.5"))

    with pytest.raises(
        CheckpointError, match=r"preprocessing\.json is .*\n.*import the weights anew.*--mean"
    ):
        load_artefact(tmp_path / "net")


def test_what_is_there_is_not_overwritten_by_a_folder(tmp_path: Path) -> None:
    write_folder(small_artefact(), tmp_path / "net")

    with pytest.raises(UsageError, match="is there already"):
        write_folder(small_artefact(), tmp_path / "net")

    (tmp_path / "empty").mkdir()
    write_folder(small_artefact(), tmp_path / "empty")


def test_a_run_gives_its_newest_weights_and_how_good_they_are(run: RunDirectory) -> None:
    artefact = load_artefact(run.path)

    step = run.checkpoints / "step-00000040"
    averaged = safetensors.torch.load_file(step / "ema.safetensors")
    assert all(torch.equal(artefact.tensors[key], averaged[key]) for key in averaged)
    assert artefact.class_names == ("a", "b", "c")
    assert artefact.image_shape == (16, 16, 3)
    assert artefact.facts["step"] == 40
    plain = load_artefact(step, weights="plain")
    assert torch.equal(
        plain.tensors["fc.weight"], safetensors.torch.load_file(step / "model.safetensors")["fc.weight"]
    )


def test_a_finished_run_tells_its_accuracy_of_the_weights_that_were_scored(run: RunDirectory) -> None:
    result = {
        "step": 40, "weights": "averaged weights", "accuracy": 0.5, "correct": 15, "seen": 30, "loss": 1.0
    }  # fmt: skip
    path = run.path / "RESULT.json"
    path.write_text(json.dumps(result))
    try:
        assert load_artefact(run.path).facts["accuracy"] == 0.5
        assert "accuracy" not in load_artefact(run.path, weights="plain").facts
        assert "accuracy" not in load_artefact(run.checkpoints / "step-00000030").facts
    finally:
        path.unlink()


def test_an_image_of_the_right_size_stays_as_it_is() -> None:
    """Runs on pixels in memory have no geometry; the one that they get changes nothing."""
    import io

    from PIL import Image

    from resnetlab.data.images.image import EncodedImage
    from resnetlab.trained.artefact.model import fit_geometry

    preprocessing = fit_geometry(Preprocessing(normaliser()), (32, 32, 3))
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "PNG")

    assert np.array_equal(preprocessing.pixels(EncodedImage(stream.getvalue(), "noise")), noise)
    with_geometry = Preprocessing(normaliser(), Geometry(24, 28, "bicubic"))
    assert fit_geometry(with_geometry, (24, 24, 3)) == with_geometry


def test_a_foreign_file_becomes_an_artefact_with_its_sources_preprocessing(tmp_path: Path) -> None:
    artefact = small_artefact("resnet18", side=48)
    export_model(artefact, "torchvision", tmp_path / "net.safetensors")

    found, report = import_weights(tmp_path / "net.safetensors", class_names=("x", "y", "z"))

    assert (found.spec.name, found.spec.classes) == ("resnet18", 3)
    assert report.naming.name == "torchvision"
    assert found.class_names == ("x", "y", "z")
    assert found.preprocessing.geometry == Geometry(224, 256)
    assert found.preprocessing.normaliser.mean is not None
    assert found.preprocessing.normaliser.mean.tolist() == [0.485, 0.456, 0.406]
    twice, _ = import_weights(tmp_path / "net.safetensors", class_names=("crane", "y", "crane"))
    assert twice.class_names == ("crane (0)", "y", "crane (2)")
    assert "occur twice got their number behind them: crane" in twice.notes[0]
    with pytest.raises(UsageError, match="2 class names, but the network has 3 classes"):
        import_weights(tmp_path / "net.safetensors", class_names=("x", "y"))


def test_logits_without_a_class_are_numbered() -> None:
    assert name_classes(("a", "b"), 4) == ("a", "b", "class 2", "class 3")
    with pytest.raises(UsageError, match="3 class names, but the network has 2"):
        name_classes(("a", "b", "c"), 2)
    with pytest.raises(UsageError, match="occur twice: a"):
        name_classes(("a", "a"), 2)


def _header(content: bytes) -> bytes:
    """Return a file of safetensors without tensors."""
    return len(content).to_bytes(8, "little") + content


def test_metadata_of_a_graph_that_is_no_text_is_told(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "net.onnx"
    export_model(small_artefact(), "onnx", path)
    path.write_bytes(path.read_bytes().replace(b"made here", b"made\xffhere"))

    with pytest.raises(CheckpointError, match=r"net\.onnx: not a whole ONNX file .*utf-8"):
        load_onnx(path)


@pytest.mark.parametrize(
    ("name", "content", "kind", "message"),
    [
        ("nowhere", None, UsageError, "there is no run, model folder or file"),
        ("net.pth", b"PK\x03\x04", UsageError, "is no run, no checkpoint and no model folder"),
        ("net.onnx", b"\x08", UsageError, "holds a finished graph"),
        ("net.safetensors", b"\x10\0\0", CheckpointError, "not whole safetensors"),
        ("net.safetensors", "foreign", UsageError, "another program has made it"),
        ("net.safetensors", "later", CheckpointError, "resnetlab-model-2; this version reads"),
        ("net.safetensors", "half", CheckpointError, "description is damaged"),
        ("net.safetensors", _header(b'{"__metadata__": null}'), UsageError, "another program has made it"),
        ("net.safetensors", _header(b"[" * 100_000), CheckpointError, "not whole safetensors"),
    ],
)
def test_what_is_no_network_is_told(
    tmp_path: Path, name: str, content: bytes | str | None, kind: type[ResnetlabError], message: str
) -> None:
    texts = small_artefact().to_texts()
    metadata = {
        "foreign": {"format": "pt"},
        "later": texts | {"format": "resnetlab-model-2"},
        "half": texts | {"spec": "{}"},
    }
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        tensors = dict(small_artefact().tensors)
        (tmp_path / name).write_bytes(safetensors.torch.save(tensors, metadata=metadata[content]))

    with pytest.raises(kind, match=message):
        load_artefact(tmp_path / name)


@pytest.mark.parametrize("name", ["net.safetensors", "net.onnx"])
def test_a_choice_of_weights_where_there_is_none_is_refused(tmp_path: Path, name: str) -> None:
    from resnetlab.trained.predict import Classifier

    (tmp_path / name).touch()
    for weights in ("plain", "averaged"):
        with pytest.raises(UsageError, match=f"holds one set of weights, and not {weights} ones"):
            Classifier.load(tmp_path / name, weights=weights)


def test_weights_of_another_network_are_refused() -> None:
    artefact = small_artefact()
    other = replace(artefact, spec=artefact.spec.with_(classes=5), class_names=tuple("abcde"))

    with pytest.raises(CheckpointError, match=r"2 tensors are not resnet8's: fc.bias, fc.weight"):
        other.model()
