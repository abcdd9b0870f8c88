"""How a run ends, and what is said of it: short of memory, stopped, best; and with what it goes on."""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from resnetlab.base.units import Duration
from resnetlab.board.glance import Glancing
from resnetlab.cli import main
from resnetlab.cli.stopping import heard_signals
from resnetlab.data.open import open_source
from resnetlab.errors import Interrupted, OutOfMemory
from resnetlab.network.catalog import model_spec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.runs.directory import RunDirectory, lock_run
from resnetlab.runs.environment import recorded_threads
from resnetlab.runs.journal import Journal, read_rows
from resnetlab.runs.records import read_records
from resnetlab.trained.evaluate import evaluate
from resnetlab.training.observer import Observer
from resnetlab.training.planning import make_plan, plan_of
from resnetlab.training.run import Result, train_or_resume, train_plan
from resnetlab.training.session import resume
from resnetlab.verifying import verify
from tests.kit.small_runs import CPU, small_plan, small_source, train_whole

# torch's own words, of a CPU, of a GPU, of cuBLAS, of an Apple GPU
TORCHS = (
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] data. DefaultCPUAllocator: not enough memory: you "
                 "tried to allocate 734003200 bytes. Error code 12 (Cannot allocate memory)"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 700.00 MiB. GPU 0 has a total capacity of "
                           "15.70 GiB of which 8.00 MiB is free."),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9.05 GiB). Tried to allocate 700.00 MiB"),
    MemoryError(),
)  # fmt: skip


class Fails(Observer):
    """Raises when a step is reached."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def progress(self, step: int, *, samples: int, seconds: float) -> None:
        if step == 2:
            raise self.error


@pytest.mark.parametrize("error", TORCHS)
def test_out_of_memory_is_a_message_with_remedies_and_an_event(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(OutOfMemory, match=r"^out of memory") as told:
        train_plan(small_plan(length="4st"), tmp_path / "run", Fails(error))

    if "allocate 7" in str(error):
        amount = "700.0 MiB" if "734003200" in str(error) else "700.00 MiB"
        assert told.value.args[0] == f"out of memory: {amount} more could not be had"
    for remedy in ("accumulate=2", "checkpoint_activations=true", "--batch", "precision=bf16"):
        assert remedy in told.value.hint
    assert told.value.exit_code == 71
    assert told.value.__cause__ is error
    last = read_rows(tmp_path / "run" / "events.jsonl")[-1]
    assert (last["event"], last["error"].partition(":")[0].partition("\n")[0]) == ("stopped", "out of memory")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a mistake"), ZeroDivisionError()])
def test_other_errors_stay_what_they_are(error: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as raised:
        train_plan(small_plan(length="4st"), tmp_path / "run", Fails(error))

    assert raised.value is error


def test_memory_that_really_runs_out_ends_a_run_with_a_message(tmp_path: Path) -> None:
    """In a process of its own, which may have 700 MB more than it has: a layer's output needs 1 GB."""
    code = f"""
import resource, sys
import resnetlab.training.run
from resnetlab.cli import main

pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 700_000_000,) * 2)
sys.exit(main(["train", "resnet8", "--data", "digits", "--steps", "1", "--set", "compile=off", "--set",
               "width=16", "--batch", "1024", "--out", {str(tmp_path / "large")!r}]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 71, done.stderr
    assert "resnetlab: out of memory: " in done.stderr
    assert "--set accumulate=2" in done.stderr
    assert "Traceback" not in done.stderr
    assert read_rows(tmp_path / "large" / "events.jsonl")[-1]["event"] == "stopped"


def test_other_commands_say_it_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(json, "dumps", full)

    assert main(["list", "--json"]) == 71
    assert "resnetlab: out of memory" in capsys.readouterr().err


def digits(out: Path, **changes: object) -> Result:
    spec = model_spec("resnet8").with_(classes=10, width=0.25)
    recipe = override(
        named_recipe("digits"),
        {"length": Duration(6, "st"), "compile": "off", "eval_every": Duration(1, "st"), **changes},
    )
    return train_plan(make_plan(spec, open_source("digits"), "digits", recipe, CPU), out, Observer())


@pytest.mark.parametrize(("val", "is_selected"), [(100, False), (0, True)])
def test_a_stop_is_a_selection_on_the_test_set_only_if_that_was_watched(
    val: int, is_selected: bool, tmp_path: Path
) -> None:
    result = digits(tmp_path / "run", val=val, stop_at=0.001)

    assert result.step < 6
    assert result.stopped_on_test is is_selected


@pytest.mark.parametrize(("every", "is_last_best"), [(6, True), (1, False)])
def test_the_best_on_validation_is_scored_on_the_test_set(
    every: int, is_last_best: bool, tmp_path: Path
) -> None:
    result = digits(tmp_path / "run", val=100, lr=3.0, eval_every=Duration(every, "st"))

    assert (result.best_val_step == 6) is is_last_best
    best = evaluate(tmp_path / "run" / "checkpoints" / f"step-{result.best_val_step:08d}")
    assert result.best_test_accuracy == best.scores.accuracy
    assert (result.best_test_accuracy == result.accuracy) or not is_last_best


def test_a_journal_takes_no_number_that_is_not_finite(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "metrics.jsonl")
    for number in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="not JSON compliant"):
            journal.add({"loss": number})
    journal.close()

    assert (tmp_path / "metrics.jsonl").read_bytes() == b""


def test_a_signal_while_the_result_is_written_comes_too_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside: list[int] = []
    fired: list[str] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: outside.append(number))
    really = os.fsync

    def and_a_signal(descriptor: int) -> None:
        if "RESULT.json" in (path := os.readlink(f"/proc/self/fd/{descriptor}")):
            fired.append(path)
            signal.raise_signal(signal.SIGTERM)
        really(descriptor)

    monkeypatch.setattr(os, "fsync", and_a_signal)
    try:
        result = train_plan(small_plan(length="1st"), tmp_path / "run", Observer())
    finally:
        signal.signal(signal.SIGTERM, before)

    assert fired and not outside
    assert json.loads((tmp_path / "run" / "RESULT.json").read_bytes())["step"] == result.step == 1


def test_a_signal_before_the_first_step_is_noted_so_that_the_run_is_not_said_to_have_crashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, really = tmp_path / "run", os.mkdir

    def and_a_signal(path: str, *rest: Any, **more: Any) -> None:
        if Path(path).name == "checkpoints":  # after recipe.json, which makes it a run
            signal.raise_signal(signal.SIGTERM)
        really(path, *rest, **more)

    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with monkeypatch.context() as struck, heard_signals(), pytest.raises(Interrupted, match="before the"):
            struck.setattr(os, "mkdir", and_a_signal)
            train_plan(small_plan(length="1st"), out, Observer())
    finally:
        signal.signal(signal.SIGTERM, before)
    glance = Glancing(out, "run", tmp_path.resolve()).look()
    result = train_or_resume(small_plan(length="1st"), out, Observer())

    assert (glance.state, glance.why) == ("interrupted", "by SIGTERM")
    assert result.step == 1
    assert verify(out).is_sound, str(verify(out))


@pytest.fixture
def threads() -> Iterator[int]:
    """The threads of this process, which are as before afterwards."""
    number = torch.get_num_threads()
    yield number
    torch.set_num_threads(number)


class Listen(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def resumed_with(run: RunDirectory, recorded: object) -> list[str]:
    """Go on with a run whose record says so many threads; return what was noted."""
    environment = {name: value for name, value in run.read("environment").items() if name != "threads"}
    run.write("environment", environment if recorded is None else environment | {"threads": recorded})
    observer = Listen()
    with lock_run(run.path):
        resume(run, plan_of(read_records(run), small_source(), CPU), observer).close()
    return observer.notes


def test_a_resumed_run_computes_with_the_threads_it_began_with(tmp_path: Path, threads: int) -> None:
    run = train_whole(tmp_path / "run", small_plan(length="1st"))
    for number in (threads + 1, threads):
        torch.set_num_threads(threads + 2)

        notes = resumed_with(run, number)

        assert torch.get_num_threads() == number
        assert notes == []


@pytest.mark.parametrize("recorded", [None, 0, -1, "x", 1.5, [1], 1_000_000, 10**30])
def test_a_number_of_threads_that_cannot_be_is_told_and_not_used(
    recorded: object, tmp_path: Path, threads: int
) -> None:
    run = train_whole(tmp_path / "run", small_plan(length="1st"))

    notes = resumed_with(run, recorded)

    assert torch.get_num_threads() == threads
    assert f"threads was {recorded}, is {threads}" in notes[0]
    assert recorded_threads({"threads": recorded}) == 0
    assert json.loads((run.path / "environment.json").read_text()).get("threads") == recorded
