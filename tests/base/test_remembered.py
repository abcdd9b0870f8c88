"""What was measured is kept for this machine, and a damaged cache costs a measurement alone."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from resnetlab.base.machine.remembered import machine_facts, remembered


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """A measurement that says how often it was made, with a cache of its own."""
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    times: list[int] = []

    def measure() -> int:
        times.append(1)
        return len(times)

    return measure


def test_the_same_question_is_measured_once(counting: Callable[[], int]) -> None:
    assert [remembered("rates", {"size": 3}, counting) for _ in range(3)] == [1, 1, 1]
    assert remembered("rates", {"size": 4}, counting) == 2
    assert remembered("engines", {"size": 3}, counting) == 3


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[1]", b'{"asked": {}, "answer": 7}', b"\xff", b"[" * 100_000]
)
def test_a_damaged_answer_is_measured_again(
    tmp_path: Path, counting: Callable[[], int], damage: bytes
) -> None:
    remembered("rates", {"size": 3}, counting)
    (path,) = (tmp_path / "cache/measured/rates").iterdir()
    path.write_bytes(damage)
    assert [remembered("rates", {"size": 3}, counting) for _ in range(2)] == [2, 2]
    assert json.loads(path.read_bytes())["answer"] == 2


def test_a_cache_that_cannot_be_written_costs_a_measurement(
    tmp_path: Path, counting: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "file"))
    assert [remembered("rates", {"size": 3}, counting) for _ in range(2)] == [1, 2]


def test_another_machine_is_measured_again(
    counting: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered("rates", {"size": 3}, counting)
    here = machine_facts()
    monkeypatch.setattr(
        "resnetlab.base.machine.remembered.machine_facts", lambda: here | {"processor": "another"}
    )
    assert remembered("rates", {"size": 3}, counting) == 2


def test_what_went_wrong_is_not_kept(counting: Callable[[], int]) -> None:
    wanted = [remembered("steps", {}, counting, is_kept=lambda answer: answer > 2) for _ in range(4)]
    assert wanted == [1, 2, 3, 3]
