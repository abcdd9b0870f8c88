"""From measured rates to the way in which a run is shortest."""

from collections.abc import Mapping

import pytest

from resnetlab.training.choosing.picking import Tried, pick
from resnetlab.training.choosing.trying import images_within
from resnetlab.training.choosing.ways import Way

EAGER, HALF = Way("off", "fp32"), Way("off", "bf16")
NATIVE, BOTH = Way("native", "fp32"), Way("native", "bf16")
MANY = 1e9


def tried(rates: Mapping[Way, float]) -> dict[Way, Tried]:
    return {way: Tried(rate, "" if rate else "wrong numbers") for way, rate in rates.items()}


@pytest.mark.parametrize(
    ("rates", "way", "reason"),
    [
        ({EAGER: 100, HALF: 150, NATIVE: 140, BOTH: 190}, BOTH, "1.9 times eager in fp32 here"),
        ({EAGER: 100, HALF: 210, NATIVE: 140, BOTH: 200}, HALF, "2.1 times eager in fp32 here"),
        ({EAGER: 100, NATIVE: 140}, NATIVE, "1.4 times eager in fp32 here"),
        ({HALF: 100, BOTH: 140}, BOTH, "1.4 times eager in bf16 here"),
        ({NATIVE: 100, BOTH: 150}, BOTH, "1.5 times native kernels in fp32 here"),
        ({EAGER: 100, NATIVE: 102}, EAGER, "native kernels in fp32 1 times as fast here"),
        ({EAGER: 100, NATIVE: 80}, EAGER, "native kernels in fp32 0.8 times as fast here"),
        ({EAGER: 100, NATIVE: 140, BOTH: 150}, NATIVE, "1.4 times eager in fp32 here"),
        (
            {EAGER: 100, HALF: 0, NATIVE: 140, BOTH: 0},
            NATIVE,
            "1.4 times eager in fp32 here; eager in bf16 refused: wrong numbers; "
            "native kernels in bf16 refused: wrong numbers",
        ),
        ({HALF: 0, BOTH: 140}, BOTH, "tried here; eager in bf16 refused: wrong numbers"),
        (
            {EAGER: 0, NATIVE: 0},
            EAGER,
            "eager in fp32 refused: wrong numbers; native kernels in fp32 refused: wrong numbers",
        ),
    ],
)
def test_the_quickest_way_is_taken_that_saves_enough(rates: dict[Way, float], way: Way, reason: str) -> None:
    choice = pick(tried(rates), MANY)

    assert (choice.way, choice.reason) == (way, reason)


def test_bf16_must_save_a_tenth_and_kernels_a_thirtieth() -> None:
    assert pick(tried({EAGER: 100, HALF: 111}), MANY).way == EAGER
    assert pick(tried({EAGER: 100, HALF: 112}), MANY).way == HALF
    assert pick(tried({EAGER: 100, NATIVE: 103}), MANY).way == EAGER
    assert pick(tried({EAGER: 100, NATIVE: 104}), MANY).way == NATIVE


def test_what_torch_compile_makes_is_estimated_and_must_have_time_to_pay() -> None:
    rates = tried({EAGER: 100})

    compiled = [pick(rates, 100 * seconds, can_be_compiled=True).way.compile for seconds in (1200, 1600)]

    assert compiled == ["off", "on"]
    both = pick(tried({EAGER: 100, NATIVE: 140}), MANY, can_be_compiled=True)
    assert both.way == NATIVE


def test_a_study_asks_for_the_best_way_in_one_number_format() -> None:
    choice = pick(tried({EAGER: 100, HALF: 150, NATIVE: 140, BOTH: 190}), MANY, precisions=("fp32",))

    assert choice.way == NATIVE


def test_a_probe_takes_the_runs_own_batch_if_that_is_quick_else_a_power_of_two() -> None:
    found = [images_within(128, affordable, least=2) for affordable in (500.0, 128.0, 127.9, 40.0, 1.5, 0.1)]

    assert found == [128, 128, 64, 32, 2, 2]
    assert images_within(8, 3.0, least=16) == 8
