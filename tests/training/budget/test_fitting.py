"""A run by minutes: its steps are timed, and what comes of it is an ordinary run."""

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import resnetlab
from resnetlab.cli import main
from resnetlab.errors import UsageError
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import Resolution, override
from resnetlab.runs.directory import RunDirectory
from resnetlab.training.budget.costs import measure_costs
from resnetlab.training.budget.estimating import estimate
from resnetlab.training.budget.fitting import fit_to_minutes
from resnetlab.training.observer import Silence
from resnetlab.training.recorded.capturing import obstacle_to_capture
from tests.kit.interrupted_runs import run_until
from tests.kit.pictures import write_pictures
from tests.kit.small_runs import final_bytes, finish, small_plan, train_whole, two_stage_plan

SMALL = resnetlab.model_spec("resnet8").with_(width=0.25)
GIVEN: dict[str, Any] = {"data": "digits", "device": "cpu", "report": False, "observer": Silence()}


def test_a_run_by_minutes_ends_in_time_and_is_the_same_as_one_of_that_length(tmp_path: Path) -> None:
    given = GIVEN | {"batch": 128, "eval_every": "1ep"}
    for minutes in (0.07, 0.4, 2):  # more only on a machine that is too busy for less
        started = time.monotonic()
        with contextlib.suppress(UsageError):
            result = resnetlab.train(SMALL, minutes=minutes, out=tmp_path / "a", **given)
            break
    assert time.monotonic() - started < 3 * 60 * minutes, "three times: the machine may have other work"
    run = RunDirectory(tmp_path / "a")
    recipe, start = run.read("recipe"), json.loads(run.events.read_text().splitlines()[0])
    assert result.epochs >= 1 and recipe["run"]["length"] == f"{result.step}st"
    assert recipe["schedule"]["warmup"] == f"{round(result.step / 10)}st", "one epoch of ten"
    assert f"{minutes}: {result.step:,} steps" in start["budget"]["minutes"]
    assert start["budget"]["expect"].startswith("not known")
    assert "minutes" not in json.dumps(recipe)

    warmup = recipe["schedule"]["warmup"]
    resnetlab.train(SMALL, steps=result.step, warmup=warmup, out=tmp_path / "b", **given)
    other = RunDirectory(tmp_path / "b")
    assert run.identity() == other.identity()
    assert final_bytes(run, result.step) == final_bytes(other, result.step)


def test_the_length_has_the_measured_speed_as_its_origin_and_what_was_given_stays() -> None:
    plan = small_plan(checkpoint_every=0)
    given = {"warmup": plan.recipe.schedule.warmup}
    resolution = Resolution(plan.recipe)
    fitted = fit_to_minutes(plan, resolution, 1, given, time.monotonic())
    origin = resolution.origins["length"]
    assert origin.startswith("--minutes 1: measured ") and origin.endswith(" images/s")
    assert fitted.recipe.schedule.warmup == plan.recipe.schedule.warmup
    assert resolution["length"] == fitted.recipe.run.length
    assert set(fitted.said()) == {"minutes", "expect"} and not plan.said()
    assert estimate(fitted).keys() == {"memory"}, "no second word on the time"


def test_steps_are_timed_at_every_size_that_images_have_in_the_run() -> None:
    plan = small_plan(shrink=0.75, shrink_until=0.6, length="50st")
    assert plan.training_sizes == {(12, 12): 0.6, (16, 16): 0.4}
    costs = measure_costs(plan, 0.01)
    assert (
        costs.step > 0
        and costs.evaluation > 0
        and costs.beginning > 0
        and costs.ending > costs.checkpoint > 0
    )


def test_a_run_whose_images_are_small_at_first_is_resumed_exactly(tmp_path: Path) -> None:
    """They are small for the first 8 of its 12 steps."""
    changes: dict[str, Any] = {"shrink": 0.75, "length": "12st", "checkpoint_every": 0}
    whole = train_whole(tmp_path / "whole", two_stage_plan(**changes))
    for stop in (3, 8):
        run = run_until(tmp_path / f"until-{stop}", stop, **changes)
        finish(run)
        assert final_bytes(run, 12) == final_bytes(whole, 12)
    for name, other in {"never": {"shrink": 1.0}, "throughout": {"shrink_until": 1.0}}.items():
        otherwise = train_whole(tmp_path / name, two_stage_plan(**changes | other))
        assert final_bytes(otherwise, 12)["model.safetensors"] != final_bytes(whole, 12)["model.safetensors"]


def refused(match: str, **changes: Any) -> None:
    with pytest.raises(UsageError, match=match):
        resnetlab.train(SMALL, **(GIVEN | changes))


def test_what_minutes_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused("given twice: minutes=3 and length=2ep", minutes=3, epochs=2)
    refused("given twice: minutes=3 and length=2st", minutes=3, steps=2)
    refused("a length is above 0", minutes=0)
    refused("a length is above 0", minutes=float("nan"))
    refused("less than one epoch here", minutes=0.001)
    refused("begun", minutes=1, out=tmp_path / "run", resume_if_begun=True)
    with pytest.raises(UsageError, match="one after another"):
        resnetlab.study([SMALL], minutes=1, at_once=2, **GIVEN)
    assert not list(tmp_path.iterdir())
    assert main(["resume", str(tmp_path), "--minutes", "3"]) == 2
    assert "fixed when it begins" in capsys.readouterr().err
    train = ["train", "resnet20", "--data", "digits", "--minutes"]
    assert main([*train, "ten"]) == 2
    assert "--minutes=ten: not a number" in capsys.readouterr().err
    assert main([*train, "3", "--steps", "9"]) == 2
    assert "given twice" in capsys.readouterr().err


def test_smaller_images_are_of_images_in_memory(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos/fox", 6, (90, 80))
    write_pictures(tmp_path / "photos/owl", 6, (90, 80))
    quick = override(named_recipe("quick"), {"shrink": 0.75})
    obstacle = obstacle_to_capture(quick, torch.device("cuda"), reads_files=False)
    assert "size of the images" in obstacle and not obstacle_to_capture(
        override(quick, {"shrink": 1.0}), torch.device("cuda"), reads_files=False
    )
    refused("read from files", data=str(tmp_path / "photos"), steps=1, batch=4, shrink=0.75, workers=0)
