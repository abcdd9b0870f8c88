"""Every test of significance against SciPy over wide random arguments, and against published tables."""

import math
import random

import numpy as np
import pytest
from scipy import special, stats

from resnetlab.evaluation.significance import (
    difference_interval,
    holm,
    incomplete_beta,
    mcnemar_test,
    t_point,
    t_two_sided,
    welch_test,
    wilson_interval,
)

SEED = 20261130


def drawn() -> random.Random:
    print(f"seed {SEED}")
    return random.Random(SEED)


def test_the_incomplete_beta_function_is_scipys() -> None:
    generator = drawn()
    for _ in range(2000):
        a, b = (10 ** generator.uniform(-1, 6) for _ in range(2))
        middle, spread = a / (a + b), math.sqrt(a * b) / (a + b) ** 1.5
        x = min(max(generator.gauss(middle, 3 * spread), 1e-12), 1 - 1e-12)
        expected = special.betainc(a, b, x)

        # lgamma of a million is 1e7, which leaves 1e-9 of an exponent
        assert incomplete_beta(a, b, x, 1 - x) == pytest.approx(expected, rel=2e-8, abs=1e-280), (a, b, x)


def test_student_s_t_is_scipys() -> None:
    generator = drawn()
    for _ in range(2000):
        t, df = 10 ** generator.uniform(-8, 3), 10 ** generator.uniform(0, 5)
        expected = 2 * stats.t.sf(t, df)

        assert t_two_sided(t, df) == pytest.approx(expected, rel=1e-9, abs=1e-280), (t, df)
        assert t_two_sided(-t, df) == t_two_sided(t, df)


def test_the_points_of_student_s_t_are_scipys() -> None:
    generator = drawn()
    for _ in range(300):
        level, df = 10 ** generator.uniform(-6, -0.01), 10 ** generator.uniform(0, 5)

        assert t_point(level, df) == pytest.approx(stats.t.isf(level / 2, df), rel=1e-8), (level, df)


@pytest.mark.parametrize(
    ("df", "point"), ((1, 12.706), (2, 4.303), (4, 2.776), (8, 2.306), (10, 2.228), (30, 2.042), (120, 1.980))
)
def test_the_points_are_those_of_the_printed_table(df: int, point: float) -> None:
    """Fisher and Yates, 1938, Statistical Tables, Table III: P = .05."""
    assert round(t_point(0.05, df), 3) == point


def test_welch_is_scipys_with_its_interval() -> None:
    generator = drawn()
    for _ in range(500):
        first, second = (
            [generator.gauss(8, 10 ** generator.uniform(-3, 1)) for _ in range(generator.randint(2, 12))]
            for _ in range(2)
        )
        found, expected = welch_test(first, second), stats.ttest_ind(first, second, equal_var=False)

        assert found is not None
        assert found.p == pytest.approx(expected.pvalue, rel=1e-8)
        assert found.df == pytest.approx(expected.df, rel=1e-9)
        interval = expected.confidence_interval(0.95)
        assert found.interval == pytest.approx((interval.low, interval.high), rel=1e-8, abs=1e-10)


def test_welch_of_one_value_or_of_no_spread_is_none() -> None:
    assert welch_test([1.0], [2.0, 3.0]) is None
    assert welch_test([8.1, 8.1, 8.1], [7.3, 7.3]) is None
    assert welch_test([8.1, 8.1], [7.3, 7.4]) is not None


def test_mcnemar_is_scipys_binomial_test() -> None:
    generator = drawn()
    for _ in range(500):
        count = round(10 ** generator.uniform(0, 6))
        few = min(max(round(generator.gauss(count / 2, math.sqrt(count))), 0), count)
        expected = stats.binomtest(few, count).pvalue

        assert mcnemar_test(few, count - few) == pytest.approx(expected, rel=1e-7), (few, count)
        assert mcnemar_test(count - few, few) == mcnemar_test(few, count - few)


def test_mcnemar_is_the_sum_that_it_stands_for() -> None:
    """Exactly, in whole numbers: all ways to divide as unequally or more so."""
    for first in range(25):
        for second in range(25):
            few, count = min(first, second), first + second
            ways = 2 * sum(math.comb(count, index) for index in range(few + 1)) / 2**count

            assert mcnemar_test(first, second) == pytest.approx(min(1, ways), rel=1e-12)


def test_mcnemar_of_a_published_table() -> None:
    """Agresti, 2002, Categorical Data Analysis, 10.1: approval 944 to 880 of 1,600; 150 and 86 changed."""
    assert mcnemar_test(150, 86) == pytest.approx(3.7e-5, rel=0.02)


def test_holm_is_the_step_down_of_his_paper() -> None:
    """The p of his method, computed from its definition: reject while p <= level / those left."""
    generator = np.random.default_rng(SEED)
    print(f"seed {SEED}")
    for count in (1, 2, 3, 7):
        ps = generator.uniform(0, 0.2, count).tolist()
        for index, corrected in enumerate(holm(ps)):
            for level in (corrected * 0.999, corrected * 1.001):
                if level < 1:
                    assert (index in rejected(ps, level)) == (level > corrected)
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def rejected(ps: list[float], level: float) -> set[int]:
    found: set[int] = set()
    for rank, index in enumerate(np.argsort(ps)):
        if ps[index] > level / (len(ps) - rank):
            break
        found.add(int(index))
    return found


def test_wilson_is_scipys() -> None:
    generator = drawn()
    for _ in range(200):
        seen = generator.randint(1, 10**6)
        correct = generator.randint(0, seen)
        interval = stats.binomtest(correct, seen).proportion_ci(0.95, method="wilson")

        assert wilson_interval(correct, seen) == pytest.approx(
            (interval.low, interval.high), rel=1e-6, abs=1e-9
        )


def test_the_interval_of_a_difference_is_the_published_one() -> None:
    """Newcombe, 1998, Table II, method 10: 56 of 70 and 48 of 80, there the first less the second."""
    low, high = difference_interval((48, 80), (56, 70))

    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert difference_interval((56, 70), (48, 80)) == pytest.approx((-high, -low))
