"""A network without classifier gives features, and says why it answers nothing."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from resnetlab import Classifier, create_model, evaluate
from resnetlab.cli import main
from resnetlab.errors import UsageError
from resnetlab.trained.artefact import Artefact, import_weights, load_artefact, write_folder
from resnetlab.trained.export.exporting import export_model
from resnetlab.trained.predict.pictures import encode
from resnetlab.trained.transfer import open_trained
from tests.kit.foreign_weights import lively
from tests.kit.pictures import pixels, write_pictures


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As DINO's: torchvision's names, no fc."""
    state = {k: t for k, t in lively("resnet18", width=0.125).state_dict().items() if not k.startswith("fc.")}
    path = tmp_path_factory.mktemp("backbone") / "dino.safetensors"
    safetensors.torch.save_file(state, path)
    return path


@pytest.fixture(scope="module")
def backbone(file: Path) -> Artefact:
    return import_weights(file)[0]


@pytest.fixture(scope="module")
def folder(backbone: Artefact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backbone") / "net"
    write_folder(backbone, path)
    return path


def test_import_says_what_it_is_and_keeps_the_body_alone(file: Path) -> None:
    artefact, report = import_weights(file)

    assert not artefact.has_classifier
    assert artefact.class_names == ()
    assert not any(key.startswith("fc.") for key in artefact.tensors)
    assert report.reset == {}
    assert any("no classifier: a backbone, which gives features" in note for note in artefact.notes)
    with pytest.raises(UsageError, match="no classes to name"):
        import_weights(file, class_names=("a", "b"))


def test_its_features_are_the_pooled_maps(folder: Path) -> None:
    classifier, pictures = Classifier.load(folder, device="cpu"), [pixels(seed) for seed in range(3)]

    found = classifier.features(pictures)

    made = classifier.prepare([classifier.pixels(encode(each)) for each in pictures])
    model = lively("resnet18", width=0.125).eval()
    model.fc = torch.nn.Identity()
    with torch.no_grad():
        expected = model(made).numpy()
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_predict_writes_features_and_nothing_else(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "pics", 2)
    for name in ("f.npz", "f.csv"):
        arguments = ["predict", str(folder), str(tmp_path / "pics"), "--features", str(tmp_path / name)]
        assert main([*arguments, "--device", "cpu"]) == 0
    assert capsys.readouterr().out == ""
    found = np.load(tmp_path / "f.npz")
    assert (found["features"].shape, [*found["answers"]]) == ((2, 64), ["", ""])


@pytest.mark.parametrize("flags", [[], ["--json"], ["--features", "f.npz", "--csv", "-"]])
def test_predict_without_features_says_why_not(
    folder: Path, flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (picture,) = write_pictures(tmp_path, 1)
    assert main(["predict", str(folder), str(picture), *flags]) == 2
    said = capsys.readouterr().err
    assert "has no classifier, and answers nothing" in said
    assert "`predict --features FILE`" in said


def test_nothing_that_needs_a_classifier_is_done_without(folder: Path, tmp_path: Path) -> None:
    for part in ("train", "test"):
        write_pictures(tmp_path / "data" / part / "a", 2)
        write_pictures(tmp_path / "data" / part / "b", 2)
    classifier = Classifier.load(folder, device="cpu")
    for call in (
        lambda: evaluate(folder, data=str(tmp_path / "data"), device="cpu"),
        lambda: classifier.predict(pixels(1)),
        lambda: classifier.explain(pixels(1)),
        lambda: export_model(load_artefact(folder), "onnx", tmp_path / "net.onnx"),
        lambda: export_model(load_artefact(folder), "hf", tmp_path / "net"),
    ):
        with pytest.raises(UsageError, match="the network has no classifier"):
            call()


def test_it_goes_out_as_ours_and_comes_back(backbone: Artefact, tmp_path: Path) -> None:
    for target, name in (("folder", "net"), ("safetensors", "net.safetensors")):
        export_model(backbone, target, tmp_path / name)
        back = load_artefact(tmp_path / name)
        assert (back.has_classifier, back.class_names) == (False, ())
        assert back.tensors.keys() == backbone.tensors.keys()
    card = (tmp_path / "net" / "README.md").read_text()
    assert "| classes | none: a backbone, which gives 64 features |" in card
    assert "features" in card and "classifier.predict" not in card


def test_finetuning_puts_a_classifier_on(folder: Path, file: Path) -> None:
    model = create_model("resnet18", width=0.125, classes=2, seed=0)
    for name in (folder, file):
        trained = open_trained(name)
        tensors, report = trained.fit(model, ("a", "b"), "reset")
        assert {*report.reset} == {"fc.weight", "fc.bias"}
        assert torch.equal(tensors["conv1.weight"], lively("resnet18", width=0.125).conv1.weight)
        with pytest.raises(UsageError, match=r"no classifier, .*: head=reset begins with a new one"):
            trained.fit(model, ("a", "b"), "strict")
