"""What a user may ask of a fine-tuning, and what is refused, by its command and in Python."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import resnetlab
from resnetlab.base.units import count_of
from resnetlab.cli import main
from resnetlab.errors import CheckpointError, Interrupted, UsageError
from resnetlab.recipe import Run
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.trained.transfer import open_trained, plan_finetuning
from tests.kit.commands import run
from tests.kit.interrupted_runs import StopAt
from tests.kit.small_finetunings import tuned
from tests.kit.small_runs import CPU, small_plan, small_source, train_whole


def planned(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str]:
    """The values of the recipe that a dry run of `finetune` tells."""
    capsys.readouterr()
    assert main(["finetune", *arguments, "--dry-run", "--json"]) == 0
    recipe = json.loads(capsys.readouterr().out)["recipe"]
    return {name: leaf["value"] for name, leaf in recipe.items()}


def test_a_checkpoints_files_are_the_weights_that_they_hold(tmp_path: Path) -> None:
    run = train_whole(tmp_path / "run", small_plan())
    checkpoint = run.checkpoints / "step-00000040"

    plain, averaged = (open_trained(checkpoint / f"{name}.safetensors") for name in ("model", "ema"))

    assert plain.origin.endswith("its weights") and averaged.origin.endswith("its averaged weights")
    first, second = (each.weights.file.tensors["conv1.weight"] for each in (plain, averaged))
    assert not torch.equal(first, second)
    with pytest.raises(UsageError, match=r"optimizer\.safetensors holds no weights"):
        open_trained(checkpoint / "optimizer.safetensors")


def test_our_own_networks_are_known_to_the_last_knob(folder: Path) -> None:
    trained = open_trained(folder)
    recipe = override(named_recipe("finetune"), {"batch": 8})

    with pytest.raises(CheckpointError, match="act_slope"):
        plan_finetuning(trained, trained.spec.with_(act_slope=0.1), small_source(), "small", recipe, CPU)
    _, report, _ = plan_finetuning(trained, trained.spec, small_source(), "small", recipe, CPU)
    assert report.notes == ()


def test_another_normalisation_is_said(folder: Path) -> None:
    trained = open_trained(folder)

    assert "normalised as they were" in tuned(trained).weights_text
    assert "normalised" not in tuned(trained, channel_mean=(0.0, 0.0, 0.0)).weights_text


@pytest.mark.parametrize(
    ("head", "names", "message"),
    [
        ("keep-shared", ("x", "y", "z"), "ant, bee, cat, the data x, y, z, and no name is in both"),
        ("strict", ("bee", "ant", "cat"), "for ant, bee, cat, the data has bee, ant, cat"),
    ],
)
def test_a_classifier_is_not_kept_for_other_classes(
    folder: Path, head: str, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        tuned(open_trained(folder), replace(small_source(), class_names=names), head=head)


def test_the_same_classes_may_keep_the_classifier(folder: Path) -> None:
    trained = open_trained(folder)

    plan = tuned(trained, replace(small_source(), class_names=("ant", "bee", "cat")), head="strict")

    assert plan.beginning is not None
    assert torch.equal(plan.beginning.tensors["fc.weight"], trained.weights.file.tensors["fc.weight"])


def test_the_shorter_side_follows_the_images_size(
    folder: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The network's own: 36 px at the shorter side, cut to 32."""
    values = planned(
        capsys, "--weights", str(folder), "--data", str(photos), "--set", "image_size=64", "--batch", "4"
    )

    assert (values["image_size"], values["resize"]) == ("64", "72")


def test_a_recipe_file_without_a_name_stands_on_finetune(
    folder: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.json").write_text('{"lr": 0.01}')

    values = planned(
        capsys, "--weights", str(folder), "--data", str(photos), "--recipe", str(tmp_path / "mine.json"),
        "--val", "50%",
    )  # fmt: skip

    assert {name: values[name] for name in ("lr", "image_size", "length", "val", "batch", "bn")} == {
        "lr": "0.01", "image_size": "32", "length": "500st", "val": "6", "batch": "3",
        "bn": "frozen-statistics",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "count"), [("10%", "30"), ("0.1%", "1"), ("100%", "300"), ("12", "12"), ("abc", "abc")]
)
def test_a_share_of_the_images_is_a_count(text: str, count: str) -> None:
    assert count_of(text, 300) == count


@pytest.mark.parametrize("text", ["inf%", "nan%", "0%", "-3%", "101%", "x%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a share above 0"):
        count_of(text, 300)


def test_patience_needs_evaluations() -> None:
    with pytest.raises(UsageError, match="patience needs evaluations"):
        override(named_recipe("finetune"), {"patience": 2, "eval_every": Run().eval_every.parse("0ep")})


def test_python_refuses_two_lengths_and_takes_shares(folder: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="length is given twice: epochs=1 and steps=2"):
        resnetlab.finetune(folder, data=str(photos), epochs=1, steps=2)

    result = resnetlab.finetune(
        folder, data=str(photos), steps=1, val="25%", out=tmp_path / "run", workers=0, compile="off"
    )

    assert len(json.loads((tmp_path / "run" / "data.json").read_text())["val_indices"]) == 3
    assert result.seen == 6


def test_a_finetuning_that_is_asked_for_again_goes_on(folder: Path, photos: Path, tmp_path: Path) -> None:
    common: dict[str, Any] = {
        "data": str(photos), "out": tmp_path / "job", "workers": 0, "compile": "off", "steps": 3,
        "resume_if_begun": True,
    }  # fmt: skip
    with pytest.raises(Interrupted):
        resnetlab.finetune(folder, observer=StopAt(1), **common)

    result = resnetlab.finetune(folder, **common)

    whole = resnetlab.finetune(folder, **(common | {"out": tmp_path / "whole"}))
    assert (result.step, result.loss) == (3, whole.loss)
    assert resnetlab.finetune(folder, **common) == result
    with pytest.raises(UsageError, match=r"freeze +none -> body"):
        resnetlab.finetune(folder, freeze="body", **common)
    command = ("finetune", "--weights", str(folder), "--data", str(photos), "--steps", "3", "--workers", "0",
               "--set", "compile=off", "--out", str(tmp_path / "job"), "--resume-if-begun")  # fmt: skip
    assert "there is nothing to resume" in run(*command).stdout


def test_a_run_on_data_named_from_here_goes_on_from_elsewhere(
    folder: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    resnetlab.finetune(folder, data=photos.name, steps=1, out="run", workers=0, compile="off")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    assert resnetlab.evaluate(photos.parent / "run", workers=0).scores.seen == 6


@pytest.mark.parametrize(
    ("is_told", "said"),
    [(True, "not normalised as the weights' were"), (False, "does not tell how its images were normalised")],
)
def test_of_a_file_that_does_not_tell_nothing_else_is_said_than_that(
    folder: Path, is_told: bool, said: str
) -> None:
    trained = replace(open_trained(folder), is_told=is_told)
    recipe = override(named_recipe("finetune"), {"batch": 8, "channel_mean": (0.1, 0.2, 0.3)})

    *_, notes = plan_finetuning(trained, trained.spec, small_source(), "small", recipe, CPU)

    assert any(said in note for note in notes)
