"""A run whose steps count themselves on the device is, on the CPU, the run made from the host, bit for bit.

So it is when these steps are recorded and repeated as CUDA does it (see `replaying`). That CUDA itself does
is not here: `python benchmarks/gpu.py` checks it where there is a GPU.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from resnetlab.base.units import Duration
from resnetlab.errors import DivergedError, UsageError
from resnetlab.recipe.settings import override
from resnetlab.runs.directory import RunDirectory, claim_new
from resnetlab.training.observer import Observer
from resnetlab.training.recorded import device_steps, trial
from resnetlab.training.recorded.capturing import decide_capture
from resnetlab.training.recorded.device_steps import DeviceSteps, steps_of_a_launch
from resnetlab.training.recorded.recording import Recorder, Work
from resnetlab.training.session import start
from resnetlab.training.step.averages import WeightAverage
from resnetlab.training.step.batch import keep_mask
from resnetlab.training.trainer import Trainer
from tests.kit.interrupted_runs import run_until
from tests.kit.replaying import Replaying
from tests.kit.small_runs import CPU, final_bytes, go_on, small_recipe, small_source, train, two_stage_plan

# One unit's worth of everything: both kinds of mixing, which end before the run does, erasing, repeats,
# stochastic depth (two_stage_plan), averaged weights, a batch that runs across epochs, rows that do not fall
# on the launches' ends.
RICH: dict[str, Any] = {
    "cutmix": 1.0,
    "erasing": 0.3,
    "repeats": 2,
    "clip_norm": 0.5,
    "mix_tail": Duration(7, "st"),
    "accumulate": 1,
    "length": "19st",
}
CYCLES: dict[str, Any] = {"cycle_epochs": 1, "length": "3ep", "batch": 7, "accumulate": 1}
MUON: dict[str, Any] = {
    "optimizer": "muon",
    "rest_rate": 0.5,
    "bias_rate": 8.0,
    "accumulate": 1,
    "length": "8st",
}
NEVER = Duration(0, "ep")
WAYS = [
    RICH,
    CYCLES | {"optimizer": "adam", "mixup": 0.0},
    {"precision": "bf16", "mixup": 0.0, "cutmix": 0.5, "batch": 60, "length": "6st"},
    MUON,
    {"sam": 0.5, "sam_form": "adaptive", "mixup": 0.0, "length": "8st"},
    {"lookahead": 3, "ema_decay": 0.0, "accumulate": 1, "length": "14st"},
    {"optimizer": "lamb", "weight_decay": 0.1, "bias_rate": 8.0, "accumulate": 1, "length": "8st"},
    {"optimizer": "lars", "weight_decay": 0.1, "schedule": "polynomial", "accumulate": 1, "length": "8st"},
    {"optimizer": "lars", "momentum_form": "keras", "trust": 0.5, "accumulate": 1, "length": "8st"},
    {"shards": 4, "cutmix": 1.0, "length": "9st"},
    {"shards": 2, "cycle_epochs": 1, "sam": 0.5, "shard_bn": "first", "length": "12st"},
]
NAMES = [
    "everything",
    "short batches",
    "whole epochs",
    "muon",
    "sam",
    "lookahead",
    "lamb",
    "lars",
    "lars of the paper",
    "shards",
    "shards and sam",
]


Truth = Callable[..., dict[str, bytes]]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """What a run made from the host leaves, the truth; each is made once."""
    known: dict[str, dict[str, bytes]] = {}

    def left(**changes: Any) -> dict[str, bytes]:
        if (key := repr(sorted(changes.items()))) not in known:
            trainer = trained(tmp_path_factory.mktemp("host") / "run", capture="off", **changes)
            known[key] = what_is_left(trainer)
        return known[key]

    return left


def what_is_left(trainer: Trainer) -> dict[str, bytes]:
    return final_bytes(RunDirectory(trainer.record.path), trainer.timeline.num_steps)


def trained(out: Path, **changes: Any) -> Trainer:
    """A finished run, with its trainer."""
    with claim_new(out):
        trainer = start(two_stage_plan(**changes), RunDirectory(out), Observer())
        train(trainer)
        trainer.close()
    return trainer


@pytest.mark.parametrize("changes", WAYS, ids=NAMES)
def test_it_is_the_run_made_from_the_host_byte_for_byte(
    changes: dict[str, Any], host: Truth, tmp_path: Path
) -> None:
    device = trained(tmp_path / "device", capture="on", **changes)

    assert isinstance(device.program, DeviceSteps)
    assert set(device.program._recordings) >= {1}
    assert what_is_left(device) == host(**changes)
    assert (device.record.path / "spec.json").exists()


LAUNCHES: dict[str, Any] = {"log_every": 50, "checkpoint_every": 0, "eval_every": Duration(0, "ep")}
RECORDED = [*WAYS, RICH | LAUNCHES | {"length": "33st"}, LAUNCHES | {"lookahead": 4, "ema_decay": 0.0}]


@pytest.mark.parametrize("changes", RECORDED, ids=[*NAMES, "launches", "launches and lookahead"])
def test_repeated_as_they_were_recorded_the_steps_are_those_of_the_host(
    changes: dict[str, Any], host: Truth, tmp_path: Path
) -> None:
    trainer, notes = replayed(tmp_path / "run", **changes)

    assert notes == []
    assert isinstance(trainer.program, DeviceSteps)
    assert isinstance(trainer.program.recorder, Replaying)
    replays = trainer.program.recorder.replays
    assert replays[1] > 3
    assert replays[10] > 1 or "log_every" not in changes  # the first is the trial
    assert what_is_left(trainer) == host(**changes)


def replayed(
    out: Path, change: Callable[[Trainer], None] = lambda trainer: None, **changes: Any
) -> tuple[Trainer, list[str]]:
    """A finished run whose steps were recorded, with its trainer, and what was noted."""
    notes: list[str] = []
    with claim_new(out):
        trainer = start(two_stage_plan(capture="on", **changes), RunDirectory(out), Observer())
        assert isinstance(trainer.program, DeviceSteps)
        trainer.program.recorder, trainer.program._note = Replaying(), notes.append
        trainer.step_function._looks_at_once = False  # as on a GPU
        change(trainer)
        train(trainer)
        trainer.close()
    return trainer, notes


def rate_of_the_host(trainer: Trainer) -> None:
    program = trainer.program
    assert isinstance(program, DeviceSteps)
    program._rates.at = lambda step: torch.tensor([program._rates._row(trainer.state.step)[0]])  # type: ignore[method-assign]


def batch_of_the_host(trainer: Trainer) -> None:
    program = trainer.program
    assert isinstance(program, DeviceSteps)
    honest = program._batches.at
    program._batches.at = lambda step, count: honest(torch.tensor(trainer.state.step), count)  # type: ignore[method-assign]


def number_looked_at(trainer: Trainer) -> None:
    program = trainer.program
    assert isinstance(program, DeviceSteps)
    honest = program._count
    program._count = lambda *given: honest(*given) if given[0] > 0 else None


KEPT = [
    *((mistake, optimizer, "a recorded one is wrong: .* differs")
      for mistake in (rate_of_the_host, batch_of_the_host)
      for optimizer in ("sgd", "adam", "lamb", "lars", "muon")),
    (number_looked_at, "sgd", "could not be captured .*: a number is read"),
]  # fmt: skip


@pytest.mark.parametrize(("mistake", "optimizer", "noted"), KEPT)
def test_what_a_recording_wrongly_keeps_of_the_host_is_found_out(
    mistake: Callable[[Trainer], None], optimizer: str, noted: str, host: Truth, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"length": "15st", "mixup": 0.0, "optimizer": optimizer, "accumulate": 1}

    trainer, notes = replayed(tmp_path / "run", mistake, **changes)

    assert len(notes) == 1
    assert re.search(noted, notes[0])
    assert what_is_left(trainer) == host(**changes)


def test_a_launch_that_no_cycle_holds_here_is_tried_where_one_does(host: Truth, tmp_path: Path) -> None:
    """Cycles of 17 whole batches and a short one; the first steps of a resumed run fall on a cycle's end."""
    changes: dict[str, Any] = LAUNCHES | {"cycle_epochs": 2, "length": "4ep", "batch": 7, "accumulate": 1}
    run = run_until(tmp_path / "run", 10, capture="on", **changes)
    trainer = go_on(run, small_source())
    assert isinstance(trainer.program, DeviceSteps)
    trainer.program.recorder, trainer.step_function._looks_at_once = Replaying(), False
    train(trainer)
    trainer.close()

    assert isinstance(trainer.program.recorder, Replaying)
    assert trainer.program.recorder.replays[10] > 1
    assert what_is_left(trainer) == host(**changes)


@pytest.mark.parametrize("changes", WAYS, ids=NAMES)
def test_a_run_stopped_between_two_launches_goes_on_byte_for_byte(
    changes: dict[str, Any], host: Truth, tmp_path: Path
) -> None:
    last = two_stage_plan(**changes).timeline.num_steps
    run = run_until(tmp_path / "run", 18 if last > 18 else 3, capture="on", **changes)
    trainer = go_on(run, small_source())
    train(trainer)
    trainer.close()

    assert final_bytes(run, last) == host(**changes)


def test_a_bad_step_is_named_before_histograms_are_drawn(tmp_path: Path) -> None:
    """Of numbers that are not finite there is none. On a GPU nobody has looked before."""
    with claim_new(tmp_path / "run"):
        changes = {"histogram_every": Duration(8, "st"), "log_every": 50, "eval_every": NEVER, "mixup": 0.0}
        plan = two_stage_plan(capture="on", checkpoint_every=0, **changes)
        trainer = start(plan, RunDirectory(tmp_path / "run"), Observer())
    trainer.step_function._looks_at_once = False
    trainer.program.run(5)
    with torch.no_grad():
        trainer.state.model.get_parameter("layer1.0.conv1.weight")[0, 0, 0, 0] = torch.nan

    with pytest.raises(DivergedError, match="diverged at step 6"):
        train(trainer)
    trainer.close()


def test_no_launch_runs_past_what_is_to_be_written_down(tmp_path: Path) -> None:
    """Rows every 7 steps, a checkpoint every 12, an evaluation after each epoch: 7.5 steps of 8 of 60."""
    seen: list[int] = []

    class Watch(Observer):
        def progress(self, step: int, *, samples: int, seconds: float) -> None:
            seen.append(step)

    with claim_new(tmp_path / "run"):
        changes = {"capture": "on", "log_every": 7, "checkpoint_every": 12, "length": "30st"}
        trainer = start(two_stage_plan(**changes), RunDirectory(tmp_path / "run"), Watch())
        train(trainer)
        trainer.close()

    assert seen == [7, 8, 12, 14, 15, 21, 23, 24, 28, 30]


def test_a_step_that_cannot_be_recorded_is_made_all_the_same_and_said(host: Truth, tmp_path: Path) -> None:
    class Refusing(Recorder):
        def record(self, work: Work, times: int) -> Work:
            raise RuntimeError("operation not permitted when stream is capturing")

    notes: list[str] = []
    with claim_new(tmp_path / "run"):
        trainer = start(
            two_stage_plan(capture="on", length="15st"), RunDirectory(tmp_path / "run"), Observer()
        )
        assert isinstance(trainer.program, DeviceSteps)
        trainer.program.recorder, trainer.program._note = Refusing(CPU), notes.append
        train(trainer)
        trainer.close()

    assert notes == [
        "The step could not be captured and is made from the host: "
        "operation not permitted when stream is capturing"
    ]
    assert what_is_left(trainer) == host(length="15st")


class Deceiving(Recorder):
    """Says that it records, and then does something else than what it was given."""

    def __init__(self, does: Callable[[Trainer, Work], None]) -> None:
        super().__init__(CPU)
        self.does = does
        self.trainer: Trainer

    can_record = True

    def record(self, work: Work, times: int) -> Work:
        honest = super().record(work, times)
        return lambda: self.does(self.trainer, honest)


def rate_forgotten(trainer: Trainer, work: Work) -> None:
    assert isinstance(trainer.program, DeviceSteps)
    rates = trainer.program._rates._rows
    kept = rates.clone()
    rates.zero_()
    work()
    rates.copy_(kept)


def stale_batch(trainer: Trainer, work: Work) -> None:
    assert isinstance(trainer.program, DeviceSteps)
    step = trainer.program._step
    step.sub_(1)
    work()
    step.add_(1)


def one_bit_off(trainer: Trainer, work: Work) -> None:
    work()
    weight = trainer.state.model.get_parameter("fc.weight")
    with torch.no_grad():
        weight.view(torch.int32)[0, 0] ^= 1


def fails(trainer: Trainer, work: Work) -> None:
    work()
    raise RuntimeError("an illegal memory access")


def one_answer_more(trainer: Trainer, work: Work) -> None:
    work()
    trainer.state.epoch._correct += 1


DECEPTIONS: list[tuple[Any, dict[str, Any], str]] = [
    (lambda trainer, work: None, {}, "differs"),
    (rate_forgotten, {}, "differs by"),
    (stale_batch, {}, "differs"),
    (one_bit_off, {"deterministic": True}, "optimizer/momentum_buffer/conv1.weight differs"),
    (one_bit_off, {}, ""),
    (fails, {}, "it failed: an illegal memory access"),
    (one_answer_more, {"deterministic": True}, "epoch/correct differs"),
    (lambda trainer, work: work(), {"deterministic": True}, ""),
]


@pytest.mark.parametrize(("does", "changes", "problem"), DECEPTIONS)
def test_a_recording_that_does_something_else_is_found_out_and_not_used(
    does: Any, changes: dict[str, Any], problem: str, host: Truth, tmp_path: Path
) -> None:
    changes = {"length": "15st", "mixup": 0.0} | changes
    truth = host(**changes)
    notes: list[str] = []
    with claim_new(tmp_path / "run"):
        trainer = start(two_stage_plan(capture="on", **changes), RunDirectory(tmp_path / "run"), Observer())
        assert isinstance(trainer.program, DeviceSteps)
        recorder = Deceiving(does)
        recorder.trainer = trainer
        trainer.program.recorder, trainer.program._note = recorder, notes.append
        train(trainer)
        trainer.close()
    torch.use_deterministic_algorithms(False)

    if problem:
        assert len(notes) == 1
        assert re.search(f"because a recorded one is wrong: .*({problem})", notes[0])
    else:
        assert notes == []
    if does is not one_bit_off or problem:
        assert what_is_left(trainer) == truth


@pytest.mark.parametrize("copy", [1, 2, 3, 4])
def test_a_recording_that_leaves_no_memory_for_the_trial_is_not_used(
    copy: int, host: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two trials copy the state before and after their steps."""
    honest, copies = trial._copied, iter(range(1, 5))

    def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if next(copies) == copy:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return honest(tensors)

    monkeypatch.setattr(trial, "_copied", copied)

    trainer, notes = replayed(tmp_path / "run", length="15st")

    assert notes == ["Steps are made from the host: recordings leave too little memory."]
    assert what_is_left(trainer) == host(length="15st")


def test_steps_are_tried_where_an_error_does_not_grow(tmp_path: Path) -> None:
    """At rate 0, and on the step that follows."""
    rates: list[float] = []

    def watch(trainer: Trainer) -> None:
        optimizer = trainer.step_function.optimizer
        update = optimizer.step

        def step() -> None:
            if not torch.utils._python_dispatch._get_current_dispatch_mode():
                rates.append(float(optimizer.param_groups[0]["lr"]))
            update()

        optimizer.step = step  # type: ignore[method-assign]

    trainer, _ = replayed(tmp_path / "run", watch, length="20st", mixup=0.0, **LAUNCHES)

    due = [trainer.rate.at(step) for step in range(4)]
    assert rates == pytest.approx([*due[:3], *[0.0] * 10, due[3]])


@pytest.mark.parametrize(("looks_at_once", "lookahead"), [(True, 0), (False, 0), (False, 3)])
def test_a_bad_step_within_a_launch_is_named_and_changes_no_weight(
    looks_at_once: bool, lookahead: int, tmp_path: Path
) -> None:
    """The latter are how a GPU is dealt with: nobody looks before the next row."""
    with claim_new(tmp_path / "run"):
        changes = {"capture": "on", "log_every": 20, "checkpoint_every": 0, "eval_every": NEVER, "mixup": 0.0}
        changes |= {"lookahead": lookahead, "ema_decay": 0.0}
        trainer = start(two_stage_plan(**changes), RunDirectory(tmp_path / "run"), Observer())
    trainer.step_function._looks_at_once = looks_at_once
    trainer.program.run(5)
    before = trainer.state.model.get_parameter("fc.weight").detach().clone()
    with torch.no_grad():
        trainer.state.model.get_parameter("layer1.0.conv1.weight")[0, 0, 0, 0] = torch.nan

    with pytest.raises(DivergedError, match=r"diverged at step 6: .*layer1\.0\.conv1\.weight"):
        train(trainer)

    assert torch.equal(trainer.state.model.get_parameter("fc.weight"), before)
    trainer.close()


def test_numbers_drawn_for_a_step_on_the_device_are_those_drawn_for_its_int() -> None:
    keep = torch.tensor([1.0, 0.7, 0.3])
    for step in [*range(300), 64_000, 2**31 - 1, 2**31, 2**40 + 3]:
        masks = [keep_mask(11, s, keep, 16) for s in (step, torch.tensor(step))]
        assert torch.equal(*masks), step


def test_the_average_takes_a_step_on_the_device_as_it_takes_an_int() -> None:
    model = torch.nn.BatchNorm1d(5)
    averages = [WeightAverage(model, 0.98) for _ in range(2)]
    for step in (1, 2, 3, 100, 400, 500):
        torch.nn.init.normal_(model.weight)
        averages[0].update(model, step)
        averages[1].update(model, torch.tensor(step))

    assert all(torch.equal(averages[0].tensors[n], t) for n, t in averages[1].tensors.items())


REFUSED = [
    ({"precision": "fp16"}, "fp16 adapts its loss scale"),
    ({"momentum_form": "keras", "nesterov": False}, "momentum_form=keras"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED)
def test_what_the_host_must_decide_is_not_captured_and_the_reason_is_said(
    changes: dict[str, Any], reason: str
) -> None:
    recipe = small_recipe(**changes)

    is_on, why = decide_capture(recipe, torch.device("cuda"), reads_files=False, operations=1e9)
    assert not is_on
    assert reason in why
    with pytest.raises(UsageError, match="capture=on is not possible: " + reason):
        decide_capture(override(recipe, {"capture": "on"}), CPU, reads_files=False, operations=1e9)


def test_capture_is_done_when_asked_for_and_nothing_stands_against_it() -> None:
    recipe, cuda = small_recipe(), torch.device("cuda")

    for asked in (small_recipe(capture="on"), small_recipe(capture="on", precision="fp16", loss_scale=128.0)):
        assert decide_capture(asked, cuda, reads_files=False, operations=1e9) == (True, "as asked")
    is_on, why = decide_capture(recipe, cuda, reads_files=False, operations=1e9)
    assert is_on
    assert "held against the step itself" in why
    is_on, why = decide_capture(recipe, cuda, reads_files=False, operations=6 * 4.09e9 * 256)  # ResNet-50
    assert not is_on
    assert "long enough" in why
    assert decide_capture(recipe, cuda, reads_files=True, operations=1e9) == (
        False,
        "images are read from files",
    )
    assert decide_capture(recipe, CPU, reads_files=False, operations=1e9) == (False, "only CUDA gains by it")
    assert decide_capture(small_recipe(capture="off"), cuda, reads_files=False, operations=1e9) == (
        False,
        "as asked",
    )


def test_small_steps_share_a_launch_and_large_ones_do_not() -> None:
    assert steps_of_a_launch(6 * 40.6e6 * 128) == device_steps._STEPS_OF_A_LAUNCH  # ResNet-20
    assert steps_of_a_launch(6 * 4.09e9 * 256) == 1  # ResNet-50


def test_low_precision_keeps_weights_averages_statistics_and_loss_in_fp32(tmp_path: Path) -> None:
    trainer = trained(tmp_path / "run", capture="on", precision="bf16", length="4st", accumulate=1)
    outputs: dict[str, torch.dtype] = {}

    def note(module: torch.nn.Module, inputs: Any, output: Tensor) -> None:
        outputs[type(module).__name__] = output.dtype

    for module in trainer.state.model.modules():
        module.register_forward_hook(note)
    trainer.step_function(trainer.batches.at(0), step=0, lr=0.1)

    tensors = [tensor for named in trainer.state.tensors().values() for tensor in named.values()]
    assert {t.dtype for t in tensors if t.is_floating_point()} == {torch.float32}
    assert "running_var" in " ".join(trainer.state.tensors()["model"])
    assert outputs["Conv2d"] == outputs["BatchNorm2d"] == torch.bfloat16
    assert trainer.state.interval._loss.dtype == torch.float64
