"""The study: ordinary runs, measured once, whose numbers on the page are those of the runs."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

import resnetlab
from resnetlab.cli import main
from resnetlab.data.open import open_source
from resnetlab.explaining.measuring import Measures
from resnetlab.explaining.question import Question, default_place
from resnetlab.models import build, with_tensors
from resnetlab.models.layers import at, run_chain
from resnetlab.network.spec import ModelSpec
from resnetlab.runs.checkpoint import list_checkpoints, load_checkpoint
from resnetlab.training.asking import Asked

NAMES = ["plain8-seed0", "plain14-seed0", "resnet8-seed0", "resnet14-seed0"]


@pytest.fixture
def contents(explained: Path) -> Any:
    return json.loads((explained / "residual.json").read_text())


def test_the_errors_are_those_that_the_runs_wrote_down(explained: Path, contents: Any) -> None:
    assert [each["run"] for each in contents["networks"]] == NAMES
    for each in contents["networks"]:
        run = explained / each["run"]
        result = json.loads((run / "RESULT.json").read_text())
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        tests = [row for row in rows if row["kind"] == "test"]
        assert each["test"]["wrong"] == result["seen"] - result["correct"]
        assert each["curves"]["test"] == [
            [row["step"], pytest.approx(100 * (1 - row["accuracy"]), abs=1e-3)] for row in tests
        ]
        last = [row for row in rows if row["kind"] == "train" and row["step"] > tests[-2]["step"]]
        wrong = sum(round(8 * (1 - row["train_accuracy"])) for row in last)  # each of a batch of 8
        assert (each["train"]["wrong"], each["train"]["seen"]) == (wrong, 8 * len(last))


def test_signal_and_gradient_are_those_of_the_first_weights(explained: Path, contents: Any) -> None:
    images, labels = _probe(explained / NAMES[0])
    for each in contents["networks"]:
        model = build(ModelSpec.from_json(each["spec"]), seed=0).train()
        x = run_chain(model, model.stem_chain, images)
        places = [x]
        for name in model.unit_names:
            places.append(at(model, name)(places[-1]))
        logits = run_chain(model, model.tail_chain, places[-1])
        gradients = torch.autograd.grad(functional.cross_entropy(logits, labels, reduction="sum"), places)
        rows = each["start"]
        assert [row["depth"] for row in rows] == [1 + 2 * index for index in range(len(places))]
        assert [row["signal"] for row in rows] == pytest.approx(
            [float(place.detach().square().mean().sqrt()) for place in places], rel=1e-4
        )
        assert [row["gradient"] for row in rows] == pytest.approx(
            [float(gradient.flatten(1).norm(dim=1).square().mean().sqrt()) for gradient in gradients],
            rel=1e-4,
        )


def test_both_lines_meet_at_the_end_of_training(explained: Path, contents: Any) -> None:
    images, labels = _probe(explained / NAMES[0])
    for each in contents["networks"]:
        checkpoint = load_checkpoint(list_checkpoints(explained / each["run"] / "checkpoints")[-1][1])
        spec = ModelSpec.from_json(each["spec"])
        ends = [build(spec, seed=0), with_tensors(spec, checkpoint.tensors["model"], "")]
        first, last = (float(functional.cross_entropy(end.train()(images), labels).detach()) for end in ends)
        middle = each["around"]["places"].index(0.0)
        assert each["between"]["losses"][0] == pytest.approx(first, rel=1e-4)
        assert each["between"]["losses"][-1] == pytest.approx(last, rel=1e-4)
        assert [line[middle] for line in each["around"]["losses"]] == pytest.approx([last, last], rel=1e-4)


def _probe(run: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images of the study: four, evenly spread, normalised as the run says."""
    train = open_source("digits").train
    chosen = [index * len(train.labels) // 4 for index in range(4)]
    recorded = json.loads((run / "data.json").read_text())["preprocessing"]
    mean, std = (torch.tensor(recorded[name]) for name in ("mean", "std"))
    images = torch.from_numpy(train.images[chosen]) / 255 * recorded["pixel_range"]
    return ((images - mean) / std).permute(0, 3, 1, 2).float(), torch.from_numpy(train.labels[chosen])


def test_networks_of_a_depth_differ_in_the_shortcuts_alone(contents: Any) -> None:
    by_name = {each["name"]: each for each in contents["networks"]}
    for depth in (8, 14):
        plain, residual = by_name[f"plain{depth}"], by_name[f"resnet{depth}"]
        assert plain["first_weights"] == residual["first_weights"]
        assert plain["spec"] | {"shortcut": "A", "name": residual["name"]} == residual["spec"]


def test_the_same_question_again_makes_nothing_anew(
    explained: Path, contents: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for name in NAMES for path in (explained / name).rglob("*")}
    page = tmp_path / "page.html"

    code = main([*_command(contents), "--images", "4", "--runs", str(explained), "-o", str(page)])

    assert code == 0
    assert "measuring" not in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert json.loads((explained / "residual.json").read_text()) == contents
    assert page.read_bytes() == (explained / "residual.html").read_bytes()


def _command(contents: Any) -> list[str]:
    """Return the command that the page names, without its first word."""
    return [*contents["command"].split()[1:], "--device", "cpu"]


def test_what_is_missing_is_made_and_measured_anew(explained: Path, contents: Any, tmp_path: Path) -> None:
    """As after an interruption: a run that has not begun, no data yet."""
    place = shutil.copytree(explained, tmp_path / "study")
    shutil.rmtree(place / NAMES[1])
    os.remove(place / "residual.json")

    assert main([*_command(contents), "--images", "4", "--runs", str(place), "--json"]) == 0

    again = json.loads((place / "residual.json").read_text())
    for each, other in zip(again["networks"], contents["networks"], strict=True):
        assert each | {"seconds": 0} == other | {"seconds": 0}
    assert again["words"] == contents["words"]


def test_a_folder_of_another_question_is_refused(
    explained: Path, contents: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([*_command(contents), "--seed", "1", "--runs", str(explained)])

    said = capsys.readouterr().err
    assert code == 2
    assert "holds another study than is asked for" in said
    assert "--runs takes another directory" in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--depths", "8", "9"], "depth is 6n+2"),
        (["--depths", "8", "8"], "two different depths"),
        (["--depths", "8", "164"], "bottlenecks"),
        (["-o", "page.txt"], "no such kind of page: .txt"),
        (["--images", "1"], "2 images at least"),
        (["--set", "shortcut=none"], "some are alike"),
        (["--set", "shortcut=B"], "some are alike"),
        (["--set", "blocks=1,1,1"], "some are alike"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_made(
    flags: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)

    code = main(["explain", "residual", *flags])

    assert code == 2
    assert said in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


def test_the_same_question_has_the_same_place() -> None:
    plans = Question(asked=Asked(data="digits", device="cpu")).plans()

    assert [*plans] == ["plain20-seed0", "plain56-seed0", "resnet20-seed0", "resnet56-seed0"]
    assert default_place(plans) == Path("runs/residual-20-56-digits-digits-6ep-seed0")


def test_the_end_lies_in_the_middle_of_a_direction_and_half_a_filter_on_its_way() -> None:
    assert {-1.0, -0.5, 0.0, 0.5, 1.0} <= {*Measures().around}
    assert (Measures().on_the_way[0], Measures().on_the_way[-1]) == (0.0, 1.0)


def test_in_python_it_is_the_same_and_shows_itself(explained: Path, contents: Any) -> None:
    found = resnetlab.explain_residual(
        depths=(14, 8), steps=3, images=4, device="cpu", runs=explained, knobs={"width": 0.25}, batch=8,
        eval_every="2st", log_every=1,
    )  # fmt: skip

    assert found.contents == contents
    assert (
        repr(found)
        == f"<Plain and residual networks of 8 and 14 layers on digits: {explained}/residual.html>"
    )
    assert str(found).splitlines()[0] == contents["words"]["verdict"][0]
    markup = found._repr_html_()
    assert all(each["name"] in markup for each in contents["networks"])
    assert contents["words"]["verdict"][0] in markup
