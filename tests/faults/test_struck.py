"""T03 and T17 of the fault list: real processes, struck by any signal from first moment to last."""

import json
import re
import signal
from pathlib import Path

import pytest

from resnetlab.base.machine.signals import ENDING_SIGNALS
from tests.kit.commands import run as run_here
from tests.kit.processes import Command
from tests.kit.rounds import ROUNDS, drawn
from tests.kit.small_jobs import litter
from tests.kit.small_runs import FILES

pytestmark = pytest.mark.processes

STEPS = 4
JOB = (
    "train", "resnet8", "--data", "digits", "--recipe", "digits", "--steps", f"{STEPS}", "--batch", "16",
    "--checkpoint-every", "1", "--set", "width=0.25", "--set", "keep_checkpoints=1", "--set", "ema_decay=0.9",
    "--set", "compile=off", "--set", "eval_every=2st", "--no-report", "--resume-if-begun",
)  # fmt: skip
LEAVES = re.compile(r"^struck at cut \S+/run/lock$", re.MULTILINE)
NAMES = ["SIGKILL", *(number.name for number in ENDING_SIGNALS)]


def job_bytes(run: Path) -> dict[str, bytes]:
    folder = run / "checkpoints" / f"step-{STEPS:08d}"
    found = {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}
    return found | {"metrics.jsonl": (run / "metrics.jsonl").read_bytes()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, bytes]]:
    """How many operations the job takes, and what it makes."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    told = Command(
        str(out.parent), "-1", "SIGTERM", *JOB, "--out", str(out), module="tests.kit.struck"
    ).finish()
    (count,) = re.findall(r"^operations: (\d+)$", told, re.MULTILINE)
    return int(count), job_bytes(out)


def check_strikes(strikes: list[tuple[int, str]], folder: Path, expected: dict[str, bytes]) -> set[int]:
    """Have the job struck once each, look at what it says, and type it again; return how it ended."""
    codes = set()
    for index, (number, name) in enumerate(strikes):
        out = folder / f"{index}" / "run"
        out.parent.mkdir()
        command = Command(
            str(out.parent), str(number), name, *JOB, "--out", str(out), module="tests.kit.struck"
        )
        code, said = command.end(), command.output()
        told = f"operation {number}, {name}: {code}\n{said}"
        assert "struck at" in said and "Traceback" not in said, told
        codes.add(code)
        begun, finished = (out / "recipe.json").exists(), (out / "RESULT.json").exists()
        if name == "SIGKILL":
            assert code == -signal.SIGKILL, told
        elif finished:  # but who is struck as it gives the lock back has nothing more to say
            assert code in ((0, 128 + signal.Signals[name]) if LEAVES.search(said) else (0,)), told
        elif begun:
            assert code == 75 and f"resnetlab resume {out}" in said, told
        else:
            assert code == 128 + signal.Signals[name] and "resnetlab: stopped" in said, told

        run_here(*JOB, "--out", str(out))

        assert job_bytes(out) == expected, told
        assert litter(out) == [], told
        assert json.loads((out / "RESULT.json").read_bytes())["step"] == STEPS
    return codes


def test_a_signal_in_a_runs_first_and_last_moments_and_between_is_answered(
    tmp_path_factory: pytest.TempPathFactory, undisturbed: tuple[int, dict[str, bytes]]
) -> None:
    count, expected = undisturbed
    rng = drawn()
    moments = [*rng.sample(range(40), 2), rng.randrange(40, count), rng.randrange(count - 12, count - 1)]
    strikes = [
        *zip(moments, rng.sample(NAMES[1:], len(moments)), strict=True),
        (rng.randrange(count), "SIGKILL"),
    ]

    check_strikes(strikes, tmp_path_factory.mktemp("struck"), expected)


@pytest.mark.faults
@pytest.mark.parametrize("name", NAMES)
def test_a_signal_at_any_operation_is_answered(
    name: str, tmp_path_factory: pytest.TempPathFactory, undisturbed: tuple[int, dict[str, bytes]]
) -> None:
    count, expected = undisturbed
    numbers = {0, count - 2, count - 1, *drawn().sample(range(count), min(count, 40 * ROUNDS))}

    codes = check_strikes(
        [(number, name) for number in sorted(numbers)], tmp_path_factory.mktemp("struck"), expected
    )

    every = {0, 75, 128 + signal.Signals[name]}
    assert codes == ({-signal.SIGKILL} if name == "SIGKILL" else every)
