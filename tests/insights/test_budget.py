"""Work in pieces that fit into so many seconds, on a clock that the test moves."""

from types import SimpleNamespace

import pytest

from resnetlab.insights import budget
from resnetlab.insights.budget import Budget, paced


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def worked(clock: Clock, count: int, seconds: float, each: float, most: int = 8) -> list[int]:
    """The sizes of the pieces of so many items that take so long each; they come in their order."""
    sizes, items = [], [*range(count)]
    for part in paced(items, Budget(seconds), most):
        assert [*part] == items[sum(sizes) : sum(sizes) + len(part)]
        sizes.append(len(part))
        clock.now += each * len(part)
    return sizes


def test_what_fits_in_is_done_in_pieces_that_grow(clock: Clock) -> None:
    assert worked(clock, 30, 1e6, 1.0) == [1, 4, 8, 8, 8, 1]
    assert worked(clock, 30, float("inf"), 0.0, most=64) == [1, 4, 16, 9]


def test_the_time_is_kept_to_within_one_item(clock: Clock) -> None:
    started = clock.now

    sizes = worked(clock, 1000, 10.0, 0.3, most=64)

    assert 10.0 <= clock.now - started <= 10.3
    assert sum(sizes) == round((clock.now - started) / 0.3)


def test_an_item_that_takes_longer_than_all_is_the_only_one(clock: Clock) -> None:
    assert worked(clock, 5, 1.0, 50.0) == [1]
    assert worked(clock, 5, 0.0, 1.0) == []


def test_a_part_is_of_what_is_left(clock: Clock) -> None:
    whole = Budget(10.0)
    clock.now += 4.0

    part = whole.part(0.5)
    clock.now += 2.0

    assert (part.left, whole.left, whole.spent) == (1.0, 4.0, 6.0)
