"""T08, T09, T10, T13, T14, T20 of the fault list: a resumed run is the uninterrupted one, byte for byte."""

import json
import random
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from resnetlab.errors import CheckpointError, DataError, DivergedError, UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.recipe.optimizers import OPTIMIZERS
from resnetlab.runs.checkpoint import load_checkpoint, load_newest, save_checkpoint
from resnetlab.runs.directory import RunDirectory, claim_new
from resnetlab.runs.journal import read_rows
from resnetlab.runs.records import read_records
from resnetlab.training.observer import Observer
from resnetlab.training.planning import make_plan, plan_of
from resnetlab.training.session import resume, start
from resnetlab.training.step.device import obstacle_to_compile
from resnetlab.training.step.state import TrainState
from resnetlab.training.trainer import Trainer
from tests.kit.interrupted_runs import StopAt, interrupt, run_until
from tests.kit.small_runs import (
    CPU,
    final_bytes,
    finish,
    go_on,
    small_recipe,
    small_source,
    train,
    train_whole,
    two_stage_plan,
)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The truth: 40 steps in one go."""
    return final_bytes(train_whole(tmp_path_factory.mktemp("whole") / "run", two_stage_plan()))


# Beside evaluations, ends of epochs (60 samples are 7.5 steps), saved steps, rows, and none of these.
CHOSEN = {1, 3, 7, 8, 10, 15, 22, 39}


@pytest.mark.parametrize(
    "step", [pytest.param(n, marks=() if n in CHOSEN else pytest.mark.faults) for n in range(1, 40)]
)
def test_stopping_after_any_step_and_resuming_changes_no_byte(
    step: int, tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    run = run_until(tmp_path / "run", step)
    newest, _ = load_newest(run.checkpoints)
    assert newest is not None
    assert newest.step == step

    finish(run)

    assert final_bytes(run) == uninterrupted


def test_resuming_after_a_crash_cuts_the_metrics_back_to_the_checkpoint(
    tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    """What a killed process wrote after its last checkpoint must not stay."""
    run = run_until(tmp_path / "run", 23)
    with run.metrics.open("ab") as stream:
        stream.write(b'{"kind": "train", "step": 24}\n{"kind": "tr')
    assert run.metrics.read_bytes().endswith(b"tr")

    finish(run)

    assert final_bytes(run) == uninterrupted


def test_seven_interruptions_in_one_epoch_change_no_byte(
    tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    run = run_until(tmp_path / "run", 8)
    for step in range(9, 15):
        interrupt(go_on(run, small_source()), StopAt(step))

    finish(run)

    assert final_bytes(run) == uninterrupted


def test_a_run_that_is_interrupted_sees_the_same_images_in_the_same_order(tmp_path: Path) -> None:
    """T09: all that enters the network, augmented as it is, one batch after another."""

    def seen(trainer: Trainer, stop: StopAt | None) -> list[bytes]:
        found: list[bytes] = []
        trainer.state.model.register_forward_pre_hook(
            lambda model, images: found.append(images[0].numpy().tobytes()) if model.training else None
        )
        if stop:
            interrupt(trainer, stop)
        else:
            train(trainer)
            trainer.close()
        return found

    found = []
    for name, steps in (("whole", []), ("run", [2, 7, 8, 9, 15, 21, 38])):
        run = RunDirectory(tmp_path / name)
        first = StopAt(steps[0]) if steps else None
        with claim_new(run.path):
            images = seen(start(two_stage_plan(), run, Observer()), first)
        for step in [*steps[1:], None][: len(steps)]:
            images += seen(go_on(run, small_source()), StopAt(step) if step else None)
        found.append(images)

    assert len(found[0]) == 80 == len({*found[0]})  # 40 steps of two microbatches, no two alike
    assert found[0] == found[1]


def test_a_signal_during_the_evaluation_saves_and_the_evaluation_is_made_on_resume(
    tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    class StopInEvaluation(StopAt):
        def evaluating(self, done: int, total: int) -> None:
            self.fired = True
            signal.raise_signal(signal.SIGINT)

    run = run_until(tmp_path / "run", StopInEvaluation(-1))
    assert all(row["kind"] == "train" for row in read_rows(run.metrics))

    finish(run)

    assert final_bytes(run) == uninterrupted


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    run = run_until(tmp_path / "run", 23)
    path = run.checkpoints / "step-00000023" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    notes: list[str] = []

    class Listen(Observer):
        def note(self, text: str) -> None:
            notes.append(text)

    trainer = resume(run, plan_of(read_records(run), small_source(), CPU), Listen())
    assert trainer.state.step == 20
    assert any("model.safetensors has other bytes" in note for note in notes)
    assert (run.checkpoints / "unusable-step-00000023").is_dir()
    train(trainer)
    trainer.close()

    assert final_bytes(run) == uninterrupted


def test_all_checkpoints_damaged_is_an_error_not_a_restart(tmp_path: Path) -> None:
    run = run_until(tmp_path / "run", 3)
    (run.checkpoints / "step-00000003" / "state.json").write_text("{}")

    with pytest.raises(CheckpointError, match="no checkpoint"):
        go_on(run, small_source())


def test_a_run_of_version_0_1_0_that_cannot_end_is_told_with_a_way_on(tmp_path: Path) -> None:
    """It had begun, and died at the batch of one sample, at each resume again."""
    run = run_until(tmp_path / "run", 3)
    run.write(
        "spec", run.read("spec") | {"stem": "imagenet", "strides": [2, 2]}
    )  # of 16 x 16 pixels, maps of 1 x 1
    recipe = run.read("recipe")
    recipe["run"] |= {"batch": 59, "cycle_epochs": 1}
    run.write("recipe", recipe)

    with pytest.raises(UsageError, match=r"cannot be trained to its end: .* has 1 of 59 samples"):
        plan_of(read_records(run), small_source(), CPU)


def test_other_data_is_refused(tmp_path: Path) -> None:
    run = run_until(tmp_path / "run", 3)
    source = small_source()
    source.train.images[0, 0, 0, 0] ^= 1

    with pytest.raises(DataError, match="fingerprint"):
        go_on(run, source)


def test_a_run_goes_on_where_what_it_began_with_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_until(tmp_path / "run", 3, compile="off", capture="on")
    recipe = run.read("recipe")
    recipe["execution"]["compile"] = "on"
    run.write("recipe", recipe)
    monkeypatch.setenv("PATH", str(tmp_path))  # where no compiler is

    here = plan_of(read_records(run), small_source(), CPU)
    elsewhere = plan_of(read_records(run), small_source(), torch.device("mps"))

    assert (here.recipe.execution.compile, here.recipe.execution.capture) == ("off", "on")
    assert here.compile_reason == "no C++ compiler found; on when the run began"
    assert here.capture_reason == "as the run began"
    notes: list[str] = []

    class Notes(Observer):
        def note(self, text: str) -> None:
            notes.append(text)

    shutil.rmtree(run.checkpoints)  # which are of the recipe that was changed here
    resume(run, here, Notes()).close()
    assert [text for text in notes if "compile is off (no C++ compiler found; on when the run began)" in text]
    assert (elsewhere.recipe.execution.compile, elsewhere.recipe.execution.capture) == ("on", "off")


def test_the_best_on_validation_survives_resume_and_retention(tmp_path: Path) -> None:
    changes = {"val": 12, "keep_checkpoints": 1, "eval_every": two_stage_plan().recipe.run.eval_every}
    whole = train_whole(tmp_path / "whole", two_stage_plan(**changes))
    rows = [row for row in read_rows(whole.metrics) if row["kind"] == "val"]
    best = max(rows, key=lambda row: (row["accuracy"], -row["step"]))["step"]

    run = run_until(tmp_path / "run", 26, **changes)
    finish(run)

    assert final_bytes(run) == final_bytes(whole)
    newest, _ = load_newest(run.checkpoints)
    assert newest is not None
    assert newest.state["best_step"] == best
    kept = sorted(path.name for path in run.checkpoints.iterdir())
    assert kept == sorted({f"step-{best:08d}", "step-00000040"})


def trained_state(tmp_path: Path, **changes: Any) -> tuple[TrainState, Any]:
    out = tmp_path / f"state{len(list(tmp_path.iterdir()))}"
    with claim_new(out):
        trainer = start(two_stage_plan(**changes), RunDirectory(out), Observer())
        for step in range(2):
            batch = trainer.batches.at(step)
            loss, correct = trainer.step_function(batch, step=step, lr=0.1)
            trainer.state.add_sums(loss, correct, 8)
            trainer.state.count_samples(1, 8)
            assert trainer.state.average is not None
            trainer.state.average_weights(step + 1, share=None)
        trainer.close()
    return trainer.state, trainer


def test_every_field_of_the_state_is_restored_exactly(tmp_path: Path) -> None:
    """T14: flip one value in every field; save; load into a fresh state; each flip is there."""
    state, _ = trained_state(tmp_path)
    for named in state.tensors().values():
        for tensor in named.values():
            with torch.no_grad():
                tensor[(0,) * tensor.ndim] += 1
    state.step, state.evaluated, state.best_step, state.metrics_length = 17, 11, 12, 13
    state.best_accuracy, state.reached, state.seconds = 0.5, True, 1.25
    state.lowest_loss, state.evaluations_since_lowest, state.reductions = 0.75, 2, 3
    fresh, _ = trained_state(tmp_path)
    assert state.interval.seen
    assert state.epoch.seen
    fresh.interval.clear()
    fresh.epoch.clear()
    path = save_checkpoint(tmp_path, step=17, identity="x", tensors=state.tensors(), state=state.scalars())
    saved = load_checkpoint(path)

    fresh.load(dict(saved.tensors), dict(saved.state))

    assert fresh.scalars() == state.scalars()
    for group, named in state.tensors().items():
        assert named.keys() == fresh.tensors()[group].keys()
        for name, tensor in named.items():
            assert torch.equal(tensor, fresh.tensors()[group][name]), f"{group}/{name}"


@pytest.mark.parametrize(
    ("group", "end"), [("model", "running_var"), ("optimizer", "weight"), ("ema", "weight")]
)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nothing_that_is_not_finite_is_saved(group: str, end: str, value: float, tmp_path: Path) -> None:
    """T20: what no loss tells of yet is met where it would be saved, and nothing superseded goes."""
    trainer = go_on(run_until(tmp_path / "run", 3), small_source())
    named = trainer.state.tensors()[group]
    name = next(name for name in named if name.endswith(end))
    named[name].detach()[(0,) * named[name].ndim] = value
    trainer.state.step = 4

    with pytest.raises(DivergedError, match=rf"diverged at step 4: {group} {re.escape(name)} is not finite"):
        trainer.save()

    trainer.close()
    assert [path.name for path in trainer.record.path.glob("checkpoints/*")] == ["step-00000003"]


def test_the_loss_scale_is_restored(tmp_path: Path) -> None:
    state, _ = trained_state(tmp_path, precision="fp16")
    fresh, _ = trained_state(tmp_path, precision="fp16")
    assert state.scaler
    state.scaler.load_state_dict(state.scaler.state_dict() | {"scale": 512.0, "_growth_tracker": 5})

    fresh.load(state.tensors(), state.scalars())

    assert fresh.scaler
    assert fresh.scaler.state_dict() == state.scaler.state_dict()
    assert fresh.scaler.get_scale() == 512.0


def test_a_missing_renamed_or_reshaped_tensor_is_refused_by_name(tmp_path: Path) -> None:
    state, _ = trained_state(tmp_path)
    for group, named in state.tensors().items():
        for name in named:
            tensors = {g: dict(n) for g, n in state.tensors().items()}
            tensors[group]["renamed"] = tensors[group].pop(name)
            with pytest.raises(CheckpointError) as error:
                state.load(tensors, state.scalars())
            assert name in str(error.value)
            assert "renamed" in str(error.value)
        tensors = {g: dict(n) for g, n in state.tensors().items()}
        tensors[group][name] = torch.zeros(7, 7)
        with pytest.raises(CheckpointError, match=r"\(7, 7\)"):
            state.load(tensors, state.scalars())


@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_a_missing_or_unknown_scalar_or_group_is_refused(change: str, tmp_path: Path) -> None:
    state, _ = trained_state(tmp_path)
    for name in set(state.scalars()) - {
        "evaluations_since_best",
        "metrics_digest",
        "optimizer_lacks",
        "lowest_loss",
        "evaluations_since_lowest",
        "reductions",
    }:  # which earlier versions did not save
        scalars = state.scalars()
        if change == "missing":
            del scalars[name]
        else:
            scalars[f"{name}_two"] = scalars[name]
        with pytest.raises(CheckpointError, match=f"scalars {change}: {name}"):
            state.load(state.tensors(), scalars)
    with pytest.raises(CheckpointError, match="tensor groups missing: ema"):
        state.load({k: v for k, v in state.tensors().items() if k != "ema"}, state.scalars())


def test_nothing_that_trains_has_state_that_is_not_saved(tmp_path: Path) -> None:
    """T14: an attribute that a later change adds must be put into the state, or listed here."""
    state, trainer = trained_state(tmp_path)
    step_function = trainer.step_function

    assert set(vars(step_function)) == {
        "model", "optimizer", "recipe", "device",  # built from the run directory, or in the state
        "scaler",  # in the state
        "_fixed_scale", "_keep_U", "_forward", "_looks_at_once",  # from the recipe, spec and device
        "_network",  # the model, as what computes it calls it
        "_full_weight",  # the number 1
        "_bn_counters",  # buffers of the model
        "_share", "_sharded", "_whole",  # from the recipe, and what this process makes of it
        "_still", "_class_weights_K", "_num_dropouts",  # from the recipe, spec and data
        "_guard",  # a run in which it fired is not saved
        "compiler", "_shapes_compiled",  # of this machine; a run goes on exactly without its kernels
    }  # fmt: skip
    assert set(vars(state.average)) == {"decay", "tensors"}
    shown = {"_read", "_before"}  # of the last rows, for who watches; nothing is computed from them
    assert set(vars(state.interval)) == {"_loss", "_correct", "seen", "_knows_top5"} | shown
    saved = set(state.tensors()) | set(state.scalars())
    assert set(vars(state)) - saved == {"model", "optimizer", "config", "average", "lookahead"} - saved
    keys = {key for slot in state.optimizer.state.values() for key in slot}
    assert keys == {name.partition("/")[0] for name in state.tensors()["optimizer"]}


def test_the_optimizers_state_is_complete_for_each_kind(tmp_path: Path) -> None:
    for kind in OPTIMIZERS.names():
        state, _ = trained_state(tmp_path, optimizer=kind, nesterov=kind == "sgd")
        keys = {key for slot in state.optimizer.state.values() for key in slot}
        assert keys == {name.partition("/")[0] for name in state.tensors()["optimizer"]}, kind


def test_metrics_hold_no_clock_times_and_every_step_once(
    tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    rows = [json.loads(line) for line in uninterrupted["metrics.jsonl"].splitlines()]

    train = [row["step"] for row in rows if row["kind"] == "train"]
    assert train == [*range(3, 40, 3), 40]
    test = [row["step"] for row in rows if row["kind"] == "test"]
    assert test == [8, 15, 23, 30, 38, 40]  # ceil(60 k / 8), and the end
    assert not any("second" in key or "time" in key for row in rows for key in row)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_resumes_exactly_too(precision: str, tmp_path: Path) -> None:
    seed = random.randrange(1000)
    print(f"seed {seed}")
    changes = {"precision": precision, "seed": seed, "stop_at": 0.0, "length": "20st"}
    whole = train_whole(tmp_path / "whole", two_stage_plan(**changes))

    run = run_until(tmp_path / "run", random.Random(seed).randrange(1, 20), **changes)
    finish(run)

    assert final_bytes(run, 20) == final_bytes(whole, 20)


@pytest.mark.parametrize(
    "changes",
    [
        {"cycle_epochs": 1, "length": "3ep", "batch": 7},
        {"momentum_form": "keras", "nesterov": False, "length": "20st"},
        {"optimizer": "adam", "normalise": "per-image", "length": "20st"},
        {"optimizer": "muon", "bias_rate": 8.0, "length": "20st"},
        {"sam": 0.5, "length": "20st"},
        {"lookahead": 3, "ema_decay": 0.0, "length": "20st"},
        {"checkpoint_activations": True, "accumulate": 1, "length": "20st"},
        {"shards": 4, "length": "20st"},
    ],
    ids=lambda changes: " ".join(map(str, changes.values())),
)
def test_every_way_to_train_resumes_exactly(changes: dict[str, Any], tmp_path: Path) -> None:
    plan = two_stage_plan(**changes)
    whole = train_whole(tmp_path / "whole", plan)

    run = run_until(tmp_path / "run", 13, **changes)
    finish(run)

    assert final_bytes(run, plan.timeline.num_steps) == final_bytes(whole, plan.timeline.num_steps)


@pytest.mark.kernels
def test_a_compiled_run_resumes_exactly_though_another_size_of_batch_comes_first(tmp_path: Path) -> None:
    if why := obstacle_to_compile(CPU):
        pytest.skip(why)
    from torch._dynamo.utils import counters

    recipe = small_recipe(
        compile="on", mixup=0.0, cycle_epochs=1, length="2ep", batch=7, accumulate=1, capture="off"
    )
    one_unit = model_spec("resnet8").with_(
        classes=3, stem_width=8, blocks=(1,), widths=(8,), out_channels=(8,), strides=(1,)
    )
    plan = make_plan(one_unit, small_source(), "small", recipe, CPU)
    torch._dynamo.reset()
    whole = train_whole(tmp_path / "whole", plan)

    stop, run = StopAt(8), RunDirectory(tmp_path / "run")  # the next is the short batch of the epoch
    with claim_new(run.path):
        interrupt(start(plan, run, stop), stop)
    torch._dynamo.reset()  # as in a process of its own
    counters.clear()
    finish(run)

    assert final_bytes(run, 18) == final_bytes(whole, 18)
    kept = counters["aot_autograd"]  # torch counts: for each size of batch, code that was kept is taken
    assert kept["autograd_cache_hit"] == 2 and not kept["autograd_cache_bypass"], kept
