"""The lines that say how an exported file is used are run: they answer as the network does."""

import importlib.util
import io
import json
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resnetlab.cli import main
from resnetlab.trained.artefact import Artefact, write_folder
from resnetlab.trained.export.exporting import Exported, export_model
from resnetlab.trained.export.using import of_timm, of_torchvision
from resnetlab.trained.predict import Classifier
from tests.kit.artefacts import small_artefact
from tests.kit.pictures import pixels

pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True)
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An oblong picture, photo.jpg here."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(pixels(3, (90, 120))).save("photo.jpg", quality=95)
    return Path("photo.jpg")


def used(done: Exported) -> tuple[dict[str, Any], str]:
    """Run the lines; return what they name, and what they print."""
    names: dict[str, Any] = {}
    with redirect_stdout(io.StringIO()) as printed:
        exec("\n".join(done.usage), names)
    return names, printed.getvalue()


def expected(artefact: Artefact, photo: Path) -> tuple[np.ndarray, str]:
    prediction = Classifier.of(artefact, device="cpu").predict(photo, top_k=9)
    by_class = {each.class_name: each.probability for each in prediction.answers}
    return np.array([by_class[name] for name in artefact.class_names]), prediction.class_name


@pytest.mark.parametrize(
    ("target", "kind"),
    [("onnx", "channel"), ("onnx", "per-image"), ("onnx of pixels", "per-pixel-mean"),
     ("torch-export", "channel"), ("triton", "channel")],
)  # fmt: skip
def test_a_graph_is_used_as_its_lines_say(target: str, kind: str, photo: Path) -> None:
    """The picture is resized at once, where evaluation cuts after it has resized: 0.02 of a probability."""
    artefact = small_artefact(kind=kind)
    probabilities, best = expected(artefact, photo)

    done = export_model(artefact, target.partition(" ")[0], takes_pixels=target == "onnx of pixels")
    names, printed = used(done)

    if "probabilities" in names:
        found = np.asarray(names["probabilities"])[0]
    else:
        logits = np.asarray(names["logits"], np.float64)[0]
        found = np.exp(logits) / np.exp(logits).sum()
    assert np.abs(found - probabilities).max() < 0.02
    assert printed.strip() == best


def test_one_logit_of_a_grey_picture_is_used_too(photo: Path) -> None:
    made = small_artefact(names=("a", "b"), in_channels=1)
    tensors = dict(made.tensors) | {name: made.tensors[name][:1] for name in ("fc.weight", "fc.bias")}
    single = replace(made, spec=made.spec.with_(classes=1), class_names=("cat", "dog"), tensors=tensors)

    names, printed = used(export_model(single, "onnx"))

    assert printed.strip() == expected(single, photo)[1]
    assert names["logits"].shape == (1, 1)


@pytest.mark.parametrize("target", ["onnx", "safetensors", "folder"])
def test_where_there_is_a_mean_image_and_in_our_own_formats_the_classifier_is_told_of(
    target: str, photo: Path
) -> None:
    artefact = small_artefact(kind="per-pixel-mean")

    names, _ = used(export_model(artefact, target))

    best = Classifier.of(artefact, device="cpu").predict(photo).class_name
    assert names["classifier"].predict(photo).class_name == best


_ENDS = (".pth", ".safetensors")


def test_lines_for_programs_that_are_not_here_are_python() -> None:
    """Those for Keras were run by hand; torchvision and timm were not at hand."""
    artefact, path = small_artefact("keras_resnet8v1"), Path("net.safetensors")
    written = [of_timm(Path("net"))]
    written += [of_torchvision(path.with_suffix(end), artefact, "resnet18", 3) for end in _ENDS]
    if importlib.util.find_spec("h5py"):
        written += [
            export_model(artefact, target, f"{target}.h5").usage for target in ("keras", "keras-cifar10")
        ]

    for lines in written:
        compile("\n".join(lines), "usage", "exec")


def test_the_command_tells_size_speed_and_use(capsys: pytest.CaptureFixture[str]) -> None:
    write_folder(small_artefact(), Path("net"))

    assert main(["export", "net", "--to", "onnx", "-o", "a.onnx"]) == 0
    assert main(["export", "net", "--to", "safetensors", "-o", "b.safetensors"]) == 0
    said = capsys.readouterr().out
    size = Path("a.onnx").stat().st_size
    assert f"{size / 1024:.1f} KiB; one image: " in said
    assert "thread" in said
    assert f"{Path('b.safetensors').stat().st_size / 1024:.1f} KiB\n" in said
    assert "How to use it, in Python:\n  import json, numpy as np, onnxruntime\n" in said

    assert main(["export", "net", "--to", "onnx", "-o", "c.onnx", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bytes"] == Path("c.onnx").stat().st_size
    assert told["milliseconds"] > 0 < told["milliseconds_torch"]
    assert told["usage"][-1].startswith("print(")
