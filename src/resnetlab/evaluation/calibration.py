"""How far the probabilities of answers can be believed. No torch.

Source: Guo et al., 2017, arXiv:1706.04599, equations 2, 3 and 9.
Axes: N images, K logits.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from resnetlab.evaluation.answers import Array

NAME = "calibration.json"
BINS = 15
LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.05, 20.0
"""Where the answers are all right, or all wrong, none is the best."""

_CLOSE = 1e-7
_MOST_ITERATIONS = 100


@dataclass(frozen=True)
class Bin:
    """The images whose answer has a probability in (i / 15, (i + 1) / 15]."""

    count: int
    confidence: float
    """Mean probability of the answers; 0 without images."""
    accuracy: float
    """Share of right ones; 0 without images."""


@dataclass(frozen=True)
class Calibration:
    """How far the probabilities are off, and what dividing the logits by one number makes of it."""

    bins: tuple[Bin, ...]
    ece: float
    """Expected calibration error: the mean over images of |confidence - accuracy| of their bin."""
    temperature: float
    """What the logits are divided by so that the mean loss is least."""
    ece_after: float
    """The expected calibration error with it."""
    fitted_on: str
    """What images the temperature is from."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def calibration_of(
    confidence_N: Array,
    correct_N: Array,
    logits_MK: Array,
    truth_M: Array,
    *,
    fitting: tuple[Array, Array] | None = None,
    fitted_on: str,
) -> Calibration:
    """Return the calibration of answers.

    Args:
        confidence_N: The answers' probabilities.
        correct_N: Which are right.
        logits_MK: The logits of some of these images, or of all.
        truth_M: Their classes.
        fitting: Logits and classes of the images that the temperature is from; None: of these same ones.
        fitted_on: Which these are, in words.
    """
    bins = bins_of(confidence_N, correct_N)
    temperature = fit_temperature(*(fitting or (logits_MK, truth_M)))
    scaled = logits_MK.astype(np.float64) / temperature
    after = bins_of(softmax(scaled).max(1), scaled.argmax(1) == truth_M)
    return Calibration(tuple(bins), expected_error(bins), temperature, expected_error(after), fitted_on)


def bins_of(confidence_N: Array, correct_N: Array) -> list[Bin]:
    """Return the bins of answers by their probability."""
    confidence_N = confidence_N.astype(np.float64)
    numbers_N = np.clip(np.ceil(confidence_N * BINS).astype(np.int64) - 1, 0, BINS - 1)
    counts = np.bincount(numbers_N, minlength=BINS)
    sums = (np.bincount(numbers_N, weights=each, minlength=BINS) for each in (confidence_N, correct_N))
    confidences, accuracies = (each / np.maximum(counts, 1) for each in sums)
    rows = zip(counts.tolist(), confidences.tolist(), accuracies.tolist(), strict=True)
    return [Bin(*row) for row in rows]


def expected_error(bins: Sequence[Bin]) -> float:
    """Return the mean over images of |confidence - accuracy| of their bin."""
    total = sum(each.count for each in bins)
    return float(sum(each.count * abs(each.confidence - each.accuracy) for each in bins) / total)


def fit_temperature(logits_NK: Array, truth_N: Array) -> float:
    """Return the temperature with which the mean cross-entropy is least.

    That is convex in 1 / temperature: Newton's method, halving where it would leave the interval that
    holds the least.
    """
    logits_NK = logits_NK.astype(np.float64)
    of_truth_N = logits_NK[np.arange(len(truth_N)), truth_N]
    low, high = 1 / MOST_TEMPERATURE, 1 / LEAST_TEMPERATURE
    factor = 1.0
    for _ in range(_MOST_ITERATIONS):
        probabilities_NK = softmax(factor * logits_NK)
        mean_N = (probabilities_NK * logits_NK).sum(1)
        slope = float((mean_N - of_truth_N).mean())
        curvature = float(((probabilities_NK * logits_NK**2).sum(1) - mean_N**2).mean())
        low, high = (factor, high) if slope < 0 else (low, factor)
        following = factor - slope / curvature if curvature > 0 else low
        if not low < following < high:
            following = (low * high) ** 0.5
        if abs(following - factor) <= _CLOSE * factor:
            break
        factor = following
    return float(1 / factor)


def softmax(logits_NK: Array) -> Array:
    """Return the probabilities (N, K)."""
    powers_NK = np.exp(logits_NK - logits_NK.max(1, keepdims=True))
    return np.asarray(powers_NK / powers_NK.sum(1, keepdims=True))
