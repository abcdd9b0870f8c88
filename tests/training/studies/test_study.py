"""Several runs of one command: each is the run it would be alone, and none is lost with another."""

import contextlib
import functools
import json
import os
import pty
import re
import shutil
import signal
import threading
import traceback
import tty
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import resnetlab
from resnetlab.base.units import Duration
from resnetlab.errors import DataError, DivergedError, Interrupted, LockedError, ResnetlabError, UsageError
from resnetlab.network.catalog import model_spec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.runs.directory import RunDirectory, lock_run
from resnetlab.runs.journal import read_rows
from resnetlab.training.asking import Asked, plan_training
from resnetlab.training.observer import Observer
from resnetlab.training.planning import Opened, RunPlan, open_for
from resnetlab.training.run import Result, train_plan
from resnetlab.training.step.device import compiled
from resnetlab.training.studies import StudyObserver, plan_rows, resume_study, train_study
from resnetlab.training.studies.study import choose_at_once
from tests.kit.commands import run
from tests.kit.processes import Command

CPU = torch.device("cpu")
STEPS = 12


def plan(name: str, **changes: Any) -> RunPlan:
    """A short run of a tiny network on the digits."""
    values = {"length": Duration(STEPS, "st"), "batch": 16, "compile": "off", "ema_decay": 0.9, "val": 40}
    values |= {"eval_every": Duration(6, "st"), "report": False}
    recipe = override(named_recipe("digits"), values | changes)
    return plan_training(
        model_spec(name).with_(width=0.25), Asked(data="digits", recipe=recipe, device="cpu")
    )[0]


def rows(**changes: Any) -> dict[str, RunPlan]:
    """Two networks with two seeds each."""
    return plan_rows([plan("resnet8", **changes), plan("plain8", **changes)], [0, 7])


def what_remains(run: Path) -> dict[str, bytes]:
    """The bytes that must not depend on what else was trained."""
    folder = run / "checkpoints" / f"step-{STEPS:08d}"
    names = ("model", "ema", "optimizer")
    found = {name: (folder / f"{name}.safetensors").read_bytes() for name in names}
    return found | {name: (run / name).read_bytes() for name in ("metrics.jsonl", "recipe.json", "data.json")}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """The truth: every run by itself."""
    folder = tmp_path_factory.mktemp("alone")
    for name, one in rows().items():
        train_plan(one, folder / name, Observer())
    return {name: what_remains(folder / name) for name in rows()}


def remains(study: Path) -> dict[str, dict[str, bytes]]:
    return {name: what_remains(study / name) for name in rows()}


@pytest.mark.parametrize("at_once", [1, 3])
def test_every_run_of_a_study_is_byte_for_byte_the_run_alone(
    at_once: int, tmp_path: Path, alone: dict[str, dict[str, bytes]]
) -> None:
    results = train_study(rows(), tmp_path / "study", StudyObserver(), at_once=at_once)

    assert list(results) == ["resnet8-seed0", "resnet8-seed7", "plain8-seed0", "plain8-seed7"]
    assert remains(tmp_path / "study") == alone
    assert alone["resnet8-seed0"]["model"] != alone["resnet8-seed7"]["model"]
    assert all(Path(result.run).name == name for name, result in results.items())


class StopOne(StudyObserver):
    """Sends a signal in the middle of one run."""

    def __init__(self, name: str, step: int) -> None:
        self.name, self.step = name, step
        self.ends: list[str] = []

    def of(self, name: str) -> Observer:
        if name != self.name:
            return Observer()
        outer = self

        class Stop(Observer):
            def progress(self, step: int, *, samples: int, seconds: float) -> None:
                if step == outer.step:
                    os.kill(os.getpid(), signal.SIGTERM)

        return Stop()

    def ended(self, name: str, result: Result) -> None:
        self.ends.append(name)


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_signal_saves_all_and_the_study_goes_on_byte_for_byte(
    at_once: int, tmp_path: Path, alone: dict[str, dict[str, bytes]]
) -> None:
    study = tmp_path / "study"
    with pytest.raises(Interrupted, match=r"stopped by SIGTERM: of 4 runs .* not begun") as stopped:
        train_study(rows(), study, StopOne("resnet8-seed7", 5), at_once=at_once)
    assert stopped.value.hint == f"Go on with: resnetlab resume {study}"
    assert not (study / "plain8-seed7" / "recipe.json").exists()

    ended = {path: path.read_bytes() for path in study.glob("resnet8-seed0/*.json*")}
    watcher = StopOne("nobody", 0)
    results = resume_study(study, watcher)
    if at_once == 1:
        assert {path: path.read_bytes() for path in study.glob("resnet8-seed0/*.json*")} == ended

    assert list(results) == list(rows())
    assert sorted(watcher.ends) == sorted(rows())
    assert remains(study) == alone


def test_a_run_that_diverges_leaves_the_others_to_their_ends(tmp_path: Path) -> None:
    one = rows()
    bad = one["resnet8-seed7"]
    one["resnet8-seed7"] = plan("resnet8", lr=1e30, warmup=Duration(0, "st"), seed=7)
    assert bad.spec == one["resnet8-seed7"].spec

    with pytest.raises(DivergedError, match=r"1 of 4 runs failed:\n  resnet8-seed7: diverged at step"):
        train_study(one, tmp_path / "study", StudyObserver(), at_once=2)

    finished = [name for name in one if RunDirectory(tmp_path / "study" / name).is_finished]
    assert finished == ["resnet8-seed0", "plain8-seed0", "plain8-seed7"]


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_run_that_torch_ends_leaves_the_others_to_their_ends(at_once: int, tmp_path: Path) -> None:
    class Full(StudyObserver):
        def __init__(self) -> None:
            self.told: list[str] = []

        def of(self, name: str) -> Observer:
            class Fails(Observer):
                def progress(self, step: int, *, samples: int, seconds: float) -> None:
                    raise torch.OutOfMemoryError("CUDA out of memory")

            return Fails() if name == "resnet8-seed0" else Observer()

        def failed(self, name: str, error: ResnetlabError) -> None:
            self.told.append(f"{name}: {error.args[0]}")

    watcher = Full()
    with pytest.raises(
        ResnetlabError, match=r"1 of 4 runs failed:\n  resnet8-seed0: out of memory"
    ) as failed:
        train_study(rows(), tmp_path / "study", watcher, at_once=at_once)

    assert failed.value.hint.startswith("Fewer runs at once") == (at_once > 1)
    assert "--set accumulate=2" in failed.value.hint
    assert failed.value.exit_code == 71
    held = failed.value.__cause__
    while held:  # no call of the failed run keeps its trainer, and so its memory
        for frame, _ in traceback.walk_tb(held.__traceback__):
            assert "trainer" not in frame.f_locals
        held = held.__cause__ or held.__context__
    assert watcher.told == ["resnet8-seed0: out of memory"]
    finished = [name for name in rows() if RunDirectory(tmp_path / "study" / name).is_finished]
    assert finished == list(rows())[1:]


def test_a_signal_after_which_nothing_is_left_to_do_interrupts_nothing(tmp_path: Path) -> None:
    """Without validation samples and averages the last row is the result."""
    several = rows(val=0, ema_decay=0.0)

    results = train_study(several, tmp_path / "study", StopOne(list(several)[-1], STEPS))

    assert list(results) == list(rows())


def test_a_mistake_in_a_thread_reaches_the_caller(tmp_path: Path) -> None:
    class Broken(StudyObserver):
        def of(self, name: str) -> Observer:
            raise ZeroDivisionError(name)

    with pytest.raises(ZeroDivisionError):
        train_study(rows(), tmp_path / "study", Broken(), at_once=2)


def test_an_interrupt_of_one_run_is_heard_by_a_thread_and_the_handlers_come_back() -> None:
    from resnetlab.training.observer import Interrupt

    before = signal.getsignal(signal.SIGTERM)
    shared, seen = Interrupt(), []

    def member() -> None:
        with shared:  # as a run does; it must not touch the handlers
            pass
        with Interrupt():
            seen.append(shared.is_requested)

    with shared:
        with shared:
            pass
        signal.raise_signal(signal.SIGTERM)
        thread = threading.Thread(target=member)
        thread.start()
        thread.join()

    assert seen == [True]
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "thesis.tex").write_text("all of it")
    with pytest.raises(UsageError, match="is not empty"):
        train_study(rows(), study, StudyObserver())
    assert [path.name for path in study.iterdir()] == ["thesis.tex"]
    (study / "thesis.tex").unlink()
    (study / "study.json").write_text("{}")
    with lock_run(study), pytest.raises(LockedError):
        train_study(rows(), study, StudyObserver())
    with pytest.raises(UsageError, match="already holds a study") as refused:
        train_study(rows(), study, StudyObserver())
    assert f"resnetlab resume {study}" in refused.value.hint
    with pytest.raises(resnetlab.errors.DataError, match=r"study\.json is damaged"):
        resume_study(study, StudyObserver())
    with pytest.raises(UsageError, match="resnet8 with seed 3 is in the study twice"):
        plan_rows([plan("resnet8"), plan("resnet8")], [3])
    with pytest.raises(UsageError, match="at least one run"):
        choose_at_once([plan("resnet8")], -1)


def test_a_cpu_makes_one_run_at_a_time_unless_it_is_asked_for_more() -> None:
    plans = [plan("resnet8")]

    assert choose_at_once(plans, 0) == 1
    assert choose_at_once(plans, 30) == 30


def test_a_gpu_makes_several_small_ones_at_once_and_no_more_than_it_has_streams_for() -> None:
    small = replace(plan("resnet8", capture="on"), device=torch.device("cuda"))
    recipe = override(small.recipe, {"batch": 256})
    large = replace(small, spec=model_spec("resnet50"), image_shape=(224, 224, 3), recipe=recipe)

    assert choose_at_once([small, small], 0) == 8
    assert choose_at_once([small, large], 0) == 1
    assert choose_at_once([replace(small, recipe=plan("resnet8").recipe)], 0) == 1  # nothing is recorded
    assert choose_at_once([large], 16) == 16
    with pytest.raises(UsageError, match="at most 16 runs"):
        choose_at_once([small], 17)


def test_more_kinds_of_networks_than_torchs_own_limit_stay_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a thread, because torch keeps a limit for each: the ninth of ten kinds was not compiled.

    The limit is on what is traced; what makes kernels of it, and takes 2 s for each, is left out.
    """
    from torch._dynamo.utils import counters

    counters.clear()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))

    def compile_ten() -> None:
        double = compiled(lambda numbers: numbers * 2)
        for length in range(2, 12):
            assert torch.equal(double(torch.ones(length)), torch.full((length,), 2.0))

    thread = threading.Thread(target=compile_ten)
    thread.start()
    thread.join()

    assert counters["stats"]["unique_graphs"] == 10


def test_the_python_interface_makes_a_study_and_goes_on_with_it(tmp_path: Path) -> None:
    common: dict[str, Any] = {
        "data": "digits",
        "steps": 4,
        "batch": 16,
        "eval_every": "0ep",
        "compile": "off",
        "report": False,
    }
    specs = [model_spec("resnet8").with_(width=0.25), model_spec("plain8").with_(width=0.25)]

    results = resnetlab.study(specs, seeds=[3, 1], out=tmp_path / "study", **common)

    assert list(results) == ["resnet8-seed3", "resnet8-seed1", "plain8-seed3", "plain8-seed1"]
    assert resnetlab.resume_study(tmp_path / "study") == results
    alone = resnetlab.train(specs[0], out=tmp_path / "alone", seed=1, **common)
    assert alone.loss == results["resnet8-seed1"].loss
    with pytest.raises(UsageError, match="no study at nowhere"):
        resnetlab.resume_study("nowhere")
    assert list(resnetlab.study(specs[0], out=tmp_path / "one", **common)) == ["resnet8-seed0"]
    with pytest.raises(UsageError, match="needs a network and a seed"):
        resnetlab.study([], out=tmp_path / "none", **common)
    with pytest.raises(UsageError, match=r"seed=5 beside seeds=\[1, 2\]: which of them"):
        resnetlab.study(specs, seeds=[1, 2], seed=5, out=tmp_path / "none", **common)
    with pytest.raises(UsageError, match="is no run") as refused:
        resnetlab.resume(tmp_path / "study")
    assert refused.value.hint == ("Runs are in it: plain8-seed1, plain8-seed3, resnet8-seed1, resnet8-seed3.")


SMALL = ("--data", "digits", "--batch", "16", "--set", "width=0.25", "--set", "compile=off", "--no-report")


def mean_of(results: Mapping[str, Any], network: str) -> float:
    found = [one["accuracy"] for name, one in results.items() if name.startswith(network + "-seed")]
    return sum(found) / len(found)


def test_the_command_trains_networks_with_seeds_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    study = tmp_path / "a study"
    wanted = ("train", "resnet8", "plain8", "--seeds", "2", "--seed", "5", "--steps", "30", *SMALL)
    whole = run(*wanted, "--out", str(tmp_path / "whole"), "--json")
    assert whole.returncode == 0, whole.stderr
    truth = json.loads(whole.stdout)["runs"]
    assert list(truth) == ["resnet8-seed5", "resnet8-seed6", "plain8-seed5", "plain8-seed6"]

    command = Command(*wanted, "--out", str(study), "--checkpoint-every", "5")
    second = study / "resnet8-seed6" / "checkpoints" / "step-00000005"
    assert command.wait_until(second.exists)
    command.kill()
    assert not RunDirectory(study / "plain8-seed6").is_finished

    resumed = run("resume", str(study))

    assert resumed.returncode == 0, resumed.stderr
    assert "resnet8-seed5" in resumed.stdout
    assert "finished before" in resumed.stdout
    for name in truth:
        ours, theirs = (read_rows(tmp_path / at / name / "metrics.jsonl") for at in (study, "whole"))
        assert ours == theirs
    for network in ("resnet8", "plain8"):
        (row,) = [line for line in resumed.stdout.splitlines() if line.startswith(f"{network} ")]
        assert f"  {100 - 100 * mean_of(truth, network):.2f} ± " in row
    shutil.rmtree(study)


def test_a_job_of_a_study_is_killed_and_typed_again(tmp_path: Path) -> None:
    study = tmp_path / "a study"
    job = ("train", "resnet8", "plain8", "--seeds", "2", "--steps", "12", "--checkpoint-every", "4", *SMALL,
           "--out", str(study), "--resume-if-begun")  # fmt: skip
    for place in ("lock", "resnet8-seed1/checkpoints/step-00000004"):
        command = Command(*job)
        assert command.wait_until((study / place).exists)
        command.kill()
    assert not RunDirectory(study / "plain8-seed1").is_finished
    assert "finished before" not in run(*job, "--dry-run").stdout

    done = run(*job)

    assert done.stdout.count("finished before") == 1
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    again = run(*job)
    assert f"All runs of {study} are finished; there is nothing to resume." in again.stdout
    assert again.stdout.count("finished before") == 4
    others = run(*job, "--lr", "0.25", "--seeds", "3", code=2)
    assert f"{study} holds another study than is asked for." in others.stderr
    names = "plain8-seed0, plain8-seed1, resnet8-seed0, resnet8-seed1"
    assert f"{names}: from the study to what is asked for:" in others.stderr
    assert "asked for, and not in it: plain8-seed2, resnet8-seed2" in others.stderr
    assert "holds another study" in run(*job, "--seeds", "1", "--dry-run", code=2).stderr
    assert {path: path.read_bytes() for path in study.rglob("*") if path.is_file()} == before


def test_the_command_says_what_it_would_train(tmp_path: Path) -> None:
    done = run("train", "resnet8", "--seeds", "3", *SMALL, "--out", str(tmp_path / "x"), "--dry-run")

    assert done.returncode == 0, done.stderr
    assert "3 runs in" in done.stdout and "1 at a time" in done.stdout
    assert "resnet8-seed0, resnet8-seed1, resnet8-seed2" in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert run("train", "resnet8", "--seeds", "0", *SMALL, code=None).returncode == 2
    assert (
        run("train", "resnet8", "--seeds", "2", *SMALL, "--at-once", "-1", "--dry-run", code=None).returncode
        == 2
    )


def test_what_was_refused_shows_no_table_of_other_runs(tmp_path: Path) -> None:
    study = tmp_path / "study"
    wanted = ("train", "resnet8", "--seeds", "1", "--steps", "2", *SMALL, "--out", str(study))
    assert run(*wanted).returncode == 0

    refused = run(*wanted, code=None)

    assert refused.returncode == 2
    assert "already holds a study" in refused.stderr
    assert "resnet8 " not in refused.stdout


def test_a_terminal_shows_a_bar_for_each_run_and_keeps_the_lines_of_their_ends(tmp_path: Path) -> None:
    terminal, theirs = pty.openpty()
    tty.setraw(theirs)
    command = Command(
        "train", "resnet8", "plain8", "--steps", "20", *SMALL, "--at-once", "2", "--out",
        str(tmp_path / "study"), terminal=theirs, TERM="xterm", COLUMNS="120",
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux' way to say that the other side has closed
        while more := os.read(terminal, 4096):
            shown += more
    os.close(terminal)

    assert command.end() == 0, shown.decode()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "2 runs to make, 2 at once" in text
    for name in ("resnet8-seed0", "plain8-seed0"):
        assert re.search(rf"{name} +[━╸╺ ]+", text), text  # its bar
        assert re.search(rf"{name} +[0-9.]+ % test error  .*  [12] of 2  .* images/s", text), text  # its end
    assert text.count("━") > 0 and "What to type next:" in text


def test_networks_that_ask_the_same_of_the_data_share_it(tmp_path: Path) -> None:
    opened: Opened = {}
    first, second = (open_for(model_spec(name), "digits", (), opened) for name in ("resnet8", "plain20"))

    assert first is second
    assert len(opened) == 1
    made = [open_for(model_spec("resnet8").with_(classes=count), "synthetic", (), opened) for count in (3, 4)]
    assert [len(source.class_names) for source in made] == [3, 4]


def test_a_damaged_run_of_a_study_is_named_with_the_way_on(tmp_path: Path) -> None:
    study = tmp_path / "study"
    with pytest.raises(Interrupted):
        train_study(rows(), study, StopOne("plain8-seed0", 5))
    (study / "plain8-seed0" / "data.json").write_text("{")

    with pytest.raises(DataError, match=r"plain8-seed0/data\.json is damaged") as refused:
        resume_study(study, StudyObserver())
    assert refused.value.hint == f"Move {study / 'plain8-seed0'} away to have that run made anew."
    (study / "plain8-seed0").rename(tmp_path / "away")
    assert list(resume_study(study, StudyObserver())) == list(rows())


@pytest.mark.parametrize(
    ("seeds", "names"),
    [(np.int64(2), "01"), (np.arange(1, 3), "12"), ([np.int64(4), 2], "42"), (range(5, 7), "56")],
)
def test_seeds_may_be_numpys(seeds: Any, names: str, tmp_path: Path) -> None:
    spec = model_spec("resnet8").with_(width=0.25)

    results = resnetlab.study(
        spec, seeds=seeds, out=tmp_path / "s", data="digits", steps=1, batch=8, report=False
    )

    assert list(results) == [f"resnet8-seed{seed}" for seed in names]


@pytest.mark.parametrize("seeds", [None, "2", 2.0, [1.5]])
def test_what_is_no_seed_is_refused(seeds: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="seeds are whole numbers"):
        resnetlab.study("resnet8", seeds=seeds, out=tmp_path / "s", data="digits")


@pytest.mark.parametrize(
    ("values", "message"),
    [({"data": ["a", "b"]}, "data is a dataset's name or a path"), ({"model": 8}, "no model is called '8'"),
     ({"model": None}, "no model is called 'None'")],
)  # fmt: skip
def test_what_is_no_data_and_no_network_is_refused(values: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resnetlab.train(**({"model": "resnet8", "data": "digits"} | values))
