"""The machine one is at, from numbers that were measured on it: by hand."""

import pytest

from resnetlab.forecast.here import Measured, assumptions_here, at_once, machine_here

ONE = Measured(processes=1, threads=1, samples=64, step=0.5, score=0.002)
TWO = Measured(processes=2, threads=1, samples=32, step=0.25, score=0.003, reduction=0.020, small=0.004)


def test_what_was_measured_is_assumed_under_names_that_say_of_what() -> None:
    assumed = assumptions_here([ONE, TWO], 2)

    texts = {each.name: each.text for each in assumed}
    assert texts["step_1x64"] == "500 ms"
    assert texts["sum_2x32"] == "20 ms"
    assert texts["small_sum_2x32"] == "4 ms"
    assert "sum_1x64" not in texts
    sources = {each.name: each.source for each in assumed}
    assert sources["step_1x64"] == "measured here: 1 process of 1 thread at once, 64 samples each"
    assert sources["step_2x32"].startswith("measured here: 2 processes of 1 thread at once")


def test_as_many_as_were_measured_take_what_was_measured() -> None:
    assumed = assumptions_here([ONE, TWO], 2)

    one = machine_here(ONE, assumed, title="here", devices=1, num_bytes=10**6, memory=0)
    two = machine_here(TWO, assumed, title="here", devices=2, num_bytes=10**6, memory=0)

    assert (one.shard_seconds(64), one.crowding, one.fabric.tree_seconds(1e6, 1)) == (0.5, 1, 0)
    assert (two.shard_seconds(32), two.score_seconds) == (0.25, 0.003)
    assert two.fabric.tree_seconds(10**6, 2) == pytest.approx(0.020)
    assert two.shard_seconds(31) == pytest.approx(0.25 * 31 / 32)


def test_more_than_were_measured_share_what_they_have() -> None:
    four = machine_here(TWO, assumptions_here([TWO], 2), title="here", devices=4, num_bytes=10**6, memory=0)

    assert four.crowding == 2
    assert four.shard_seconds(32) == 0.5
    assert four.score_seconds == pytest.approx(0.006)
    assert four.fabric.tree_seconds(10**6, 4) == pytest.approx(2 * 2 * 0.020)  # two rounds, twice as slow


def test_a_run_whose_images_are_smaller_for_a_while_takes_its_share_of_what_was_measured() -> None:
    assumed = assumptions_here([TWO], 2)
    machine = machine_here(TWO, assumed, title="", devices=2, num_bytes=10, memory=0, smaller=0.75)

    assert machine.shard_seconds(32) == 0.75 * 0.25
    assert machine.score_seconds == 0.003


def test_a_measured_number_can_be_put_right() -> None:
    assumed = assumptions_here([TWO], 2).replaced(["step_2x32=100"])

    assert machine_here(TWO, assumed, title="", devices=2, num_bytes=10, memory=0).shard_seconds(32) == 0.1


@pytest.mark.parametrize(
    ("devices", "cores", "threads", "expected"),
    [
        (1, 8, "", (1, 8)),
        (2, 8, "", (2, 4)),
        (3, 8, "", (3, 2)),
        (16, 8, "", (8, 1)),
        (4, 8, "1", (4, 1)),
        (4, 2, "1", (2, 1)),
        (4, 8, "4", (2, 4)),
        (2, 2, "2", (2, 2)),  # they crowd each other while they are measured
        (1, 2, "4,2", (1, 4)),
        (4, 1, "", (2, 1)),
        (2, 4, "many", (2, 2)),
    ],
)
def test_as_many_are_measured_as_there_is_room_for(
    devices: int, cores: int, threads: str, expected: tuple[int, int]
) -> None:
    assert at_once(devices, cores, threads) == expected
