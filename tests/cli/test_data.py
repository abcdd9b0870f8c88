"""`resnetlab data ...`, and training on a folder of photographs, as real processes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnetlab.cli import main
from resnetlab.data.folders.folder import open_folder
from resnetlab.data.tools.check import check_source
from tests.kit.commands import run
from tests.kit.photographs import write_photographs
from tests.kit.pictures import write_folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("data") / "my photographs")


@pytest.fixture
def spoilt(photographs: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(photographs, tmp_path / "spoilt"))
    (folder / "train" / "cat" / "1.jpg").write_bytes(b"<html>")
    return folder


def test_check_says_what_is_wrong_with_exit_code_3_and_a_page(spoilt: Path, tmp_path: Path) -> None:
    done = run("data", "check", str(spoilt), "--html", str(tmp_path / "page.html"), code=3)

    assert "corrupt: 1\n  train/cat/1.jpg: not an image: the bytes look like an HTML page" in done.stdout
    assert done.stderr == f"resnetlab: {spoilt} is not clean\n"
    assert "train/cat/1.jpg" in (tmp_path / "page.html").read_text()


def test_check_of_clean_images_ends_with_0_and_as_json_is_the_report(
    photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run("data", "check", str(photographs))
    assert "Nothing that would spoil training" in done.stdout

    assert main(["data", "check", str(photographs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == check_source(open_folder(photographs)).to_json()


def test_describe_names_splits_classes_and_notes(
    photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "describe", str(photographs)]) == 0

    text = capsys.readouterr().out
    for expected in ("my photographs", "24 images", "files, read as they are needed", "cat", "no test split"):
        assert expected in text


def test_show_draws_as_many_training_images_as_asked(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "samples.png"
    run("data", "show", str(photographs), "-o", str(out), "-n", "10", "--set", "image_size=96",
        "--set", "train_size=96")  # fmt: skip

    page = np.asarray(Image.open(out))
    assert page.shape == (2 * (96 + 20 + 6) + 6, 8 * (96 + 6) + 6, 3)
    tiles = [
        page[6 + 122 * (n // 8) : 102 + 122 * (n // 8), 6 + 102 * (n % 8) : 102 + 102 * (n % 8)]
        for n in range(16)
    ]
    assert [bool(tile.std() > 1) for tile in tiles] == [True] * 10 + [False] * 6


def test_show_draws_pixels_in_memory_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "digits.png"

    assert main(["data", "show", "digits", "-o", str(out), "-n", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"recipe": "digits", "number": 3, "out": str(out)}
    page = Image.open(out)
    assert page.size == (3 * 102 + 6, 96 + 20 + 12)
    dark = [
        row for row in range(102, 128) if page.crop((0, row, page.width, row + 1)).getextrema()[0][0] < 99
    ]
    assert 10 <= 1 + dark[-1] - dark[0] <= 18  # digits that can be read, and are not cut
    assert main(["data", "show", "digits", "-o", "digits.jpg"]) == 2
    assert main(["data", "show", "digits", "-o", str(out), "-n", "0"]) == 2


def test_a_packed_copy_trains_as_the_folder_does(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed, out = tmp_path / "packed", tmp_path / "run"
    assert main(["data", "pack", str(photographs), str(packed), "--size", "60", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["images"], told["shards"]) == (33, 2)

    done = run(
        "train", "resnet8", "--data", str(packed), "--set", "image_size=32", "--set", "train_size=24",
        "--steps", "4", "--batch", "8", "--set", "compile=off", "--workers", "1", "--out", str(out),
    )  # fmt: skip

    assert "recipe     photos, but" in done.stdout
    assert (
        "images     training random-resized crop to 24; evaluation shorter side 37, centre 32" in done.stdout
    )
    assert any("images/s" in line and " wait " in line for line in done.stdout.splitlines())
    assert "waiting for data  " in done.stdout
    capsys.readouterr()
    assert main(["eval", str(out), "--data", str(photographs), "--workers", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seen"] == 9


def test_broken_images_end_training_with_code_3_or_are_left_out_and_listed(
    spoilt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = (
        "train", "resnet8", "--data", str(spoilt), "--set", "image_size=32", "--set", "train_size=24",
        "--steps", "4", "--batch", "8", "--set", "compile=off",
    )  # fmt: skip
    assert main([*common, "--workers", "1", "--out", str(tmp_path / "one")]) == 3
    assert "train/cat/1.jpg: not an image" in capsys.readouterr().err

    assert main([*common, "--out", str(tmp_path / "two"), "--bad-samples", "5%"]) == 0
    assert "left out 1        train/cat/1.jpg: not an image" in capsys.readouterr().out


def test_prepare_unpacks_imagenets_archives(
    imagenet_tars: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["data", "prepare", "imagenet", str(imagenet_tars), str(tmp_path / "out")]

    assert main(arguments) == 3  # not the official numbers
    assert "official" not in capsys.readouterr().out
    assert main([*arguments, "--subset", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == {"train": 9, "val": 5}
    assert len(open_folder(tmp_path / "out").train) == 9


def test_every_verb_takes_a_known_name_for_the_dataset_and_not_for_a_folder_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_folder(tmp_path / "digits", {"train": {"a": 2, "b": 2}, "test": {"a": 1, "b": 1}})
    monkeypatch.chdir(tmp_path)

    assert main(["data", "check", "digits"]) == 2
    assert "which is no collection of image files" in capsys.readouterr().err
    assert main(["data", "pack", "./digits", "packed"]) == 0
