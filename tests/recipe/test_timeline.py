"""The timeline reads every position of the sample stream exactly once."""

import random

import pytest

from resnetlab.base.units import Duration, format_bytes, format_count, format_seconds
from resnetlab.errors import UsageError
from resnetlab.recipe.timeline import Timeline


def timeline(samples: int, batch: int, length: str, cycle: int = 0) -> Timeline:
    return Timeline(num_samples=samples, batch=batch, length=Duration.parse(length), cycle_epochs=cycle)


def test_64000_steps_of_128_are_163_84_epochs_of_full_batches() -> None:
    run = timeline(50_000, 128, "64000st")

    assert run.num_steps == 64_000
    assert run.samples_seen(64_000) / 50_000 == 163.84
    assert len(run.positions(390)) == 128  # across the end of the first epoch
    assert run.positions(390) == range(49_920, 50_048)
    assert [run.epochs_ended(step) for step in (390, 391, 781, 782)] == [0, 1, 1, 2]


def test_a_cycle_of_ten_epochs_ends_with_its_short_batch() -> None:
    run = timeline(50_000, 128, "182ep", cycle=10)

    assert run.num_steps == 18 * 3907 + 782
    assert len(run.positions(3906)) == 500_000 - 3906 * 128
    assert run.positions(3907).start == 500_000
    assert run.positions(run.num_steps - 1).stop == 9_100_000


def test_any_timeline_reads_the_stream_without_gap_or_overlap() -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(200):
        samples, batch = rng.randrange(1, 40), rng.randrange(1, 50)
        epochs, cycle = rng.randrange(1, 9), rng.randrange(0, 4)
        run = timeline(samples, batch, f"{epochs}ep", cycle)
        parts = [run.positions(step) for step in range(run.num_steps)]
        assert [p for part in parts for p in part] == list(range(parts[-1].stop))
        assert all(parts)
        assert parts[-1].stop == epochs * samples if cycle else parts[-1].stop >= epochs * samples


@pytest.mark.parametrize(
    ("length", "tail", "cycle", "first"),
    [
        ("200ep", "20ep", 0, 78_125 - 7_813),  # of 390.625 steps an epoch
        ("200ep", "20ep", 1, 180 * 391),
        ("64000st", "1000st", 0, 63_000),
        ("5ep", "0ep", 0, 1_954),
        ("5ep", "9ep", 0, 0),
    ],
)
def test_the_last_part_of_a_run_begins_with_a_step(length: str, tail: str, cycle: int, first: int) -> None:
    assert timeline(50_000, 128, length, cycle).start_of_last(Duration.parse(tail)) == first


def test_steps_outside_the_run_are_refused() -> None:
    with pytest.raises(UsageError, match="outside the run of 2 steps"):
        timeline(10, 5, "1ep").positions(2)


def test_wrong_numbers_are_all_named_at_once() -> None:
    with pytest.raises(UsageError, match=r"num_samples .* got 0; batch .* got 0"):
        timeline(0, 0, "1ep")


@pytest.mark.parametrize(
    ("text", "count", "unit"),
    [("90ep", 90, "ep"), ("64000st", 64_000, "st"), ("7", 7, "st"), ("1 epoch", 1, "ep")],
)
def test_durations_are_read(text: str, count: int, unit: str) -> None:
    assert Duration.parse(text) == Duration(count, unit)


def test_numbers_for_people() -> None:
    assert [format_seconds(s) for s in (0.84, 42, 185, 3725)] == ["0.8 s", "42 s", "3:05", "1:02:05"]
    assert [format_bytes(b) for b in (12, 1536, 3 * 2**30)] == ["12 B", "1.5 KiB", "3.0 GiB"]
    assert [format_count(c) for c in (7, 269_722, 40.6e6)] == ["7", "269.7 k", "40.6 M"]
