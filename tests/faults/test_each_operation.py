"""T02, T03 and T07 of the fault list: a fault at each single file operation of a run, and no checkpoint missing."""

import random
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from resnetlab.errors import WriteError
from resnetlab.runs import retrying
from resnetlab.runs.checkpoint import load_newest
from tests.kit.commands import run as run_here
from tests.kit.disks import Disk, Operation
from tests.kit.processes import Command
from tests.kit.rounds import ROUNDS, drawn
from tests.kit.small_jobs import do_job, go_on_with_job, job_bytes, litter, said_to_be_saved


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "PAUSES", (0.0,) * 3)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, bytes]]:
    """How many operations the job takes, and what it makes."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    with Disk(out.parent) as disk:
        do_job(out)
    kinds = {operation.kind for operation in disk.operations} - {"refused"}
    assert kinds == {"create", "write", "cut", "flush", "make", "rename", "remove", "remove-directory"}
    return len(disk.operations), job_bytes(out)


@pytest.fixture
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders in memory, one after another."""
    return (tmp_path_factory.mktemp("disk") for _ in range(10**6))


def newest_step(out: Path) -> int:
    newest, _ = load_newest(out / "checkpoints")
    return newest.step if newest else 0


def check_faults(
    numbers: Iterable[int], places: Iterator[Path], expected: dict[str, bytes], *, stays: bool
) -> int:
    """Have the job fail at each of these operations; return how often it ended well all the same."""
    whole = 0
    for number in numbers:
        out = next(places) / "run"
        with Disk(out.parent, at=number, stays=stays) as disk:
            try:
                do_job(out)
                whole += 1
            except WriteError as error:
                assert error.exit_code == 74 and "Input/output error" in str(error)
        assert disk.fired, number
        told = f"operation {number}, {disk.fired[0]}"
        assert newest_step(out) >= said_to_be_saved(disk.operations[:number]), told

        result = go_on_with_job(out)

        assert result.step == 4 and (out / "RESULT.json").exists(), told
        assert job_bytes(out) == expected, told
        assert litter(out) == [], told
    return whole


def some(count: int, of: int) -> list[int]:
    """Draw operations, their first and last among them."""
    rng = drawn()
    return sorted({0, of - 1, *(rng.randrange(of) for _ in range(count * ROUNDS))})


def test_an_error_of_the_disk_at_one_operation_changes_no_byte(
    places: Iterator[Path], undisturbed: tuple[int, dict[str, bytes]]
) -> None:
    count, expected = undisturbed

    assert check_faults(some(8, count), places, expected, stays=False)


def test_a_disk_that_breaks_at_an_operation_leaves_a_run_that_goes_on(
    places: Iterator[Path], undisturbed: tuple[int, dict[str, bytes]]
) -> None:
    """What lies there is also what a process leaves that is gone at this operation."""
    count, expected = undisturbed

    check_faults(some(8, count), places, expected, stays=True)


@pytest.mark.faults
@pytest.mark.parametrize("stays", [False, True])
def test_at_every_operation(
    stays: bool, places: Iterator[Path], undisturbed: tuple[int, dict[str, bytes]]
) -> None:
    count, expected = undisturbed

    check_faults(range(count), places, expected, stays=stays)
