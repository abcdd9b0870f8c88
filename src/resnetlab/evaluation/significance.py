"""What chance can make of a difference: Student's t, Welch's interval, exact tests, Holm. In plain Python.

SciPy is checked against in the tests and not needed here.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.05
"""A p below it is called more than chance; intervals have the rest, 95 %."""

_MOST_TERMS = 1_000_000
_TINY = 1e-300


def wilson_interval(correct: int, seen: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share.

    Source: Wilson, 1927, "Probable inference"; z is the normal distribution's 97.5 % point.
    """
    share = correct / seen
    centre = share + z * z / (2 * seen)
    spread = z * math.sqrt(share * (1 - share) / seen + z * z / (4 * seen * seen))
    return (centre - spread) / (1 + z * z / seen), (centre + spread) / (1 + z * z / seen)


def difference_interval(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    """Return the 95 % confidence interval of the second share minus the first, of different samples.

    Source: Newcombe, 1998, "Interval estimation for the difference between independent proportions",
    method 10.

    Args:
        first: How many, of how many.
        second: The same.
    """
    (a, m), (b, n) = first, second
    (low, high), (below, above) = wilson_interval(a, m), wilson_interval(b, n)
    share, other = a / m, b / n
    return (
        other - share - math.hypot(other - below, high - share),
        other - share + math.hypot(above - other, share - low),
    )


def incomplete_beta(a: float, b: float, x: float, y: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b); y is 1 - x, which the caller knows exactly.

    The relative error is below 2e-8 for a and b up to a million. Source: NIST DLMF 8.17.22, the continued
    fraction, by Lentz's method; it is quick for x up to (a + 1) / (a + b + 2), and I_x(a, b) = 1 - I_y(b, a).
    """
    if x <= 0 or y <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, y, x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(y)
    return math.exp(log_front) * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    """Return the value of the continued fraction of `incomplete_beta`."""
    numerators, found = 1.0, 1 / _off_zero(1 - (a + b) * x / (a + 1))
    denominators = found
    for m in range(1, _MOST_TERMS):
        before = found
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            denominators = 1 / _off_zero(1 + term * denominators)
            numerators = _off_zero(1 + term / numerators)
            found *= denominators * numerators
        if abs(found - before) <= 1e-16 * abs(found):
            break
    return found


def _off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def t_two_sided(t: float, df: float) -> float:
    """Return the probability that Student's t with `df` degrees of freedom is at least `t` away from 0.

    Source: Abramowitz and Stegun, 1964, 26.7.1.
    """
    if math.isinf(t):
        return 0.0
    whole = df + t * t
    return incomplete_beta(df / 2, 0.5, df / whole, t * t / whole)


def t_point(level: float, df: float) -> float:
    """Return the two-sided point: Student's t is further away from 0 than it with this probability."""
    low, high = 0.0, 1.0
    while t_two_sided(high, df) > level:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if t_two_sided(middle, df) > level else (low, middle)
    return high


@dataclass(frozen=True, kw_only=True)
class Welch:
    """A difference of two means, and what chance makes of it."""

    difference: float
    half_width: float
    """Of the 95 % interval."""
    df: float
    """Degrees of freedom."""
    p: float
    """Two-sided."""

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the difference."""
        return self.difference - self.half_width, self.difference + self.half_width


def welch_test(first: Sequence[float], second: Sequence[float]) -> Welch | None:
    """Return the mean of the first less that of the second, tested; None if there is no spread to test it by.

    Each needs two values at least; where all of both are the same numbers, nothing says how they scatter.
    Source: Welch, 1947, "The generalization of 'Student's' problem"; degrees of freedom:
    Satterthwaite, 1946.
    """
    if min(len(first), len(second)) < 2:
        return None
    difference = statistics.fmean(first) - statistics.fmean(second)
    shares = [statistics.variance(values) / len(values) for values in (first, second)]
    if (error := math.sqrt(math.fsum(shares))) <= 1e-12 * max(map(abs, (*first, *second))):
        return None
    df = 1 / math.fsum(
        (s / math.fsum(shares)) ** 2 / (len(v) - 1) for s, v in zip(shares, (first, second), strict=True)
    )
    return Welch(
        difference=difference,
        half_width=t_point(LEVEL, df) * error,
        df=df,
        p=t_two_sided(difference / error, df),
    )


def mcnemar_test(only_first: int, only_second: int) -> float:
    """Return McNemar's exact p: how often chance alone divides so many so unequally, or more so.

    It is the two-sided binomial test with 1/2 of what one of two got right and the other did not.
    Source: McNemar, 1947, "Note on the sampling error of the difference between correlated proportions".
    """
    few, many = sorted((only_first, only_second))
    if few == many:
        return 1.0
    return min(1.0, 2 * incomplete_beta(many, few + 1, 0.5, 0.5))


def holm(ps: Sequence[float]) -> list[float]:
    """Return the p of several tests, corrected so that all of them together err in 5 % of the cases.

    Source: Holm, 1979, "A simple sequentially rejective multiple test procedure".
    """
    order = sorted(range(len(ps)), key=lambda index: ps[index])
    corrected, least = [0.0] * len(ps), 0.0
    for rank, index in enumerate(order):
        least = max(least, min(1.0, (len(ps) - rank) * ps[index]))
        corrected[index] = least
    return corrected
