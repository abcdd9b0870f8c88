"""What stands at the end of a training on one's own images: can be typed, and is held against guessing."""

import argparse
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from resnetlab.cli.one_run import print_end
from resnetlab.evaluation.metrics import wilson_interval
from resnetlab.parallel.world import ALONE
from resnetlab.runs.directory import RunDirectory
from resnetlab.training.run import Result, read_result
from tests.kit.commands import run
from tests.kit.pictures import write_folder

SHORT = ("--steps", "2", "--batch", "4", "--no-report", "--set", "compile=off")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of which two and six pictures are for testing, a run on it, and what that printed."""
    path = tmp_path_factory.mktemp("end")
    write_folder(path / "photos", {"train": {"rose": 5, "tulip": 5}, "test": {"rose": 2, "tulip": 6}})
    shutil.make_archive(str(path / "my photos"), "zip", path / "photos")
    network = ("resnet8", "--set", "width=0.25")
    done = run("train", *network, "--data", "my photos.zip", "--out", "runs/a", *SHORT, cwd=path)
    (path / "printed").write_text(done.stdout)
    return path


@pytest.fixture
def result(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.chdir(folder)
    return read_result(RunDirectory(Path("runs/a")))


def commands(printed: str) -> list[list[str]]:
    _, _, after = printed.partition("What to type next:\n")
    return [shlex.split(line.strip().partition("  ")[0]) for line in after.splitlines()]


def test_an_archive_is_trained_on_and_each_command_after_it_can_be_typed(
    folder: Path, result: Result
) -> None:
    printed = (folder / "printed").read_text()

    assert (result.majority_class, result.majority_accuracy) == ("tulip", 0.75)
    assert "Always answering tulip: 75.00 %" in " ".join(printed.split())
    predict, report, export = commands(printed)
    assert predict[1:3] == ["predict", "runs/a"]
    assert predict[3].startswith("my photos.zip/test/")
    for words in (predict, report, export):
        run(*words[1:], cwd=folder)
    assert (folder / "report.html").is_file()
    assert (folder / "a.onnx").is_file()


def test_an_archive_is_finetuned_on_evaluated_and_asked_about(folder: Path) -> None:
    """The run's data in a folder is the same data as in the archive."""
    tuned = run(
        "finetune", "my photos.zip", "--weights", "runs/a", "--out", "runs/b", *SHORT, cwd=folder
    ).stdout

    assert "Always answering tulip: 75.00 %" in " ".join(tuned.split())
    assert commands(tuned)[0][3].startswith("my photos.zip/test/")
    scored = run("eval", "runs/b", "--data", "my photos.zip", "--out", "scores", cwd=folder).stdout
    asked = run("predict", "runs/b", "my photos.zip", cwd=folder).stdout
    assert "of 8" in scored
    assert "of 18 right" in asked


@pytest.mark.parametrize(
    ("correct", "told"),
    [
        (300, "Always answering tulip: 75.00 %, so that the network is of no use yet."),
        (310, "Always answering tulip: 75.00 %, which lies within that interval: too few test images"),
        (390, "Always answering tulip: 75.00 %.\n"),
    ],
)
def test_an_accuracy_is_held_against_the_commonest_class(
    result: Result, capsys: pytest.CaptureFixture[str], correct: int, told: str
) -> None:
    interval = wilson_interval(correct, 400)
    changed = replace(result, accuracy=correct / 400, correct=correct, seen=400, interval=interval)

    print_end(argparse.Namespace(world=ALONE, json=False), changed)

    printed = capsys.readouterr().out
    assert told in printed or told in " ".join(printed.split())
