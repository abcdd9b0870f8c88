"""So many requests of a client in a second, whatever others do."""

import pytest

from resnetlab.base.pages.exchange import Refused
from resnetlab.trained.serving import limits
from resnetlab.trained.serving.limits import Rate


def test_a_client_has_two_seconds_of_requests_and_then_so_many_in_each() -> None:
    now = 0.0
    rate = Rate(2, now=lambda: now)

    def taken(client: str) -> int:
        for count in range(100):
            try:
                rate.take(client)
            except Refused:
                return count
        return 100

    assert [taken("a"), taken("a"), taken("b")] == [4, 0, 4]
    now = 1.0
    assert [taken("a"), taken("b")] == [2, 2]
    now = 1000.0
    assert taken("a") == 4


def test_no_rate_counts_nothing() -> None:
    rate = Rate(0)

    for _ in range(1000):
        rate.take("a")


def test_clients_are_not_remembered_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST_CLIENTS", 2)
    now = 0.0
    rate = Rate(1, now=lambda: now)
    for client in ("a", "a", "b", "c"):
        rate.take(client)

    for client in ("b", "c"):  # which are remembered: one is left of two
        rate.take(client)
        with pytest.raises(Refused):
            rate.take(client)
    rate.take("a")
    rate.take("a")  # it was forgotten
