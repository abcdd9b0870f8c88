"""`devices=N` from Python: processes are started, and what they made comes back."""

import dataclasses
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import resnetlab
from resnetlab.api.calls import _as_made, sendable
from resnetlab.errors import DivergedError, UsageError
from resnetlab.trained.evaluate import evaluate
from resnetlab.training.observer import Observer
from tests.kit.worlds import results

pytestmark = pytest.mark.processes

SHORT = {"data": "digits", "steps": 8, "batch": 16, "compile": "off", "device": "cpu", "log_every": 3}

SCRIPT = """
import resnetlab
print("begins")
spec = resnetlab.model_spec("resnet8").with_(width=0.25)
recipe = resnetlab.named_recipe("digits")
result = resnetlab.train(spec, recipe=recipe, devices=2, out="two", warmup="4st", **{short!r})
print(result.step, type(result).__name__, result.run)
"""


def test_a_script_without_a_main_guard_trains_on_devices(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT.format(short=SHORT))
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.splitlines() == ["begins", "8 Result two"], done.stderr

    spec, recipe = resnetlab.model_spec("resnet8").with_(width=0.25), resnetlab.named_recipe("digits")
    one = tmp_path / "one"
    resnetlab.train(spec, recipe=recipe, shards=2, out=one, warmup="4st", **SHORT)
    for name in ("metrics.jsonl", "recipe.json", "checkpoints/step-00000008/model.safetensors"):
        assert (tmp_path / "two" / name).read_bytes() == (one / name).read_bytes()


def test_what_the_processes_raise_is_raised(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="diverged at step"):
        resnetlab.train("resnet8", devices=2, lr=1e9, out=tmp_path / "run", **SHORT)


def test_in_a_script_of_torchrun_its_processes_make_the_run(tmp_path: Path) -> None:
    first, second = results(2, "train_from_python", str(tmp_path / "run"))

    assert first == second
    assert first["recipe"]["execution"]["shards"] == 2
    assert first["refused"].startswith("devices=4, and 2 processes were started")


class Mine(Observer):
    pass


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"observer": Mine()}, "an observer cannot look into the other processes"),
        ({"data_set": {"label_column": lambda: 1}}, "an argument cannot reach the processes"),
        ({"devices": 0}, "--devices is auto or a number from 1 on"),
        ({"device": "cuda:1"}, "2 devices, and --device cuda:1, which is one"),
    ],
)
def test_what_cannot_reach_other_processes_is_refused_before_any_starts(
    arguments: dict[str, object], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        resnetlab.train("resnet8", **{"devices": 2, **SHORT, **arguments})


def test_an_evaluation_comes_back_whole(tmp_path: Path) -> None:
    result = resnetlab.train("resnet8", out=tmp_path / "run", **SHORT)
    found = resnetlab.evaluate(result.run, device="cpu", workers=0, devices=1)

    back = _as_made(sendable(found))

    assert torch.equal(back.scores.confusion_KK, found.scores.confusion_KK)
    assert not isinstance(sendable(found).scores.confusion_KK, torch.Tensor)
    same = {field.name for field in dataclasses.fields(found)} - {"scores"}
    assert all(getattr(back, name) is getattr(found, name) for name in same)


def test_evaluate_has_the_arguments_of_what_it_calls() -> None:
    own, called = (inspect.signature(each).parameters for each in (resnetlab.evaluate, evaluate))

    assert {name: own[name].default for name in own if name != "devices"} == {
        name: called[name].default for name in called if name != "world"
    }
