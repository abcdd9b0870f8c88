"""Whoever makes the answers, they are the network's: in `eval`, in `predict`, in Python."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import resnetlab
from resnetlab.cli import main
from resnetlab.engines.choosing import Work, seconds_of
from resnetlab.errors import UsageError
from resnetlab.models import ResNet
from resnetlab.trained.artefact import Artefact
from resnetlab.trained.export.exporting import export_model
from resnetlab.trained.predict import Classifier
from tests.kit.artefacts import small_artefact

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def tied() -> Artefact:
    """A network of whose three classes two have the same weights, turned by less than roundings."""
    artefact = small_artefact("resnet8", width=0.5)
    tensors = {name: tensor.clone() for name, tensor in artefact.tensors.items()}
    tensors["fc.weight"][1] = tensors["fc.weight"][0] * (1 + 1e-7)
    tensors["fc.bias"][1] = tensors["fc.bias"][0]
    tensors["fc.weight"][2] *= 0.1
    return replace(artefact, tensors=tensors)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network with ties as a model folder, and beside it photos/CLASS/N.png."""
    root = tmp_path_factory.mktemp("net")
    export_model(tied(), "folder", root / "net")
    for label, name in enumerate(("ant", "bee", "cat")):
        (root / "photos" / name).mkdir(parents=True)
        for number in range(6):
            pixels = np.random.default_rng([label, number]).integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(root / "photos" / name / f"{number}.png")
    return root / "net"


def photos(net: Path) -> list[Path]:
    return sorted((net.parent / "photos").glob("*/*.png"))


def test_the_counts_are_the_networks_where_two_classes_tie(net: Path, tmp_path: Path) -> None:
    """Both classes are answered, and which of the two is a matter of roundings."""
    found = {
        engine: resnetlab.evaluate(
            net, data=net.parent / "photos", engine=engine, workers=0, out=tmp_path / engine, insights=0
        )
        for engine in ("auto", "reference", "torch", "onnxruntime")
    }

    expected = found["reference"].scores
    for engine, each in found.items():
        assert each.scores.confusion_KK.tolist() == expected.confusion_KK.tolist()
        assert each.scores.loss == pytest.approx(expected.loss, rel=1e-6)
        own = json.loads((tmp_path / engine / "scores.json").read_text())
        assert own["engine"] == each.engine == ("reference" if engine == "auto" else engine)
        assert each.engine_said.startswith(f"{each.engine} (")
    for name in ("answers.npz", "calibration.json", "confusion.csv"):
        assert (tmp_path / "auto" / name).read_bytes() == (tmp_path / "reference" / name).read_bytes()


def test_without_ties_the_engine_itself_answers(net: Path, tmp_path: Path) -> None:
    """Its probabilities are the network's to within roundings, and not to the last bit."""
    export_model(small_artefact("resnet8"), "folder", tmp_path / "net")
    one, other = (
        resnetlab.evaluate(
            tmp_path / "net", data=net.parent / "photos", engine=engine, workers=0, out=tmp_path / engine
        )
        for engine in ("reference", "torch")
    )

    assert one.scores.confusion_KK.tolist() == other.scores.confusion_KK.tolist()
    assert one.per_image is not None and other.per_image is not None
    np.testing.assert_allclose(other.per_image.loss, one.per_image.loss, rtol=1e-4, atol=1e-6)
    assert other.per_image.loss.tolist() != one.per_image.loss.tolist()


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_predictions_are_the_networks(net: Path, engine: str) -> None:
    expected = Classifier.load(net, engine="reference").predict(photos(net))
    classifier = Classifier.load(net, engine=engine)
    found = classifier.predict(photos(net))

    assert classifier.engine == engine
    assert [each.class_name for each in found] == [each.class_name for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.probability == pytest.approx(other.probability, rel=1e-4)


def test_features_and_explanations_are_the_networks_own(net: Path) -> None:
    one, other = (Classifier.load(net, engine=each) for each in ("torch", "reference"))
    picture = photos(net)[0]

    assert np.array_equal(one.features(picture), other.features(picture))
    assert one.explain(picture).probability == other.explain(picture).probability


def test_a_classifier_that_is_used_on_and_on_is_made_faster(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path))
    classifier = Classifier.load(net, device="cpu")
    classifier.predict(photos(net)[:2])
    assert (classifier.engine, classifier.engine_said) == (
        "reference", "reference (too little work for another)",
    )  # fmt: skip
    assert isinstance(classifier.model, ResNet)
    classifier.expect(int(2 / seconds_of(classifier.model, Work(1, 1, (32, 32)))))
    pixels = [pixels for _, pixels in classifier.read_all([str(path) for path in photos(net)])]
    logits = classifier.logits([each for each in pixels if isinstance(each, np.ndarray)])

    assert classifier.engine == "onnxruntime"
    with torch.inference_mode():
        expected = classifier.model(classifier.prepare([p for p in pixels if isinstance(p, np.ndarray)]))
    assert torch.allclose(logits, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_the_command_takes_and_tells_the_engine(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures, out = net.parent / "photos", net.parent / "scores"
    main(["eval", str(net), "--data", str(pictures), "--engine", "torch", "-o", str(out), "--insights", "0"])
    assert "\nengine torch (as asked)\n" in capsys.readouterr().out
    main(["predict", str(net), str(photos(net)[0]), "--engine", "torch", "--json"])
    told = capsys.readouterr()
    assert json.loads(told.out)["engine"] == "torch"
    assert "engine torch (as asked)" in told.err
    main(["predict", str(net), str(photos(net)[0]), "--json"])
    told = capsys.readouterr()
    assert json.loads(told.out)["engine"] == "reference"
    assert "engine" not in told.err
    main(["list", "engines"])
    listed = capsys.readouterr().out
    assert all(f"\n  {name} " in listed for name in ("reference", "torch", "native", "onnxruntime"))


def test_an_onnx_file_has_the_engine_that_it_is_for(net: Path, tmp_path: Path) -> None:
    export_model(tied(), "onnx", tmp_path / "net.onnx")
    pictures = net.parent / "photos"

    found = resnetlab.evaluate(tmp_path / "net.onnx", data=pictures, workers=0, insights=0)
    assert (found.engine, found.engine_said) == ("onnxruntime", "onnxruntime (the file's own graph)")
    with pytest.raises(UsageError, match="an ONNX file, which onnxruntime runs: no engine torch"):
        resnetlab.evaluate(tmp_path / "net.onnx", data=pictures, workers=0, engine="torch")
    with pytest.raises(UsageError, match="no engine torch"):
        Classifier.load(tmp_path / "net.onnx", engine="torch").predict(photos(net)[0])


def test_a_picture_is_answered_without_other_runtimes_and_compilers(net: Path) -> None:
    lines = (
        "import sys",
        "from resnetlab.cli import main",
        f"main(['predict', {str(net)!r}, {str(photos(net)[0])!r}])",
        "print(*sys.modules)",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    modules = {*done.stdout.splitlines()[-1].split()}

    assert "resnetlab.engines.answering" in modules
    assert not {"onnx", "onnxruntime", "openvino", "torch._inductor", "torch._dynamo"} & modules
