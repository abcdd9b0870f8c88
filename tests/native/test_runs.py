"""Runs that train by kernels of our own."""

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from resnetlab.errors import UsageError
from resnetlab.native import building
from resnetlab.network.catalog import model_spec
from resnetlab.runs.directory import RunDirectory, claim_new
from resnetlab.runs.environment import binding_differences
from resnetlab.training.planning import RunPlan, make_plan
from resnetlab.training.session import start
from tests.kit.interrupted_runs import StopAt, interrupt
from tests.kit.small_runs import CPU, final_bytes, finish, go_on, small_recipe, small_source, train_whole


def plan(model: str = "resnet8", **changes: Any) -> RunPlan:
    """Six steps by kernels of our own, with an EMA, microbatches and mixup."""
    spec = model_spec(model).with_(classes=3)
    recipe = small_recipe(**{"compile": "native", "length": "6st", "checkpoint_every": 3} | changes)
    return make_plan(spec, small_source(), "small", recipe, CPU)


def interrupted(out: Path, step: int, **changes: Any) -> RunDirectory:
    observer = StopAt(step)
    with claim_new(out):
        interrupt(start(plan(**changes), RunDirectory(out), observer), observer)
    return RunDirectory(out)


@pytest.mark.kernels
@pytest.mark.parametrize("changes", [{}, {"shards": 2, "accumulate": 1, "batch": 8}], ids=["parts", "shards"])
def test_interrupted_and_resumed_it_ends_with_the_same_bytes(tmp_path: Path, changes: dict[str, Any]) -> None:
    whole = final_bytes(train_whole(tmp_path / "whole", plan(**changes)), 6)
    run = interrupted(tmp_path / "run", 2, **changes)
    finish(run)
    assert final_bytes(run, 6) == whole


@pytest.mark.kernels
def test_it_learns_what_torch_learns(tmp_path: Path) -> None:
    """Six steps that differ in roundings, which decide a ReLU now and then; another gradient is far off."""
    native = final_bytes(train_whole(tmp_path / "native", plan()), 6)
    usual = final_bytes(train_whole(tmp_path / "usual", plan(compile="off")), 6)
    from safetensors.torch import load

    ours, theirs = load(native["model.safetensors"]), load(usual["model.safetensors"])
    assert native != usual
    apart = [
        float((ours[name].float() - tensor.float()).norm() / (1e-3 + tensor.float().norm()))
        for name, tensor in theirs.items()
    ]
    assert statistics.median(apart) < 5e-3
    assert max(apart) < 5e-2


@pytest.mark.parametrize(
    ("model", "changes", "why"),
    [
        ("resnet8", {"precision": "fp16", "loss_scale": 128.0}, "maps of torch.float16"),
        ("resnet8", {"shards": 2, "shard_bn": "sync"}, "shard_bn=sync"),
        ("resnet8", {"checkpoint_activations": True}, "checkpoint_activations"),
        ("resnet8_exclusive_gating", {}, "no kernel for layer1.0's shortcut of Gate"),
        ("resnet8_constant_scaling", {}, r"no kernel for layer1.0.branch_scale \(Scale\)"),
        ("resnet8_dropout_shortcut", {}, "no kernel for layer1.0's shortcut of Dropout"),
    ],
)
def test_what_it_cannot_do_is_refused_before_the_run(model: str, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=f"compile=native is not possible: .*{why}"):
        plan(model, **changes)


def test_where_it_cannot_be_built_a_run_goes_on_without_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = interrupted(tmp_path / "run", 2)
    monkeypatch.setattr(building, "compiler_here", lambda: "")
    trainer = go_on(run, small_source())
    trainer.close()
    assert "compile is off (no C++ compiler found; native when the run began)" in run.events.read_text()
    with pytest.raises(
        UsageError, match=r"not possible: no C\+\+ compiler found\nInstall g\+\+ or clang\+\+"
    ):
        plan()


def test_kernels_of_other_sources_or_another_compiler_are_told_when_a_run_goes_on(tmp_path: Path) -> None:
    run = interrupted(tmp_path / "run", 2)
    recorded = run.read("environment")
    kernels = recorded["kernels"]
    assert kernels == building.made_of(is_half=False)
    changed = {"compiler": "g++ 1.0", "instructions": "SSE"}

    go_on(run, small_source()).close()
    run.write("environment", recorded | {"kernels": kernels | changed})
    go_on(run, small_source()).close()
    without = {name: value for name, value in recorded.items() if name != "kernels"}
    run.write("environment", without)
    go_on(run, small_source()).close()
    run.write("environment", without | {"source": "other"})
    go_on(run, small_source()).close()

    same, another, of_same_source, unknown = (
        row["differing"] for row in journal(run) if row["event"] == "resume"
    )
    assert same == []
    assert another == [
        f"the kernels' {name}: {before} before, {kernels[name]} now" for name, before in changed.items()
    ]
    assert of_same_source == []
    (told,) = (each for each in unknown if "kernels" in each)
    assert told.startswith(f"the kernels were not recorded, are of sources {kernels['sources']}, compiler ")


def test_who_goes_on_by_tiles_is_told_how_to_do_without() -> None:
    """Sources and compiler are the same, and not named."""
    then, now = ({"kernels": {"sources": "a", "instructions": by}} for by in ("AVX512-BF16", "AMX"))

    assert binding_differences(then, now) == [
        "the kernels' instructions: AVX512-BF16 before, AMX now (RESNETLAB_AMX=off does without)"
    ]
    assert "RESNETLAB_AMX" not in binding_differences(now, then)[0]


def journal(run: RunDirectory) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.events.read_text().splitlines()]
