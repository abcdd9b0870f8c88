"""The model card: its header is YAML as the hub's own reader takes it, its figures are the evaluation's."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from resnetlab.cli import main
from resnetlab.reporting import report
from resnetlab.reporting.cards.header import header
from tests.kit.commands import run
from tests.kit.pictures import write_folder

yaml = pytest.importorskip("yaml")


def parts(card: str) -> tuple[dict[str, Any], str]:
    """The header, read as YAML, and the text."""
    _, top, text = card.split("---\n", 2)
    return yaml.safe_load(top), text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps on two classes, one of which has a name that Markdown would obey."""
    path = tmp_path_factory.mktemp("cards")
    counts = {"rose|<b>": 5, "no": 4}
    write_folder(path / "photos", {"train": counts, "test": {"rose|<b>": 3, "no": 2}})
    short = ("--steps", "2", "--batch", "3", "--set", "compile=off", "--set", "width=0.25", "--no-report")
    run("train", "resnet8", "--data", "photos", "--out", "run", *short, cwd=path)
    return path


def test_a_runs_card_says_what_its_files_say(folder: Path) -> None:
    run("report", "run", "-o", "card.md", cwd=folder)

    top, text = parts((folder / "card.md").read_text())
    (scores,) = folder.glob("run/eval/*/scores.json")
    told = json.loads(scores.read_text())
    assert "license" not in top
    assert (top["library_name"], top["metrics"]) == ("resnetlab", ["accuracy"])
    (found,) = top["model-index"][0]["results"]
    assert found["metrics"] == [{"type": "accuracy", "value": round(told["correct"] / 5, 6)}]
    assert told["fingerprint"] in text
    assert "9 for training, 5 for testing" in text
    for row in told["per_class"]:
        name = row["class"].replace("|", r"\|").replace("<b", "&lt;b")
        shares = " | ".join(f"{100 * row[key]:.1f} %" for key in ("recall", "precision", "f1"))
        assert f"| {name} | {row['samples']} | {shares} |" in text
    counts = list(csv.reader((scores.parent / "confusion.csv").read_text().splitlines()))
    assert f"| no | {' | '.join(counts[1][1:])} |" in text
    assert r"Always answering rose|&lt;b> would be right for 60.00 % of these images." in text
    assert "length | 2st | given" in text
    assert "Classifier.load('run')" in text


def test_an_exported_folder_and_one_for_the_hub_have_the_same_sections(folder: Path) -> None:
    run("export", "run", "--to", "folder", "-o", "net", cwd=folder)

    top, text = parts((folder / "net" / "README.md").read_text())
    assert top["model-index"][0]["name"] == "net"
    for title in ("## Data", "## Recipe", "## Results", "## Use and limits"):
        assert title in text
    assert 'Classifier.load("net")' in text


def test_without_the_run_a_card_says_less_and_guesses_nothing(folder: Path) -> None:
    run("export", "net2", "--to", "folder", "-o", "net3", cwd=_with_a_copy(folder))

    top, text = parts((folder / "net3" / "README.md").read_text())
    assert top["metrics"] == ["accuracy"]
    assert "## Results" not in text
    assert "## Use and limits" in text


def _with_a_copy(folder: Path) -> Path:
    if not (folder / "net2").exists():
        run("export", "run", "--to", "folder", "-o", "net2", cwd=folder)
    return folder


def test_a_card_is_of_one_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(folder / "run", folder / "twice" / "other")
    shutil.copytree(folder / "run", folder / "twice" / "run")

    assert main(["report", str(folder / "twice"), "-o", str(folder / "no.md")]) == 2
    assert "a card is of one network, and these are 2 runs" in capsys.readouterr().err
    assert not (folder / "no.md").exists()
    assert report(folder / "run").contents()["detail"]


@pytest.mark.parametrize("name", ["a: b", "yes", "1.5", "- x", "'q\"", "# no", "a\nb", "\udce9t\u2028", "ä"])
def test_every_name_is_a_text_in_the_header(name: str) -> None:
    written = header(name=name, library="timm", tags=(), data=name, accuracy=(1, 3))

    top, _ = parts(written)

    assert isinstance(top["model-index"][0]["name"], str)
    (result,) = top["model-index"][0]["results"]
    assert isinstance(result["dataset"]["type"], str)
    assert result["metrics"][0]["value"] == 0.333333


def test_what_the_hub_knows_is_named_as_there(hub_cards: Any) -> None:
    written = header(
        name="net", library="timm", tags=("timm",), data="cifar10",
        first_weights="timm/resnet50 (hf:timm/resnet50.a1_in1k, 318 tensors kept)", accuracy=(9, 10),
    )  # fmt: skip

    found = hub_cards.ModelCard(written + "\n# net\n").data

    assert found.datasets == ["uoft-cs/cifar10"]
    assert found.base_model == "timm/resnet50.a1_in1k"
    assert found.tags == ["image-classification", "resnet", "timm"]
    assert found.license is None
    (result,) = found.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_type) == (
        "accuracy",
        0.9,
        "uoft-cs/cifar10",
    )


@pytest.fixture
def hub_cards() -> Any:
    return pytest.importorskip("huggingface_hub")
