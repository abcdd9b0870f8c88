"""What a user says of the images wins over what a file tells, and is said."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from resnetlab import Classifier
from resnetlab.cli import main
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.errors import UsageError
from resnetlab.trained.artefact import import_weights, load_artefact, write_folder
from resnetlab.trained.export.exporting import export_model
from tests.kit.artefacts import small_artefact
from tests.kit.foreign_weights import lively
from tests.kit.pictures import pixels

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """In our names: nothing in it tells how its images were normalised."""
    path = tmp_path / "cifar10_resnet20.safetensors"
    safetensors.torch.save_file(lively("resnet20").state_dict(), path)
    return path


def flags(values: dict[str, object]) -> list[str]:
    texts = {k: ",".join(map(str, v)) if isinstance(v, tuple) else str(v) for k, v in values.items()}
    return [part for name, text in texts.items() for part in (f"--{name}", text)]


def test_mean_and_std_are_used_and_said(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(file), "-o", str(tmp_path / "net"), *flags({"mean": MEAN, "std": STD})]) == 0
    said = capsys.readouterr()
    assert "mean 0.4914, 0.4822, 0.4465 and std 0.2023, 0.1994, 0.201 as given" in said.err
    assert "images     RGB 0 to 1, mean 0.4914" in said.out
    assert "does not tell" not in said.err + said.out

    picture = pixels(1, (32, 32))
    classifier = Classifier.load(tmp_path / "net", device="cpu")
    images = (torch.from_numpy(picture).double() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.no_grad():
        expected = lively("resnet20").eval()(images.float().permute(2, 0, 1)[None])
    assert torch.allclose(classifier.logits([picture]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("given", "mean", "std", "pixel_range"),
    [
        ({"like": "kuangliu"}, MEAN, STD, 1),
        ({"like": "imagenet"}, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 1),
        ({"mean": (125.3, 123.0, 113.9), "std": (63.0,)}, (125.3, 123.0, 113.9), (63.0,) * 3, 255),
        ({"mean": (123.68, 116.78, 103.94), "std": (1.0,)}, (123.68, 116.78, 103.94), (1.0,) * 3, 255),
        ({"mean": (0.5,), "std": (0.25,)}, (0.5,) * 3, (0.25,) * 3, 1),
        ({"like": "imagenet", "std": (0.2, 0.3, 0.4)}, (0.485, 0.456, 0.406), (0.2, 0.3, 0.4), 1),
    ],
)  # fmt: skip
def test_every_way_to_say_it_becomes_the_normalisation(
    file: Path, given: dict[str, object], mean: tuple[float, ...], std: tuple[float, ...], pixel_range: int
) -> None:
    artefact, report = import_weights(file, **given)  # type: ignore[arg-type]

    normaliser = artefact.preprocessing.normaliser
    assert (normaliser.kind, normaliser.pixel_range) == ("channel", pixel_range)
    assert (tuple(normaliser.mean), tuple(normaliser.std)) == (mean, std)  # type: ignore[arg-type]
    assert artefact.preprocessing.geometry.side == 32  # a small network stays small
    assert report.preprocessing.is_told


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ({"crop": 40, "resize": 48}, (40, 48, "bilinear")),
        ({"resize": 36, "interpolation": "bicubic"}, (32, 36, "bicubic")),
        ({"crop": 64}, (64, 64, "bilinear")),
    ],
)
def test_sizes_are_taken(file: Path, given: dict[str, object], sizes: tuple[int, int, str]) -> None:
    artefact, _ = import_weights(file, like="unit", **given)  # type: ignore[arg-type]

    geometry = artefact.preprocessing.geometry
    assert (geometry.side, geometry.resize, geometry.interpolation) == sizes
    assert artefact.image_shape == (sizes[0], sizes[0], 3)


def test_a_crop_alone_keeps_its_share_of_the_image(tmp_path: Path) -> None:
    path = tmp_path / "resnet18.safetensors"
    safetensors.torch.save_file(lively("resnet18", width=0.125).state_dict(), path)

    geometry = import_weights(path, crop=288)[0].preprocessing.geometry

    assert (geometry.side, geometry.resize) == (288, 329)  # 256 / 224 of it


def test_a_network_of_ours_lends_its_preprocessing_a_mean_image_too(file: Path, tmp_path: Path) -> None:
    for kind in ("channel", "per-image", "per-pixel-mean", "none"):
        other = small_artefact(kind=kind)
        write_folder(other, tmp_path / kind)

        artefact, report = import_weights(file, like=tmp_path / kind)

        assert artefact.preprocessing == other.preprocessing
        assert report.preprocessing.normalise == ("channel" if kind == "none" else kind)


def test_the_mean_image_of_data_is_taken_off_where_the_network_was_trained_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Keras' example does it on pixels from 0 to 1, and chao-ji on those to 255."""
    pytest.importorskip("h5py")
    export_model(small_artefact("keras_resnet8v1", kind="none"), "keras-cifar10", tmp_path / "net.h5")
    with pytest.importorskip("h5py").File(tmp_path / "net.h5", "a") as file:
        del file["resnetlab"]
    images = np.stack([pixels(seed, (32, 32)) for seed in range(6)])
    np.savez(
        tmp_path / "data.npz", x_train=images, y_train=[0, 1, 2] * 2, x_test=images[:3], y_test=[0, 1, 2]
    )
    out = tmp_path / "net"

    given = ["--mean-image", str(tmp_path / "data.npz")]
    assert main(["import", str(tmp_path / "net.h5"), "-o", str(out), *given]) == 0

    said = capsys.readouterr()
    assert "less the mean image of 6 training images of data" in said.err
    assert "does not hold" not in said.err + said.out
    assert "nothing is subtracted" not in said.err + said.out
    found = load_artefact(out).preprocessing.normaliser(torch.from_numpy(images))
    expected = images / 255 - images.mean(0) / 255
    assert np.abs(found.numpy() - expected).max() < 1e-6


def test_a_mean_image_that_cannot_be_is_told(file: Path, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    with pytest.raises(UsageError, match="were not less a mean image"):
        import_weights(file, mean_image="digits")
    export_model(small_artefact("keras_resnet8v1", kind="per-pixel-mean"), "keras", tmp_path / "net.h5")
    images = np.zeros((6, 16, 16, 3), np.uint8)
    labels = [0, 1, 2] * 2
    np.savez(tmp_path / "data.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    with pytest.raises(UsageError, match=r"are of \(16, 16, 3\), the network takes such of \(32, 32, 3\)"):
        import_weights(tmp_path / "net.h5", mean_image=tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mean": MEAN}, "std is not known\nGive mean and std, both"),
        ({"mean": (0.1, 0.2), "std": (0.1,)}, "2 numbers for mean, but the images have 3 channels"),
        ({"mean": MEAN, "std": (0.0,)}, "std has .*not all positive"),
        ({"mean": (float("nan"),), "std": (1.0,)}, "mean has .*no numbers"),
        ({"like": "kuanglui"}, "no preprocessing is called 'kuanglui'.*\n.*kuangliu"),
        ({"like": "unit", "resize": 20}, "resize 20 is below the crop of 32"),
        ({"like": "unit", "crop": 0}, "crop 0 is no number of pixels"),
        ({"like": "unit", "interpolation": "cubic"}, "'cubic' is none of bilinear"),
        ({"knobs": {"classes": 3}}, "the file itself tells classes\n.*stride_on"),
        ({"knobs": {"stride": "3x3"}}, "no such model knob: stride"),
    ],
)
def test_what_cannot_be_is_told(file: Path, given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        import_weights(file, **given)  # type: ignore[arg-type]


def test_a_knob_that_the_file_leaves_open_is_taken_and_said(tmp_path: Path) -> None:
    path, out = tmp_path / "b.safetensors", tmp_path / "net"
    model = lively("resnet20_bottleneck", stride_on="3x3")
    safetensors.torch.save_file(model.state_dict(), path)

    assert main(["import", str(path), "-o", str(out), "--set", "stride_on=first", "--like", "unit"]) == 0

    assert load_artefact(out).spec.stride_on == "first"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "channel_mean=0.5"], "import has a flag for it, --mean"),
        (["--set", "stride_on"], "not of the form KNOB=VALUE"),
        (["--mean", "a,b"], "--mean a,b: no numbers"),
    ],
)
def test_flags_that_cannot_be_read_are_told(
    file: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(file), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_does_not_tell_names_the_flags(file: Path) -> None:
    notes = import_weights(file)[0].notes

    assert any("`import --mean M --std S` or `--like NAME`" in note for note in notes)


def test_a_grey_network_takes_one_number(tmp_path: Path) -> None:
    path = tmp_path / "mnist.safetensors"
    safetensors.torch.save_file(lively("resnet8", in_channels=1).state_dict(), path)

    normaliser = import_weights(path, mean=(0.1307,), std=(0.3081,))[0].preprocessing.normaliser

    assert normaliser == Normaliser("channel", 1, np.array([0.1307]), np.array([0.3081]))
    assert json.dumps(normaliser.to_json())
