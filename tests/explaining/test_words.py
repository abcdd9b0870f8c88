"""What is said of the pictures follows from the numbers, also where these show the contrary of the papers."""

from collections.abc import Sequence
from typing import Any

import pytest

from resnetlab.explaining.words import valleys, words_of


def network(kind: str, depth: int, wrong: int, **values: Any) -> dict[str, Any]:
    """A network with so many errors on 1,000 training and 200 test images."""
    return {
        "name": f"{kind}{depth}",
        "kind": kind,
        "depth": depth,
        "parameters": 100 * depth,
        "first_weights": f"{depth}",
        "train": {"wrong": wrong, "seen": 1000},
        "test": {"wrong": wrong // 5, "seen": 200},
        "start": [{"signal": 0.5, "gradient": 1.0}] * 3,
        "around": {"places": [-1.0, -0.5, 0.0, 0.5, 1.0], "losses": [[3.0, 1.0, 0.1, 0.6, 3.0]] * 2},
        "between": {"places": [0.0, 0.5, 1.0], "losses": [2.4, 1.0, 0.1]},
        **values,
    }


def said(networks: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    return words_of({"networks": networks, "data": {"classes": 10}})


def four(plain: tuple[int, int], residual: tuple[int, int], **of_deep_plain: Any) -> list[dict[str, Any]]:
    return [
        network("plain", 8, plain[0]),
        network("plain", 20, plain[1], **of_deep_plain),
        network("residual", 8, residual[0]),
        network("residual", 20, residual[1]),
    ]


@pytest.mark.parametrize(
    ("plain", "residual", "expected"),
    [
        (
            (30, 400),
            (30, 10),
            [
                "Without shortcuts more layers make it worse: plain8 errs on 3.0 %, plain20 on 40.0 % of the"
                " training images in the last epoch.",
                "With shortcuts more layers make it better: residual8 errs on 3.0 %, residual20 on 1.0 %.",
                "Of the two with 20 layers, the one with shortcuts is better by more than chance.",
            ],
        ),
        (
            (30, 10),
            (30, 400),
            [
                "Without shortcuts more layers make it better here: plain8 errs on 3.0 %, plain20 on 1.0 % of"
                " the training images in the last epoch.",
                "The degradation that the first paper found does not show in these runs.",
                "With shortcuts more layers make it worse too: residual8 errs on 3.0 %, residual20 on"
                " 40.0 %.",
                "Of the two with 20 layers, the one without shortcuts is better in these runs.",
            ],
        ),
        (
            (30, 33),
            (30, 27),
            [
                "Without shortcuts more layers make no difference beyond chance: plain8 errs on 3.0 %,"
                " plain20 on 3.3 % of the training images in the last epoch.",
                "The degradation that the first paper found does not show in these runs.",
                "With shortcuts more layers make no difference beyond chance: residual8 errs on 3.0 %,"
                " residual20 on 2.7 %.",
                "The two with 20 layers are no further apart than chance can put them.",
            ],
        ),
    ],
)
def test_the_verdict_is_what_the_errors_show(
    plain: tuple[int, int], residual: tuple[int, int], expected: list[str]
) -> None:
    assert said(four(plain, residual))["verdict"] == expected


def test_overfitting_is_ruled_out_only_where_training_images_do_it() -> None:
    ruled_out = "plain20 is worse on the very images that it learns from, and on the test images too."

    assert ruled_out in said(four((30, 400), (30, 30)))["errors"][-1]
    assert not [each for each in said(four((30, 33), (30, 30)))["errors"] if "overfitting" in each]
    only_tested = four((30, 400), (30, 30))
    for each in only_tested:
        each["train"] = None
    assert not [each for each in said(only_tested)["errors"] if "overfitting" in each]
    assert said(only_tested)["verdict"][0].endswith(
        "plain8 errs on 3.0 %, plain20 on 40.0 % of the test images."
    )


def test_growth_of_the_gradient_is_told_in_all_and_from_unit_to_unit() -> None:
    grown = [{"signal": 0.5, "gradient": value} for value in (144.0, 12.0, 1.0)]

    start = said(four((1, 1), (1, 1), start=grown))["start"]

    assert "1.0 in plain8, 144 in plain20, 1.0 in residual8, 1.0 in residual20." in start[0]
    assert (
        "With 20 layers that is +1100 % from unit to unit without shortcuts, and +0 % with them." in start[1]
    )
    assert start[2] == "It vanishes in none of the four."


def test_a_gradient_that_vanishes_is_said_to() -> None:
    shrunken = [{"signal": 0.5, "gradient": value} for value in (0.01, 0.1, 1.0)]

    start = said(four((1, 1), (1, 1), start=shrunken))["start"]

    assert "0.01 in plain20" in start[0]
    assert start[1] == "With 20 layers it grows more with shortcuts than without in these runs."
    assert start[2] == "It becomes much smaller on its way in plain20."


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        (
            [3.0, 2.0, 0.1, 2.2, 3.0],
            "Without shortcuts it is steeper around the end: plain20 rises by 2.00, ",
        ),
        (
            [3.0, 0.1, 0.1, 0.1, 3.0],
            "With shortcuts it is steeper around the end in these runs: plain20 rises",
        ),
        (
            [3.0, 0.9, 0.1, 0.9, 3.0],
            "Of the deeper two, neither is much steeper around the end in these runs: ",
        ),
        ([3.0, 2.4, 2.2, 2.4, 3.0], "plain20 did not come down far: guessing has a loss of 2.30."),
    ],
)
def test_steepness_is_the_mean_rise_of_all_lines_and_both_sides(losses: list[float], expected: str) -> None:
    around = {"places": [-1.0, -0.5, 0.0, 0.5, 1.0], "losses": [losses, losses]}

    found = said(four((1, 1), (1, 1), around=around))["around"]

    assert "plain8 0.10 and 0.80" in found[0]
    assert found[1].startswith(expected)


def test_a_second_valley_is_told_and_the_end_of_a_line_is_none() -> None:
    assert valleys([3.0, 1.0, 0.1, 0.1, 2.0, 1.5]) == 1
    assert valleys([3.0, 1.0, 2.0, 0.1, 2.0]) == 2
    around = {"places": [-1.0, -0.5, 0.0, 0.5, 1.0], "losses": [[3.0, 1.0, 2.0, 0.1, 2.0]]}

    assert said(four((1, 1), (1, 1)))["around"][-1].startswith("Each of the 8 lines has one valley")
    assert (
        said(four((1, 1), (1, 1), around=around))["around"][-1] == "Lines with more than one valley: plain20."
    )


def test_the_way_from_start_to_end_is_told_with_what_rises_on_it() -> None:
    way = {"places": [0.0, 0.5, 1.0], "losses": [2.4, 2.9, 0.1]}

    assert said(four((1, 1), (1, 1)))["between"][-1] == "In none does it rise above its start."
    assert said(four((1, 1), (1, 1), between=way))["between"][-1] == (
        "It rises above its start in plain20 to 2.90 at 0.5 of the way."
    )
