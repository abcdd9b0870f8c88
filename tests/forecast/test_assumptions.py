"""What is assumed has a source, and can be replaced by name."""

import pytest

from resnetlab.errors import UsageError
from resnetlab.forecast.assumptions import Assumption, Assumptions
from resnetlab.forecast.kinds import KINDS, find_kind
from resnetlab.forecast.machines import Execution, assumptions_of

ASSUMED = Assumptions(
    [
        Assumption("network", 400, "GB/s", "stated: somewhere"),
        Assumption("launch", 5, "us", "guessed: so"),
        Assumption("memory", 2, "GiB", "stated: elsewhere"),
    ]
)
HOW = Execution(
    precision="fp16", is_compiled=True, is_recorded=False, is_exact=False, numbers_per_weight=3,
    sizes=((224, 224, 1.0),), scored_size=(224, 224),
)  # fmt: skip


def test_numbers_are_given_in_the_units_in_which_they_are_shown() -> None:
    found = ASSUMED.replaced(["network=12.5", "launch = 0"])

    assert (ASSUMED["network"], ASSUMED["memory"]) == (400e9, 2 * 2**30)
    assert (found["network"], found["launch"]) == (12.5e9, 0)
    texts = {each.name: (each.text, each.source) for each in found}
    assert texts["network"] == ("12.5 GB/s", "given; without it 400 GB/s")
    assert texts["memory"] == ("2 GiB", "stated: elsewhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("network", "--assume network: not of the form NAME=VALUE"),
        ("netwrok=3", "nothing called 'netwrok' is assumed here"),
        ("network=0", "network is a number of GB/s above 0"),
        ("network=-1", "network is a number of GB/s above 0"),
        ("network=fast", "network is a number of GB/s above 0"),
        ("network=inf", "network is a number of GB/s above 0"),
        ("network=nan", "network is a number of GB/s above 0"),
    ],
)
def test_what_is_no_assumption_or_no_number_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ASSUMED.replaced([text])


def test_a_wrong_name_is_answered_with_the_nearest_and_a_second_number_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        ASSUMED.replaced(["netwrok=3"])
    assert "network" in caught.value.hint
    with pytest.raises(UsageError, match="network is given twice"):
        ASSUMED.replaced(["network=3", "network=4"])


@pytest.mark.parametrize("name", KINDS)
def test_every_number_of_a_kind_says_how_sure_it_is_and_where_it_is_from(name: str) -> None:
    for assumption in assumptions_of(KINDS[name], HOW):
        sure, colon, where = assumption.source.partition(": ")
        assert sure.split()[0] in {"stated", "published", "measured", "fitted", "guessed"}, assumption
        assert colon and len(where) > 10, assumption
        assert assumption.value > 0, assumption


def test_a_kind_that_is_not_known_is_answered_with_those_that_are() -> None:
    assert find_kind("h100") is KINDS["h100"]
    with pytest.raises(UsageError, match="--device-kind h10") as caught:
        find_kind("h10")
    assert "h100" in caught.value.hint
