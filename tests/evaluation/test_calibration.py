"""Calibration: the bins, their error and the temperature, each restated in plain arithmetic."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from resnetlab.evaluation.calibration import (
    BINS,
    LEAST_TEMPERATURE,
    MOST_TEMPERATURE,
    bins_of,
    calibration_of,
    expected_error,
    fit_temperature,
    softmax,
)

Array = npt.NDArray[np.float64]


def drawn(temperature: float, seed: int, count: int = 4000, classes: int = 5) -> tuple[Array, Array]:
    """Logits that are too sure by that factor, and the classes."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0, 2, (count, classes))
    shares = softmax(honest)
    truth = (shares.cumsum(1) > rng.random((count, 1))).argmax(1)
    return (honest * temperature).astype(np.float32), truth


def loss(logits: Array, truth: Array, temperature: float) -> float:
    total = 0.0
    for row, right in zip((logits.astype(np.float64) / temperature).tolist(), truth.tolist(), strict=True):
        total += math.log(sum(math.exp(each - max(row)) for each in row)) + max(row) - row[right]
    return total / len(logits)


def test_the_error_is_the_mean_distance_of_the_bins() -> None:
    rng = np.random.default_rng(1)
    sure, right = rng.random(1000).astype(np.float32), rng.random(1000) < 0.5
    sure[:4] = (1 / BINS, 1.0, 0.0, np.float32(0.2))

    bins = bins_of(sure, right)

    error = 0.0
    for number, each in enumerate(bins):
        inside = [
            index
            for index, value in enumerate(sure.astype(np.float64))
            if number / BINS < value <= (number + 1) / BINS or (number == 0 and value == 0)
        ]
        assert each.count == len(inside)
        assert each.confidence == pytest.approx(sum(float(sure[index]) for index in inside) / len(inside))
        assert each.accuracy == pytest.approx(sum(bool(right[index]) for index in inside) / len(inside))
        error += len(inside) * abs(each.confidence - each.accuracy)
    assert expected_error(bins) == pytest.approx(error / 1000)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 8.0])
def test_the_temperature_is_where_the_loss_is_least(temperature: float) -> None:
    logits, truth = drawn(temperature, 3)

    found = fit_temperature(logits, truth)

    assert found == pytest.approx(temperature, rel=0.1)  # of 4,000 samples
    optimize = pytest.importorskip("scipy.optimize")
    best = optimize.minimize_scalar(
        lambda log: loss(logits, truth, math.exp(log)), bounds=(-2.5, 2.9), method="bounded",
        options={"xatol": 1e-7},
    )  # fmt: skip
    assert found == pytest.approx(math.exp(best.x), rel=1e-4)


def test_answers_all_right_or_all_wrong_have_a_temperature_at_the_end() -> None:
    logits = np.array([[3.0, 1.0], [2.0, 0.5]], np.float32)

    assert fit_temperature(logits, np.array([0, 0])) == pytest.approx(LEAST_TEMPERATURE, rel=1e-5)
    assert fit_temperature(logits, np.array([1, 1])) == pytest.approx(MOST_TEMPERATURE, rel=1e-5)
    assert math.isfinite(fit_temperature(np.zeros((2, 3), np.float32), np.array([0, 1])))


def test_a_temperature_from_other_images_is_used_on_these() -> None:
    logits, truth = drawn(3.0, 4)
    shares = softmax(logits.astype(np.float64))
    confidence, right = shares.max(1), shares.argmax(1) == truth

    found = calibration_of(confidence, right, logits, truth, fitting=drawn(3.0, 5), fitted_on="others")

    assert found.temperature == fit_temperature(*drawn(3.0, 5)) != fit_temperature(logits, truth)
    scaled = softmax(logits / found.temperature)
    assert found.ece_after == pytest.approx(expected_error(bins_of(scaled.max(1), right)), abs=1e-6)
    assert found.ece_after < 0.03 < 0.1 < found.ece
    assert sum(each.count for each in found.bins) == len(truth)
