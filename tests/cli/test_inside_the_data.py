"""Nothing is written where it would be read as a part of the data; runs that lie there are passed over."""

import json
import shutil
from pathlib import Path

import pytest

from resnetlab.cli import main
from tests.kit.pictures import write_folder

SHORT = ("--steps", "2", "--batch", "4", "--set", "width=0.25", "--device", "cpu")
CLASSES = {"": {"cat": 5, "dog": 5}}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "photos", CLASSES)


def train(data: Path | str, out: Path | str | None, *more: str) -> int:
    place = ["--out", str(out)] if out else []
    return main(["train", "resnet8", "--data", str(data), *place, *SHORT, *more])


def refused(capsys: pytest.CaptureFixture[str]) -> bool:
    return "of which it would become a part" in capsys.readouterr().err


def test_a_run_or_study_in_the_data_is_refused_before_anything_is_made(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(photos.rglob("*"))
    assert train(photos, photos / "run") == 2
    assert refused(capsys)
    assert train(photos, photos / "cat" / "run", "--seeds", "2") == 2
    assert refused(capsys)
    (photos.parent / "link").symlink_to(photos)
    assert train(photos, photos.parent / "link" / "run") == 2
    assert refused(capsys)
    monkeypatch.chdir(photos)
    assert train(".", None) == 2
    assert "runs/" in (said := capsys.readouterr().err) and "with --out" in said
    assert sorted(photos.rglob("*")) == before


def test_a_run_beside_the_splits_is_none_of_their_parts(tmp_path: Path) -> None:
    split = write_folder(tmp_path / "split", {"train": CLASSES[""], "test": CLASSES[""]})

    assert train(split, split / "train" / "run") == 2
    assert train(split, split / "run") == 0
    assert main(["eval", str(split / "run")]) == 0


def test_runs_that_lie_in_the_data_from_earlier_are_passed_over(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(photos, tmp_path / "run") == 0
    for place in ("runs/a", "cat/run"):
        shutil.copytree(tmp_path / "run", photos / place)
    (photos / "runs/a/RESULT.json").unlink()
    capsys.readouterr()

    assert main(["resume", str(photos / "runs/a")]) == 0
    assert main(["eval", str(photos / "runs/a"), "--json"]) == 0
    assert main(["data", "describe", str(photos), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (facts["class_names"], facts["notes"][0]) == (
        ["cat", "dog"],
        "runs of resnetlab, not read: cat/run, runs",
    )


def test_overlays_samples_and_scores_in_the_data_are_refused(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(photos, tmp_path / "run") == 0
    capsys.readouterr()

    run = str(tmp_path / "run")
    for line in (
        ["predict", run, str(photos / "cat"), "--explain", str(photos / "why")],
        ["predict", run, str(photos), "--explain", str(photos / "cat" / "why")],
        ["data", "show", str(photos), "-o", str(photos / "cat" / "x.png"), "-n", "4"],
        ["eval", run, "--out", str(photos / "scores")],
    ):
        assert main(line) == 2
        assert refused(capsys)
    assert main(["predict", run, str(photos / "cat/000.jpg"), "--explain", str(tmp_path / "why")]) == 0
