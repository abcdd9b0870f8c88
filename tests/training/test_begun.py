"""A job that is started again: it trains, goes on, or finds its run finished; another run is refused."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import resnetlab
from resnetlab.errors import Interrupted, UsageError
from resnetlab.recipe.settings import override
from resnetlab.training.observer import Observer
from resnetlab.training.run import Result, train_or_resume
from tests.kit.interrupted_runs import StopAt
from tests.kit.small_runs import FILES, small_source, two_stage_plan


class Noting(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps: list[int] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        self.steps.append(step)


COMMON: dict[str, Any] = {
    "data": "digits", "device": "cpu", "compile": "off", "steps": 4, "batch": 16, "checkpoint_every": 2,
}  # fmt: skip
SPEC = resnetlab.model_spec("resnet8").with_(width=0.25)


def job(out: Path, observer: Observer | None = None, **changes: Any) -> Result:
    model = changes.pop("model", SPEC)
    return resnetlab.train(model, out=out, observer=observer, resume_if_begun=True, **COMMON | changes)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_job_trains_goes_on_exactly_and_then_finds_its_run_finished(tmp_path: Path) -> None:
    whole = resnetlab.train(SPEC, out=tmp_path / "whole", **COMMON)
    (tmp_path / "job").mkdir()
    for step in (1, 3):
        with pytest.raises(Interrupted):
            job(tmp_path / "job", StopAt(step))

    watcher = Noting()
    result = job(tmp_path / "job", watcher)

    assert watcher.steps == [4]
    assert (result.loss, result.accuracy) == (whole.loss, whole.accuracy)
    for name in ("metrics.jsonl", *(f"checkpoints/step-00000004/{name}" for name in FILES)):
        if (tmp_path / "whole" / name).exists():
            assert (tmp_path / "job" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    before, watcher = contents(tmp_path / "job"), Noting()
    assert job(tmp_path / "job", watcher) == result
    assert contents(tmp_path / "job") == before
    assert "is finished after 4st; there is nothing to resume" in watcher.notes[0]
    assert watcher.steps == []


@pytest.mark.parametrize("is_finished", [True, False])
def test_another_plan_is_refused_with_all_that_differs(is_finished: bool, tmp_path: Path) -> None:
    with contextlib.nullcontext() if is_finished else pytest.raises(Interrupted):
        job(tmp_path, None if is_finished else StopAt(1))
    before = contents(tmp_path)

    with pytest.raises(UsageError) as refused:
        job(tmp_path, lr=0.25, seed=3, model=SPEC.with_(width=0.5), data="synthetic")

    text = str(refused.value)
    assert f"{tmp_path} holds another run than is asked for." in text
    assert "from the run to what is asked for:" in text
    for change in (r"lr  ", "0.25", "seed", "0 -> 3", "what is asked for differs from the run:", "width"):
        assert change in text, change
    assert "The data is not that of the run: synthetic of fingerprint" in text
    assert refused.value.hint.startswith(f"`resnetlab resume {tmp_path}` goes on with that one")
    assert contents(tmp_path) == before


def test_shards_that_nobody_gave_are_those_of_the_run(tmp_path: Path) -> None:
    """As of a run that was begun with --devices 2, which asks for two of them."""
    with pytest.raises(Interrupted):
        job(tmp_path, StopAt(1), shards=2)

    with pytest.raises(UsageError, match=r"shards +2 -> 1"):
        job(tmp_path, shards=1)
    assert job(tmp_path).step == 4
    assert json.loads((tmp_path / "recipe.json").read_text())["execution"]["shards"] == 2


def test_a_job_that_names_no_directory_is_refused() -> None:
    for call in (resnetlab.train, resnetlab.study, resnetlab.finetune):
        with pytest.raises(UsageError, match="resume_if_begun needs out"):
            call("resnet8", data="digits", resume_if_begun=True)  # type: ignore[operator]


def test_a_study_from_python_goes_on_and_then_finds_itself_finished(tmp_path: Path) -> None:
    def study(**changes: Any) -> dict[str, Result]:
        return resnetlab.study([SPEC], out=tmp_path, resume_if_begun=True, **COMMON | {"seeds": 2} | changes)

    results = study()
    (tmp_path / "resnet8-seed1" / "RESULT.json").unlink()

    assert study()["resnet8-seed1"].loss == results["resnet8-seed1"].loss
    before = contents(tmp_path)
    assert study().keys() == results.keys()
    with pytest.raises(UsageError, match="in it, and not asked for: resnet8-seed1"):
        study(seeds=1)
    assert contents(tmp_path) == before


def test_what_is_no_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(UsageError, match="is not empty and no run"):
        job(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_machine_may_decide_otherwise_about_kernels(tmp_path: Path) -> None:
    plan = two_stage_plan(length="3st")
    with pytest.raises(Interrupted):
        train_or_resume(plan, tmp_path, StopAt(1))
    elsewhere = replace(plan, recipe=override(plan.recipe, {"compile": "on", "capture": "on"}))

    assert train_or_resume(elsewhere, tmp_path, Observer()).step == 3
    assert json.loads((tmp_path / "recipe.json").read_text())["execution"]["compile"] == "off"


def test_other_names_of_the_classes_are_another_run(tmp_path: Path) -> None:
    plan = two_stage_plan(length="2st")
    train_or_resume(plan, tmp_path, Observer())
    data = json.loads((tmp_path / "data.json").read_text())
    (tmp_path / "data.json").write_text(json.dumps(data | {"class_names": ["a", "b", "d"]}))

    with pytest.raises(UsageError, match="The classes have other names than those of the run"):
        train_or_resume(replace(plan, source=small_source()), tmp_path, Observer())


def test_a_run_that_goes_on_from_another_is_another(tmp_path: Path) -> None:
    job(tmp_path / "short")
    resnetlab.resume(tmp_path / "short", steps=6, out=tmp_path / "longer", device="cpu")

    with pytest.raises(UsageError, match=r"The run goes on from another one: .*short from step 4"):
        job(tmp_path / "longer", steps=6)
