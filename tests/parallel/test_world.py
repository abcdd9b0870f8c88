"""What processes of one run say to each other."""

import platform
from typing import Any

import pytest

from resnetlab.base.share import Share
from resnetlab.errors import DataError, UsageError
from resnetlab.parallel.place import Place
from resnetlab.parallel.world import ALONE, join
from tests.kit.worlds import place, results

HOST = platform.node()


@pytest.fixture(scope="module", params=[2, 4])
def talks(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """What each of so many processes said and heard."""
    return results(request.param, "talk")


def _name(rank: int, talks: list[Any]) -> str:
    return f"process {rank} of {len(talks)} ({HOST})"


def _same_at_all(talks: list[Any], key: str) -> Any:
    assert [talk[key] for talk in talks] == [talks[0][key]] * len(talks)
    return talks[0][key]


def test_each_process_knows_its_place_and_its_shards(talks: list[Any]) -> None:
    size = len(talks)
    assert [talk["name"] for talk in talks] == [_name(rank, talks) for rank in range(size)]
    assert [talk["is_first"] for talk in talks] == [True] + [False] * (size - 1)
    assert [talk["share"] for talk in talks] == [[r * 12 // size, 12 // size, 12] for r in range(size)]
    kind, message, code = _same_at_all(talks, "undivided")
    assert (kind, code) == ("UsageError", 2)
    assert f"{size} processes do not divide the 5 shards" in message
    assert "among 1 or 5 processes" in message


def test_values_of_all_are_gathered_in_order(talks: list[Any]) -> None:
    found = _same_at_all(talks, "gathered")
    assert found == [{"rank": rank, "square": rank * rank} for rank in range(len(talks))]


def test_what_the_first_makes_all_get_or_its_error(talks: list[Any]) -> None:
    assert _same_at_all(talks, "first") == ["made by", 0]
    assert _same_at_all(talks, "first fails") == ["DataError", "it is torn\nFetch it again.", 3]
    at_first, *at_others = [talk["first is foreign"] for talk in talks]
    message = "integer division or modulo by zero"
    assert at_first == ["ZeroDivisionError", message, None]
    assert at_others == [["ResnetlabError", f"ZeroDivisionError: {message}", 1]] * len(at_others)


def test_an_error_of_any_is_raised_by_all_and_names_the_process(talks: list[Any]) -> None:
    second = _name(1, talks)
    assert [talk["all do"] for talk in talks] == [*range(1, len(talks) + 1)]
    assert _same_at_all(talks, "second fails") == [
        "DataError", f"{second}: it is torn\nFetch it again.", 3,
    ]  # fmt: skip
    kind, message, code = _same_at_all(talks, "second is foreign")
    assert (kind, code) == ("ResnetlabError", 1)
    assert message == f"{second}: ZeroDivisionError: integer division or modulo by zero"


def test_an_error_that_all_have_names_none_and_different_ones_name_all(talks: list[Any]) -> None:
    assert _same_at_all(talks, "all fail alike") == ["DataError", "it is torn\nFetch it again.", 3]
    kind, message, _ = _same_at_all(talks, "all fail")
    assert kind == "DataError"
    for rank in range(len(talks)):
        assert f"{_name(rank, talks)}: file {rank}" in message.splitlines()


def test_processes_that_differ_are_refused_and_every_difference_is_named(talks: list[Any]) -> None:
    assert _same_at_all(talks, "agree") == ["nothing", None]
    kind, message, code = _same_at_all(talks, "differ")
    assert (kind, code) == ("UsageError", 2)
    told = [line.strip() for line in message.splitlines() if "data is" in line]
    assert told == [
        f"{_name(rank, talks)}: data is abc1, and abc0 at {_name(0, talks)}"
        for rank in range(1, len(talks), 2)
    ]
    assert "torch is" not in message


def test_what_one_wants_all_hear_at_the_next_pulse(talks: list[Any]) -> None:
    assert _same_at_all(talks, "pulses") == [False, False, False, True, False]


def test_alone_every_method_answers_at_once() -> None:
    def refuse() -> int:
        raise DataError("torn")

    assert (ALONE.rank, ALONE.size, ALONE.is_first) == (0, 1, True)
    assert ALONE.share_of(6) == Share.whole(6)
    assert ALONE.gather(3) == [3]
    assert ALONE.from_first(lambda: 4) == ALONE.together(lambda: 4) == 4
    ALONE.agree({"torch": "2"})
    assert (ALONE.pulse(True), ALONE.pulse(False)) == (True, False)
    with pytest.raises(DataError, match="torn"):
        ALONE.together(refuse)
    ALONE.close()


def test_without_the_variables_of_torchrun_and_in_a_world_of_one_a_process_is_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert join() is ALONE
    for name, value in place(0, 1, 29500).items():
        monkeypatch.setenv(name, value)
    assert join() is ALONE


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"WORLD_SIZE": "", "MASTER_ADDR": ""}, ["WORLD_SIZE is not set", "MASTER_ADDR is not set"]),
        ({"RANK": "one"}, ["RANK is 'one', no whole number"]),
        ({"RANK": "2"}, ["RANK is 2, and WORLD_SIZE only 2: they begin at 0"]),
        ({"LOCAL_RANK": "-1"}, ["LOCAL_RANK is '-1', no whole number"]),
        ({"LOCAL_WORLD_SIZE": "4"}, ["LOCAL_WORLD_SIZE is 4, and WORLD_SIZE only 2"]),
        ({"MASTER_PORT": "70000"}, ["MASTER_PORT is 70000, and no port"]),
    ],
)
def test_variables_that_cannot_be_are_refused_and_all_are_named(
    changed: dict[str, str], told: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        Place.from_environment(place(1, 2, 29500) | changed)

    assert all(text in str(caught.value) for text in told)
    assert "torchrun sets" in str(caught.value)
