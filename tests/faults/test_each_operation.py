"""T02, T03, T05, T07 of the fault list: a fault at each file operation of a run, no checkpoint missing."""

import errno
import os
import resource
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from resnetlab.base.units import Duration
from resnetlab.errors import WriteError
from resnetlab.runs import retrying
from resnetlab.runs.checkpoint import checkpoint_name, load_checkpoint, load_newest
from resnetlab.training.observer import Observer
from resnetlab.training.run import train_or_resume
from tests.kit.disks import Disk, Operation, broken
from tests.kit.rounds import ROUNDS, drawn
from tests.kit.small_jobs import do_job, go_on_with_job, job_bytes, job_plan, litter, said_to_be_saved


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
    numbers: Iterable[int], places: Iterator[Path], expected: dict[str, bytes], *, stays: bool,
    ends: Callable[[], None] = broken, told: str = "Input/output error",
) -> int:  # fmt: skip
    """Have the job fail at each of these operations; return how often it ended well all the same."""
    whole = 0
    for number in numbers:
        out = next(places) / "run"
        with Disk(out.parent, at=number, stays=stays, ends=ends) as disk:
            try:
                do_job(out)
                whole += 1
            except WriteError as error:
                assert error.exit_code == 74 and told in error.args[0]
        assert disk.fired, number
        where = f"operation {number}, {disk.fired[0]}"
        assert newest_step(out) >= said_to_be_saved(disk.operations[:number]), where

        result = go_on_with_job(out)

        assert result.step == 4 and (out / "RESULT.json").exists(), where
        assert job_bytes(out) == expected, where
        assert litter(out) == [], where
    return whole


def test_a_disk_that_is_full_from_an_operation_on_is_told_once_and_loses_nothing(
    places: Iterator[Path], undisturbed: tuple[int, dict[str, bytes]]
) -> None:
    count, expected = undisturbed

    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    check_faults(some(3, count), places, expected, stays=True, ends=full, told="No space left on device")


def test_a_file_that_the_system_does_not_let_grow_ends_a_run_that_goes_on(
    places: Iterator[Path], undisturbed: tuple[int, dict[str, bytes]]
) -> None:
    """With the kernel's own limit, which it is given after the second step."""
    _, expected = undisturbed
    out, before = next(places) / "run", resource.getrlimit(resource.RLIMIT_FSIZE)

    class Limit(Observer):
        def progress(self, step: int, *, samples: int, seconds: float) -> None:
            size = (out / "checkpoints" / checkpoint_name(step) / "model.safetensors").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1 if step == 2 else before[0], before[1]))

    try:
        with pytest.raises(WriteError, match=r"could not write .*step-00000003: File too large"):
            train_or_resume(job_plan(), out, Limit())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert newest_step(out) == 2 and litter(out) == []

    go_on_with_job(out)

    assert job_bytes(out) == expected


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


@pytest.mark.parametrize("keep", [1, 2])
def test_at_no_moment_the_newest_saved_or_the_best_checkpoint_is_missing(
    keep: int, places: Iterator[Path]
) -> None:
    """T07, seen before every operation of a run, of its retention, and of the one that goes on from there."""
    out, newest, seen = next(places) / "run", [0], set[tuple[int, int]]()

    def watch(operation: Operation) -> None:
        newest[0] = max(newest[0], said_to_be_saved(disk.operations[-1:]))
        if "checkpoints" not in operation.path or not newest[0]:
            return
        found, problems = load_newest(out / "checkpoints")
        assert found is not None and found.step >= newest[0] and not problems, operation
        if best := found.state["best_step"]:
            assert load_checkpoint(out / "checkpoints" / checkpoint_name(best)).step == best, operation
        seen.add((found.step, best))

    with Disk(out.parent, watch=watch) as disk:
        do_job(out, length="8st", keep_checkpoints=keep, val=12, eval_every=Duration(1, "st"), lr=1.0)

    assert {step for step, _ in seen} == {*range(1, 9)}
    assert any(0 < best < step - keep for step, best in seen), seen  # retention would have taken it
    assert sum(operation.kind == "remove-directory" for operation in disk.operations) >= 8 - keep - 1
