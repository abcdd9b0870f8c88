"""T01, T08 and T28 of the fault list, with real processes that are really killed.

`make test` runs a few of each; `make faults` runs them at full length.
"""

import json
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.commands import run as run_here
from tests.kit.processes import Command

pytestmark = pytest.mark.processes

FILES = ("model.safetensors", "optimizer.safetensors", "ema.safetensors")
STEPS = 40
TRAIN = (
    "train", "resnet8", "--data", "synthetic", "--recipe", "digits",
    "--steps", f"{STEPS}", "--batch", "16", "--checkpoint-every", "5", "--set", "width=0.5",
    "--set", "ema_decay=0.9", "--set", "log_every=3", "--set", "keep_checkpoints=3",
    "--set", "eval_every=20st", "--set", "stochastic_depth=0.3", "--no-report",
)  # fmt: skip


def final_bytes(run: Path) -> dict[str, bytes]:
    folder = run / "checkpoints" / f"step-{STEPS:08d}"
    found = {name: (folder / name).read_bytes() for name in FILES}
    return found | {"metrics.jsonl": (run / "metrics.jsonl").read_bytes()}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    run = tmp_path_factory.mktemp("whole") / "run"
    Command(*TRAIN, "--out", str(run)).finish(code=0)  # with the threads of those that are killed
    return final_bytes(run)


def kill_and_resume(run: Path, rng: random.Random, *, in_save: bool, starts_anew: bool) -> None:
    """Start, SIGKILL at a random moment (or inside a save), resume to the end."""
    command = Command(*TRAIN, "--out", str(run), starts_anew=starts_anew)
    rows = rng.randrange(1, 14)
    if in_save:
        was_hit = command.wait_until(lambda: list((run / "checkpoints").glob(".resnetlab-*")))
    else:
        metrics = run / "metrics.jsonl"
        was_hit = command.wait_until(lambda: metrics.exists() and metrics.read_bytes().count(b"\n") >= rows)
        time.sleep(rng.random() * 0.05)
    assert (was_hit, command.kill()) == (True, -signal.SIGKILL)
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_bytes().split(b"\n")[:-1]]
    saved = sorted(int(path.name[5:]) for path in (run / "checkpoints").glob("step-*"))
    assert max(steps, default=0) - max(saved, default=0) <= 5 + 3  # at most one interval is lost

    run_here("resume", str(run))

    assert not list((run / "checkpoints").glob(".*"))


def check_kills(
    count: int, tmp_path: Path, uninterrupted: dict[str, bytes], *, starts_anew: bool = False
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for index in range(count):
        run = tmp_path / f"run{index}"
        kill_and_resume(run, rng, in_save=index % 5 == 0, starts_anew=starts_anew)
        assert final_bytes(run) == uninterrupted


def test_killed_at_random_moments_and_inside_a_save_a_run_ends_as_if_it_was_not(
    tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    check_kills(2, tmp_path, uninterrupted)


@pytest.mark.faults
def test_killed_25_times_a_run_ends_as_if_it_was_not(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    check_kills(25, tmp_path, uninterrupted, starts_anew=True)


def test_a_job_that_is_killed_and_typed_again_ends_as_if_it_was_not_killed(
    tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    """Killed while it makes the directory, before its first checkpoint, after two of them, inside a save."""
    run = tmp_path / "run"
    job = (*TRAIN, "--out", str(run), "--resume-if-begun")
    metrics, checkpoints = run / "metrics.jsonl", run / "checkpoints"
    moments: list[Callable[[], object]] = [
        (run / "lock").exists,
        (run / "recipe.json").exists,
        lambda: metrics.exists() and metrics.read_bytes().count(b"\n") >= 3,
        (checkpoints / "step-00000015").exists,
        lambda: list(checkpoints.glob(".resnetlab-*")),
    ]
    for moment in moments:
        command = Command(*job)
        assert command.wait_until(moment)
        assert command.kill() == -signal.SIGKILL
        assert not (run / "RESULT.json").exists()
    command = Command(*job)
    assert command.wait_until(lambda: f"process {command.pid} on" in (run / "lock").read_text())
    command.send(signal.SIGSTOP)
    assert f"{run} is in use by process {command.pid}" in run_here(*job, code=6).stderr
    command.send(signal.SIGCONT)

    assert "after step" in command.finish()

    assert final_bytes(run) == uninterrupted
    assert not list(checkpoints.glob(".*"))
    left = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    again = run_here(*job)
    assert f"{run} is finished after {STEPS}st; there is nothing to resume" in again.stdout
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == left


def check_signals(
    steps: list[int], tmp_path: Path, uninterrupted: dict[str, bytes], *, starts_anew: bool = False
) -> None:
    for number, step in enumerate(steps):
        run = tmp_path / f"run{step}"
        command = Command(*TRAIN, "--out", str(run), starts_anew=starts_anew)
        metrics = run / "metrics.jsonl"
        wanted = f'"step": {3 * (step // 3)},'.encode()
        assert command.wait_until(lambda: metrics.exists() and wanted in metrics.read_bytes())  # noqa: B023
        command.send((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[number % 3])
        output = command.finish(code=75)
        assert f"resnetlab resume {run}" in output
        assert "Traceback" not in output

        run_here("resume", str(run))

        assert final_bytes(run) == uninterrupted


def test_ctrl_c_sigterm_and_a_closed_terminal_save_and_a_new_process_goes_on_exactly(
    tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    check_signals([3, 12, 24], tmp_path, uninterrupted)


@pytest.mark.faults
def test_signals_after_every_row_of_a_run(tmp_path: Path, uninterrupted: dict[str, bytes]) -> None:
    check_signals(list(range(3, STEPS - 12, 3)), tmp_path, uninterrupted, starts_anew=True)


def check_starters(count: int, tmp_path: Path, *, starts_anew: bool = False) -> None:
    run = tmp_path / "run"
    commands = [
        Command(*TRAIN, "--out", str(run), "--steps", "1000000", starts_anew=starts_anew)
        for _ in range(count)
    ]
    deadline = time.monotonic() + 300
    while sum(command.poll() is None for command in commands) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (winner,) = (command for command in commands if command.poll() is None)
    winner.kill()
    for command in commands:
        if command is not winner:
            assert f"process {winner.pid} on" in command.finish(code=6)


def test_of_four_simultaneous_starters_one_wins_and_the_others_name_it(tmp_path: Path) -> None:
    check_starters(4, tmp_path)


@pytest.mark.faults
def test_of_twenty_simultaneous_starters_one_wins(tmp_path: Path) -> None:
    check_starters(20, tmp_path, starts_anew=True)


def test_a_second_process_changes_no_byte_and_death_frees_the_directory(tmp_path: Path) -> None:
    """T28: train and resume beside a running one; then SIGKILL; then the lock is free."""
    run = tmp_path / "run"
    first = Command(*TRAIN, "--out", str(run), "--steps", "100000", "--checkpoint-every", "3")
    assert first.wait_until(lambda: list((run / "checkpoints").glob("step-*")))
    first.send(signal.SIGSTOP)
    time.sleep(0.2)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}

    outputs = [
        Command(*TRAIN, "--out", str(run)).finish(code=6),
        Command("resume", str(run)).finish(code=6),
    ]

    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert all(f"process {first.pid} on" in output for output in outputs)
    first.kill()
    again = Command("resume", str(run))
    step = max(int(path.name[5:]) for path in (run / "checkpoints").glob("step-*"))
    assert again.wait_until(lambda: (run / "checkpoints" / f"step-{step + 3:08d}").exists())
    again.send(signal.SIGTERM)
    again.finish(code=75)


def test_train_refuses_a_finished_a_started_and_a_foreign_directory(tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [*TRAIN, "--out", str(run), "--steps", "2"]
    run_here(*command)
    refused = run_here(*command, code=2).stderr
    assert "finished run" in refused
    assert "resnetlab resume" in refused
    finished = run_here("resume", str(run))
    assert "nothing to resume" in finished.stdout + finished.stderr
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("precious")
    assert "not empty and no run" in run_here(*TRAIN, "--out", str(foreign), code=2).stderr
    assert [path.name for path in foreign.iterdir()] == ["thesis.txt"]
