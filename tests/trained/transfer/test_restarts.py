"""A fine-tuning that is stopped, killed while it begins, or tampered with."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resnetlab.base.units import Duration
from resnetlab.data.open import open_data
from resnetlab.data.sources.wanted import Wanted
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.runs.checkpoint import load_checkpoint, save_checkpoint
from resnetlab.runs.directory import RunDirectory, claim_new
from resnetlab.trained.evaluate import evaluate
from resnetlab.trained.transfer import open_trained
from resnetlab.training.first_weights import write_beginning
from resnetlab.training.observer import Observer
from resnetlab.training.planning import RunPlan
from resnetlab.training.run import resume_run, train_or_resume, train_plan
from resnetlab.training.session import start
from tests.kit.pictures import write_pictures
from tests.kit.small_finetunings import tuned
from tests.kit.small_runs import final_bytes, go_on, small_plan, small_source, train_whole


def begun(run: RunDirectory, plan: RunPlan) -> RunDirectory:
    """A run that was stopped before its first step."""
    with claim_new(run.path):
        start(plan, run, Observer()).close()
    return run


def test_a_run_stopped_before_its_first_checkpoint_begins_with_the_same_weights(
    folder: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(folder, tmp_path / "net")
    plan = tuned(open_trained(copy), freeze="stage1", bn="train")
    whole = train_whole(tmp_path / "whole", plan)
    cut = begun(RunDirectory(tmp_path / "cut"), plan)
    shutil.rmtree(copy)  # the run must not need the file it began with

    trainer = go_on(cut, small_source())
    trainer.train()
    trainer.close()

    assert final_bytes(cut, step=6) == final_bytes(whole, step=6)


@pytest.mark.parametrize(
    "changes",
    [
        {"freeze": "stage1", "stage_rate": 0.5},
        {"freeze": "stage1", "ema_decay": 0.9},
        {"optimizer": "lamb", "bn": "frozen", "stage_rate": 0.5},
        {"optimizer": "lars", "freeze": "stage1", "momentum_form": "keras"},
        {"optimizer": "adam", "accumulate": 2, "decay_scope": "all"},
        {"momentum_form": "keras", "stage_rate": 0.5, "balance": "loss"},
        {"freeze": "body", "momentum": 0.0, "nesterov": False},
        {"checkpoint_activations": True, "val": 12, "patience": 3, "eval_every": Duration(2, "st")},
    ],
)
def test_a_run_goes_on_from_a_checkpoint_byte_for_byte(
    folder: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    run = train_whole(tmp_path / "run", tuned(open_trained(folder), **changes))
    expected = final_bytes(run, step=6)
    for name in ("step-00000004", "step-00000006"):
        shutil.rmtree(run.checkpoints / name, ignore_errors=True)

    trainer = go_on(run, small_source())
    assert trainer.state.step == 3
    trainer.train()
    trainer.close()

    assert final_bytes(run, step=6) == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [("initial.safetensors", r"initial\.safetensors is damaged"), ("weights.json", "weights.json is gone")],
)
def test_damaged_or_missing_first_weights_are_refused(
    folder: Path, tmp_path: Path, name: str, message: str
) -> None:
    run = begun(RunDirectory(tmp_path / "run"), tuned(open_trained(folder)))
    path = run.path / name
    if name == "weights.json":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)

    with pytest.raises(CheckpointError, match=message):
        go_on(run, small_source())


def test_what_a_killed_start_left_does_not_enter_the_next_run(folder: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    (run.path / "lock").touch()
    write_beginning(run, tuned(open_trained(folder)).beginning)  # killed before recipe.json

    begun(run, small_plan())

    assert not run.begins_trained and not (run.path / "initial.safetensors").exists()


def test_a_run_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    """Its checkpoints know no patience, its data.json not whether it reads files."""
    run = train_whole(tmp_path / "run", small_plan())
    old = load_checkpoint(run.checkpoints / "step-00000030")
    state = {name: value for name, value in old.state.items() if name != "evaluations_since_best"}
    shutil.rmtree(run.checkpoints)
    data = json.loads((run.path / "data.json").read_text())
    del data["reads_files"], data["begins_trained"]
    run.write("data", data)
    run.checkpoints.mkdir()
    save_checkpoint(run.checkpoints, step=30, identity=run.identity(), tensors=dict(old.tensors), state=state)

    trainer = go_on(run, small_source())
    trainer.train()
    trainer.close()

    assert trainer.state.step == 40


def test_small_files_are_reopened_as_the_run_read_them(folder: Path, tmp_path: Path) -> None:
    """40 px files, a 32 px network, and a run at 40 px: none of it is in memory."""
    for name in ("fox", "owl"):
        write_pictures(tmp_path / "photos" / "train" / name, 6, (40, 40))
        write_pictures(tmp_path / "photos" / "test" / name, 3, (40, 40))
    trained = open_trained(folder)
    source = open_data(str(tmp_path / "photos"), Wanted(fits=trained.size))
    plan = tuned(trained, source, steps=2, image_size=40, resize=50, text=str(tmp_path / "photos"))

    result = train_plan(plan, tmp_path / "run", Observer())

    assert plan.reads_files
    assert evaluate(tmp_path / "run").scores.loss == pytest.approx(result.loss, rel=1e-6)
    (tmp_path / "run" / "RESULT.json").unlink()
    assert resume_run(tmp_path / "run", Observer()).loss == result.loss


def test_a_job_of_finetuning_goes_on_and_refuses_other_weights(folder: Path, tmp_path: Path) -> None:
    plan = tuned(open_trained(folder))
    whole = train_whole(tmp_path / "whole", plan)
    cut = begun(RunDirectory(tmp_path / "cut"), plan)

    assert train_or_resume(tuned(open_trained(folder)), cut.path, Observer()).step == 6
    assert final_bytes(cut, step=6) == final_bytes(whole, step=6)
    other = tuned(open_trained(whole.path))
    for refused, now in ((other, "asked for is"), (replace(plan, beginning=None), "those of the seed")):
        with pytest.raises(UsageError, match=f"The weights to begin with are others: .*{now}"):
            train_or_resume(refused, cut.path, Observer())
