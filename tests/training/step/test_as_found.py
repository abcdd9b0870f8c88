"""A library call leaves the process's switches as it found them, whatever they were."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from resnetlab.cli import main
from resnetlab.recipe import Execution
from resnetlab.trained.evaluate import evaluate
from resnetlab.training.observer import Observer
from resnetlab.training.run import resume_run, train_plan
from resnetlab.training.step import device
from resnetlab.training.step.device import apply_switches, flushes_denormals, leaving_as_found
from resnetlab.training.studies import StudyObserver, plan_rows, train_study
from tests.kit.small_runs import CPU, small_plan

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
BACKENDS: Any = torch.backends


def switches() -> dict[str, Any]:
    places = {
        "matmul": BACKENDS.cuda.matmul, "conv": BACKENDS.cudnn.conv, "rnn": BACKENDS.cudnn.rnn,
        "cudnn": BACKENDS.cudnn, "all": BACKENDS, "cpu": BACKENDS.mkldnn.matmul,
    }  # fmt: skip
    return {
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warns only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "threads": torch.get_num_threads(),
        "denormals": flushes_denormals(),
        "benchmark": BACKENDS.cudnn.benchmark,
        "workspace": os.environ.get(WORKSPACE),
        **{f"precision of {name}": place.fp32_precision for name, place in places.items()},
    }


FOUND: dict[str, Callable[[], object]] = {
    "nothing": lambda: None,
    "deterministic": lambda: torch.use_deterministic_algorithms(True),
    "deterministic, warns": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "denormals": lambda: torch.set_flush_denormal(True),
    "benchmark": lambda: setattr(BACKENDS.cudnn, "benchmark", True),
    "workspace": lambda: os.environ.update({WORKSPACE: ":16:8"}),
    "precision high": lambda: torch.set_float32_matmul_precision("high"),
    "precision medium": lambda: torch.set_float32_matmul_precision("medium"),
    "no TF32": lambda: (
        setattr(BACKENDS.cuda.matmul, "allow_tf32", False), setattr(BACKENDS.cudnn, "allow_tf32", False)
    ),
    "no TF32, newly": lambda: [
        setattr(place, "fp32_precision", "ieee") for place in (BACKENDS.cuda.matmul, BACKENDS.cudnn.conv)
    ],
    "TF32 of one": lambda: (
        setattr(BACKENDS.cuda.matmul, "fp32_precision", "tf32"),
        setattr(BACKENDS.cudnn.rnn, "fp32_precision", "ieee"),
    ),
    "another number of threads": lambda: torch.set_num_threads(2),
}  # fmt: skip


@pytest.fixture(autouse=True)
def as_they_were() -> Iterator[None]:
    kept = [note() for note in device.PROCESS_WIDE + device.OF_A_THREAD]
    yield
    for put_back in kept:
        put_back()


@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize("is_deterministic", [False, True])
def test_the_switches_of_a_run_on_cuda_are_put_back(found: str, is_deterministic: bool) -> None:
    FOUND[found]()
    before = switches()

    with leaving_as_found():
        apply_switches(torch.device("cuda"), Execution(deterministic=is_deterministic))
        assert BACKENDS.cuda.matmul.allow_tf32
        assert torch.are_deterministic_algorithms_enabled() == is_deterministic
        apply_switches(CPU, Execution(deterministic=not is_deterministic))
        torch.set_num_threads(3)
        assert flushes_denormals()

    assert switches() == before


BENCH = [
    "bench", "train", "resnet8", "--batch", "8", "--steps", "1", "--warmup", "1", "--threads", "1",
    "--set", "compile=off",
]  # fmt: skip
CALLS: dict[str, Callable[[Path], object]] = {
    "train": lambda out: train_plan(small_plan(length="2st", deterministic=True), out / "new", Observer()),
    "resume": lambda out: resume_run(out / "run", Observer(), data=None),
    "evaluate": lambda out: evaluate(out / "run"),
    "study": lambda out: train_study(
        plan_rows([small_plan(length="2st")], [0, 1]), out / "study", StudyObserver(), at_once=2
    ),
    "resnetlab eval": lambda out: main(["eval", str(out / "run")]),
    "resnetlab bench": lambda out: main(BENCH),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_leaves_the_process_as_it_was(call: str, tmp_path: Path) -> None:
    train = ["train", "resnet8", "--data", "digits", "--steps", "1", "--batch", "8", "--set", "width=0.25"]
    assert main([*train, "--set", "compile=off", "--out", str(tmp_path / "run")]) == 0
    if call == "resume":
        (tmp_path / "run" / "RESULT.json").unlink()
    for found in ("deterministic", "another number of threads", "workspace", "precision high"):
        FOUND[found]()
    before = switches()

    CALLS[call](tmp_path)

    assert switches() == before


def test_what_a_process_has_is_put_back_when_the_last_of_several_threads_has_left() -> None:
    entered, may_leave = threading.Event(), threading.Event()

    def other() -> None:
        with leaving_as_found():
            apply_switches(CPU, Execution(deterministic=True))
            entered.set()
            may_leave.wait()

    thread = threading.Thread(target=other)
    with leaving_as_found():
        thread.start()
        entered.wait()
    still = torch.are_deterministic_algorithms_enabled()
    may_leave.set()
    thread.join()

    assert (still, torch.are_deterministic_algorithms_enabled()) == (True, False)
