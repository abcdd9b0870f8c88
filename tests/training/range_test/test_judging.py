"""From the losses of rising rates to a suggestion: where they fall, where they diverge, where neither."""

import math

import numpy as np
import pytest

from resnetlab.training.range_test.judging import has_diverged, judge, smoothed
from resnetlab.training.range_test.rise import Rise
from resnetlab.training.range_test.words import sentences_of

RATES = [10 ** (-4 + 5 * step / 99) for step in range(100)]


def losses(fall_at: float = 0.02, rise_at: float = 0.8, noise: float = 0.0) -> list[float]:
    """Of a network that has learnt half of what it learns at one rate, and lost all of it at another."""
    drawn = np.random.default_rng(0).normal(0, noise, len(RATES))
    fall = [1.4 / (1 + (fall_at / rate) ** 3) for rate in RATES]
    rise = [1.4 * (rate / rise_at) ** 6 for rate in RATES]
    return [2.4 - down + up + each for down, up, each in zip(fall, rise, drawn, strict=True)]


def test_the_rate_lies_between_the_fall_and_the_divergence() -> None:
    judged = judge(RATES, losses(), points=100)

    assert judged.halfway == pytest.approx(0.02, rel=0.15)
    assert judged.diverges == pytest.approx(0.8, rel=0.15)
    assert judged.suggested == pytest.approx(math.sqrt(0.02 * 0.8), rel=0.15)
    assert judged.suggested == float(f"{judged.suggested:.2g}")


def test_what_comes_behind_the_first_divergence_does_not_count() -> None:
    first = losses(rise_at=0.2)
    passed = [3.5 if rate < 1 else 0.5 for rate in RATES]
    both = [
        min(once, 3.5) if rate < 0.3 else later
        for rate, once, later in zip(RATES, first, passed, strict=True)
    ]

    assert judge(RATES, both, points=100).suggested == pytest.approx(
        judge(RATES, first, points=100).suggested, rel=0.1
    )


def test_the_noise_of_batches_changes_little() -> None:
    calm, noisy = (judge(RATES, losses(noise=noise), points=100).suggested for noise in (0.0, 0.15))

    assert calm and noisy
    assert noisy == pytest.approx(calm, rel=0.25)


def test_a_loss_that_does_not_diverge_is_taken_to_where_it_is_lowest() -> None:
    found = judge(RATES, losses(rise_at=1e9), points=100)

    assert found.diverges is None and found.halfway and found.lowest
    assert found.suggested == pytest.approx(math.sqrt(found.halfway * found.lowest), rel=0.05)
    assert "did not diverge up to 10" in " ".join(said(found))


def said(judged: object, not_finite_at: float | None = None) -> list[str]:
    return sentences_of(judged, Rise(low=1e-4, high=10.0), not_finite_at, None)  # type: ignore[arg-type]


def test_a_number_that_is_not_finite_is_where_it_diverges() -> None:
    fallen = losses(rise_at=1e9)[:75]
    found = judge(RATES[:75], fallen, points=100, not_finite_at=RATES[75])

    assert found.diverges == RATES[75] and found.suggested
    assert "not finite" in " ".join(said(found, RATES[75]))


@pytest.mark.parametrize("seen", [[], [2.3] * 3, [2.3] * 100, [2.3 + 0.01 * step for step in range(60)]])
def test_where_nothing_falls_nothing_is_suggested(seen: list[float]) -> None:
    found = judge(RATES[: len(seen)], seen, points=100, not_finite_at=None)

    assert found.suggested is None
    assert said(found)[-1] == "No rate can be suggested."


def test_a_small_fall_is_said_to_tell_little() -> None:
    calm = losses()
    little = [2.4 - 0.25 * (2.4 - loss) for loss in calm]

    assert "rough answer" in " ".join(said(judge(RATES, little, points=100)))
    assert "rough answer" not in " ".join(said(judge(RATES, calm, points=100)))


def test_a_fall_from_the_first_rates_on_asks_for_lower_ones() -> None:
    found = judge(RATES, [max(0.5, 2.4 - 0.9 * step) for step in range(100)], points=100)

    assert found.falls_at_once
    assert "a lower beginning" in " ".join(said(found))


def test_the_test_ends_when_the_loss_has_exploded_and_not_for_a_single_batch() -> None:
    calm = [2.3] * 20
    assert not has_diverged([2.3, 50.0])
    assert not has_diverged([*calm, 9.0])
    assert has_diverged([*calm, 5.0, 6.0, 7.0, 8.0, 9.0])


def test_smoothing_lags_at_neither_side() -> None:
    line = np.arange(50.0)
    bent = np.abs(line - 25)

    assert smoothed(line, 3)[12:38] == pytest.approx(line[12:38], rel=1e-3)
    assert smoothed(bent, 3).argmin() == 25
