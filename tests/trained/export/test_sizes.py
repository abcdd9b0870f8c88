"""Exports for images of another size than the network's, and of any."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from resnetlab import Classifier
from resnetlab.cli import main
from resnetlab.errors import UsageError
from resnetlab.trained.artefact import load_artefact
from resnetlab.trained.export.exporting import export_model
from tests.kit.artefacts import normaliser, small_artefact
from tests.kit.pictures import pixels

pytest.importorskip("onnx", reason="the extra `export` is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")


def run(path: Path, images: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": images.numpy()})
    return np.asarray(found)


def test_a_graph_of_another_size_gives_the_networks_logits_there(tmp_path: Path) -> None:
    artefact = small_artefact()

    done = export_model(artefact, "onnx", tmp_path / "net.onnx", size=48)

    images = torch.randn(3, 3, 48, 48)
    with torch.no_grad():
        expected = artefact.model()(images).numpy()
    assert run(tmp_path / "net.onnx", images) == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert "images of 48 px: the shorter side to 54 px" in done.notes[0]  # 36 / 32 of it
    assert "as 36 and 32 px before" in done.notes[0]


def test_predict_brings_pictures_to_the_exported_size(tmp_path: Path) -> None:
    artefact = small_artefact()
    for target, name in (("onnx", "net.onnx"), ("folder", "net")):
        export_model(artefact, target, tmp_path / name, size=48)
        classifier = Classifier.load(tmp_path / name, device="cpu")
        assert classifier.description.image_shape == (48, 48, 3)
        assert classifier.preprocessing.geometry.resize == 54
    both = [Classifier.load(tmp_path / name, device="cpu").predict(pixels(1)) for name in ("net", "net.onnx")]
    assert both[0].probability == pytest.approx(both[1].probability, rel=1e-4)
    assert load_artefact(tmp_path / "net").preprocessing.geometry.side == 48


def test_a_torch_program_of_another_size_takes_it(tmp_path: Path) -> None:
    artefact = small_artefact()
    export_model(artefact, "torch-export", tmp_path / "net.pt2", size=40)

    program = torch.export.load(tmp_path / "net.pt2").module()
    images = torch.randn(2, 3, 40, 40)
    with torch.no_grad():
        assert torch.allclose(program(images), artefact.model()(images), rtol=1e-4, atol=1e-4)


def test_the_hubs_folder_says_the_size(tmp_path: Path) -> None:
    export_model(small_artefact("resnet18", side=64), "hf", tmp_path / "hub", size=96)

    config = json.loads((tmp_path / "hub" / "config.json").read_text())["pretrained_cfg"]
    assert config["input_size"] == [3, 96, 96]
    assert int(96 / config["crop_pct"]) == 102  # 68 * 96 / 64


@pytest.mark.parametrize("name", ["resnet8", "preresnet20", "resnet18", "tfofficial_resnet18v2"])
def test_one_graph_takes_any_size(tmp_path: Path, name: str) -> None:
    knobs = {"width": 0.125} if "18" in name else {}
    artefact = small_artefact(name, side=64, **knobs)

    done = export_model(artefact, "onnx", tmp_path / "net.onnx", size="any")

    assert "height and width are open; compared at 64x64, 128x96, 128x128 px" in done.notes
    for height, width in ((64, 64), (96, 64), (160, 224)):
        images = torch.randn(2, 3, height, width)
        with torch.no_grad():
            expected = artefact.model()(images).numpy()
        assert run(tmp_path / "net.onnx", images) == pytest.approx(expected, rel=1e-4, abs=1e-4)
    classifier = Classifier.load(tmp_path / "net.onnx")
    assert classifier.description.image_shape == (64, 64, 3)
    assert len(classifier.predict(pixels(1)).answers) == 3


@pytest.mark.parametrize("kind", ["channel", "per-image", "none"])
def test_the_pixel_graph_of_any_size_normalises_as_there(tmp_path: Path, kind: str) -> None:
    artefact = small_artefact(kind=kind)
    export_model(artefact, "onnx", tmp_path / "net.onnx", takes_pixels=True, size="any")

    images = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (2, 40, 56, 3)).astype(np.uint8))
    images[1] = 77  # a constant image: its standard deviation is 0
    with torch.no_grad():
        logits = artefact.model()(normaliser(kind)(images).permute(0, 3, 1, 2))
    assert run(tmp_path / "net.onnx", images) == pytest.approx(logits.double().softmax(1).numpy(), abs=1e-5)


@pytest.mark.parametrize(
    ("target", "how", "size", "message"),
    [
        ("onnx", {"kind": "per-pixel-mean"}, 48, "its mean image of 32x32 px off: none for 48 px"),
        ("onnx", {"kind": "per-pixel-mean"}, "any", "none for every size"),
        ("torch-export", {}, "any", "only onnx takes images of any size"),
        ("torchvision", {}, 48, "torchvision does not hold the images' size"),
        ("onnx", {"name": "chaoji_resnet20"}, 33, "for images of 33x33 px"),
        ("onnx", {}, 0, "a size of 0 is no number of pixels"),
    ],
)
def test_what_cannot_be_is_told(
    tmp_path: Path, target: str, how: dict[str, str], size: object, message: str
) -> None:
    suffix = {"onnx": ".onnx", "torch-export": ".pt2", "torchvision": ".pth"}[target]
    with pytest.raises(UsageError, match=message):
        export_model(small_artefact(**how), target, tmp_path / f"net{suffix}", size=size)  # type: ignore[arg-type]
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(("text", "code"), [("48", 0), ("any", 0), ("big", 2), ("48x48", 2)])
def test_the_flag_is_read(tmp_path: Path, text: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    export_model(small_artefact(), "folder", tmp_path / "net")
    arguments = ["export", str(tmp_path / "net"), "--to", "onnx", "-o", str(tmp_path / "a.onnx")]

    assert main([*arguments, "--size", text]) == code
    assert code == 0 or "a number of pixels, or any" in capsys.readouterr().err
