"""Curves as text: what stands where, in every width, in Braille and in ASCII."""

import pytest

from resnetlab.base.lettering import Letters, letters_of
from resnetlab.reporting.curves import RateCurve
from resnetlab.reporting.text_chart import curve_text, rate_text

Row = dict[str, object]


def evaluation(step: int, error: float, kind: str = "test") -> Row:
    return {"kind": kind, "step": step, "epoch": step / 10, "accuracy": 1 - error / 100}


def training(step: int, error: float) -> Row:
    return {"kind": "train", "step": step, "train_accuracy": 1 - error / 100}


FALLING = [
    row for n in range(1, 11) for row in (training(10 * n, 60 - 5 * n), evaluation(10 * n, 80 - 6 * n))
]


def text_of(rows: list[Row], **how: object) -> str:
    chart = curve_text(rows, **how)  # type: ignore[arg-type]
    assert chart is not None
    return str(chart)


def test_a_curve_in_braille_has_its_errors_at_its_ends() -> None:
    assert text_of(FALLING, width=64).splitlines() == [
        "80 ┤   ⠠⢄⣀⡀",
        "   │      ⠈⠉⠒⠒⠤⢄⣀",
        "   │  ⠂⠂⠄⠄⡀⡀⡀    ⠉⠉⠒⠒⠤⠤⣀⡀",
        "40 ┤         ⠁⠁⠂⠂⠄⠄⡀⡀   ⠈⠉⠑⠒⠤⠤⣀⡀",
        "   │                 ⠁⠁⠂⠂⠄⠄⡀⡀⡀ ⠈⠉⠑⠒⠤⢄⣀⡀  test error 20.00 %",
        "   │                          ⠁⠁⠂⠂⠄⠄⡀⡀⠈⠉ training error 10.00 %",
        " 0 ┤                                  ⠁",
        "   └────────────────────────────────────",
        "    0                          10 epochs",
    ]


def test_an_encoding_without_braille_gets_letters_that_it_has() -> None:
    text = text_of(FALLING, width=64, letters="ascii", height=5)

    assert text.isascii()
    assert text.splitlines() == [
        "80 |   ***",
        "   | .... ************",
        "40 |     .............************",
        "   |                    ..........****** test error 20.00 %",
        " 0 |                                  .  training error 10.00 %",
        "   +------------------------------------",
        "    0                          10 epochs",
    ]


@pytest.mark.parametrize("letters", ["braille", "ascii"])
@pytest.mark.parametrize("kind", ["test", "val"])
def test_a_curve_fits_every_width_and_keeps_its_numbers(letters: Letters, kind: str) -> None:
    rows = [row | {"kind": kind} if row["kind"] == "test" else row for row in FALLING]
    for width in (*range(34, 140), 200):
        lines = text_of(rows, width=width, letters=letters).splitlines()
        assert max(map(len, lines)) <= width
        assert any(f"{'test' if kind == 'test' else 'validation'} error 20.00 %" in line for line in lines)
        assert any("training error 10.00 %" in line for line in lines)


def test_a_run_on_its_way_fills_its_share_of_the_axis() -> None:
    whole, half = (text_of(FALLING, width=80, num_steps=steps).splitlines() for steps in (100, 200))

    assert "10 epochs" in whole[-1]
    assert "20 epochs" in half[-1]
    reach = [max(len(line.partition(" test")[0].partition(" training")[0].rstrip()) for line in lines[:-2])
             for lines in (whole, half)]  # fmt: skip
    assert reach[1] - 4 == pytest.approx((reach[0] - 4) / 2, abs=1)


def test_a_single_evaluation_is_seen() -> None:
    text = text_of([training(5, 60.0), training(10, 50.0), evaluation(10, 25.0)], width=64, num_steps=20)

    dots = [chr(0x2800 + mask) for mask in range(1, 256)]
    assert sum(text.count(letter) * ord(letter).bit_count() for letter in dots) >= 4
    assert "test error 25.00 %" in text


def test_a_long_run_is_seen_from_its_second_half_on_and_a_short_one_whole() -> None:
    def curve(count: int) -> str:
        errors = [90.0 if n < count / 2 else 5.0 for n in range(1, count + 1)]
        return text_of([evaluation(10 * (n + 1), error) for n, error in enumerate(errors)], width=64)

    assert curve(10).startswith("100 ┤")
    assert curve(100).startswith("6 ┤")


def test_errors_far_apart_get_an_axis_of_powers() -> None:
    errors = [80.0, 20.0, 4.0, 1.0, 0.3, 0.1]
    lines = text_of([evaluation(10 * n, error) for n, error in enumerate(errors, 1)], width=70).splitlines()

    assert [line.split()[0] for line in (lines[0], lines[6])] == ["80", "0.1"]


def test_nothing_evaluated_is_no_curve() -> None:
    assert curve_text([], width=80) is None
    assert curve_text([training(10, 50.0), training(20, 40.0)], width=80) is None
    assert curve_text([training(10, 50.0), evaluation(10, 50.0)], width=80) is None, "nor are two points one"


@pytest.mark.parametrize(
    ("encoding", "terminal", "letters"),
    [
        ("utf-8", "xterm-256color", "braille"),
        ("UTF-16", "", "braille"),
        ("utf-8", "linux", "ascii"),
        ("latin-1", "xterm", "ascii"),
        ("cp437", "", "ascii"),
        ("ascii", "xterm", "ascii"),
        (None, "", "braille"),
        ("no-such-encoding", "", "ascii"),
    ],
)
def test_braille_is_for_terminals_that_show_it(encoding: str | None, terminal: str, letters: Letters) -> None:
    assert letters_of(encoding, terminal) == letters


def range_test(**changes: object) -> RateCurve:
    """Of 41 rates over four decades: falling from 2 to 1 at 0.1, and rising behind 1."""
    rates = tuple(10 ** (-3 + step / 10) for step in range(41))
    losses = tuple(2.0 if rate < 0.1 else 1.0 if rate < 1 else 3.0 for rate in rates)
    known = {"rates": rates, "losses": losses, "smoothed": losses, "suggested": 0.3, "diverges": 1.0}
    return RateCurve(**{**known, "high": 10.0, "is_log": True, **changes})  # type: ignore[arg-type]


def test_the_losses_of_a_range_test_stand_over_their_rates_with_the_suggested_one_marked() -> None:
    assert str(rate_text(range_test(), width=66, height=5, letters="ascii")).splitlines() == [
        " 2.5 |                                   *             smoothed",
        "     |***********************            *             each batch",
        "1.25 |                       ************",
        "     |",
        "   0 |",
        "     +------------------------------------------------",
        "                                   ^ 0.3",
        "      0.001     0.01         0.1         1          10",
    ]


@pytest.mark.parametrize("letters", ["braille", "ascii"])
def test_a_range_test_fits_every_width(letters: Letters) -> None:
    for width in (*range(34, 140), 200):
        lines = str(rate_text(range_test(), width=width, letters=letters)).splitlines()
        assert max(map(len, lines)) <= width
        assert any("0.3" in line for line in lines)
        assert {"smoothed", "each batch"} <= {
            word for word in ("smoothed", "each batch") for line in lines if word in line
        }


def test_a_suggestion_at_the_end_of_the_axis_is_told_before_its_mark() -> None:
    lines = str(rate_text(range_test(suggested=10.0), width=66, letters="ascii")).splitlines()

    assert any(line.endswith("10 ^") for line in lines)
