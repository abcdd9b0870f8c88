"""`resnetlab lr-find` as a user types it: what it prints, what it leaves, what it refuses."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from resnetlab.cli import main
from tests.kit.pictures import write_pictures

SMALL = ["--set", "width=0.5", "--set", "stem_stride=2", "--set", "compile=off", "--batch", "16"]
RISE = ["--low", "0.001", "--high", "3", "--points", "40", "--seed", "3"]
DIGITS = ["lr-find", "resnet8", "--data", "digits", *SMALL, *RISE]


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, where the command is typed."""
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path.parent / "cache"))
    monkeypatch.setenv("RESNETLAB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_ends_with_the_command_to_type_and_leaves_the_picture_alone(
    empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*DIGITS, "--lr", "0.5", "-o", "rates.svg", "--theme", "dark"]) == 0
    text = capsys.readouterr().out

    lines = text.splitlines()
    assert lines[0] == "resnet8 on digits, recipe digits, batch 16"
    assert "written: rates.svg" in lines
    assert [path.name for path in empty.iterdir()] == ["rates.svg"]
    suggested = text.partition("Suggested: ")[2].partition(",")[0]
    command = shlex.split(lines[-1])
    assert command[1:5] == ["train", "resnet8", "--data", "digits"]
    assert command[-2:] == ["--lr", suggested] and command.count("--lr") == 1
    assert "lr=0.5" not in lines[-1]
    assert "--seed 3" in lines[-1]
    assert main([*command[1:], "--dry-run"]) == 0
    assert f"then {suggested}, linear to 0" in " ".join(capsys.readouterr().out.split())


def test_json_has_all_of_it_and_the_same_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    found: list[dict[str, Any]] = []
    for _ in range(2):
        assert main([*DIGITS, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))

    assert found[0] == found[1]
    first = found[0]
    assert len(first["rates"]) == len(first["losses"]) == len(first["smoothed"]) > 20
    assert first["rates"][0] == pytest.approx(0.001)
    assert first["lr"] == first["suggested"]
    assert first["command"].startswith("resnetlab train resnet8 --data digits")


def test_images_in_folders_are_tried_as_they_lie(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part, count in (("train", 16), ("val", 2)):
        for name in ("fox", "owl"):
            write_pictures(empty / "photos" / part / name, count, (90, 80))
    asked = ["--batch", "8", "--set", "image_size=16", "--set", "train_size=16", "--workers", "0"]

    assert main(["lr-find", "resnet8", "photos/", *asked, "--points", "20", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)

    assert found["about"] == "resnet8 on photos, recipe photos, batch 8"
    assert found["losses"]
    if found["lr"]:
        assert found["lr"] == pytest.approx(found["suggested"] * 1024 / 8, rel=0.05)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--low", "1", "--high", "0.1"], "the rate is to rise from 1 to 0.1"),
        (["--points", "5"], "points=5: of so few steps"),
        (["--low", "0"], "low=0: a learning rate is above 0"),
        (["-o", "rates.gif"], "rates.gif: no such kind of picture: .gif"),
        (["--title", "Rates"], "--title is of the picture, which -o names"),
        (["--set", "nonsense=1"], "neither the recipe nor the model has a value 'nonsense'"),
    ],
)
def test_what_cannot_be_is_refused_before_a_step_is_made(
    given: list[str], told: str, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lr-find", "resnet8", "--data", "digits", *given]) == 2
    assert told in capsys.readouterr().err
    assert [*empty.iterdir()] == []


def test_one_network_is_tried(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lr-find", "resnet8", "resnet20", "--data", "digits"]) == 2
    assert "one network is tried, got 2: resnet8, resnet20" in capsys.readouterr().err
    assert main(["lr-find", "digits"]) == 2
    assert "no network is named" in capsys.readouterr().err
