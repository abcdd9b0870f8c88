"""From a speed and minutes to a length: arithmetic, case by case."""

import pytest

from resnetlab.base.units import Duration
from resnetlab.errors import UsageError
from resnetlab.recipe.running import Run
from resnetlab.training.budget.lengths import (
    RESERVE,
    Costs,
    refuse_less_than_an_epoch,
    sparing,
    steps_within,
    total_seconds,
)

FREE = Costs(step=0.1, evaluation=0.0, checkpoint=0.0, beginning=0.0, ending=0.0)
DEAR = Costs(step=0.1, evaluation=4.0, checkpoint=0.5, beginning=7.0, ending=9.0)
SAMPLES = 50_000


@pytest.mark.parametrize(
    ("seconds", "steps"),
    [(600, 5_820), (300, 2_910), (1_200, 11_640), (3_600, 34_920), (0.05, 0), (0, 0), (-5, 0)],
)
def test_where_only_steps_cost_something_they_take_the_time_but_for_the_reserve(
    seconds: float, steps: int
) -> None:
    assert RESERVE == 0.03
    assert steps_within(seconds, FREE, Run(), SAMPLES) == steps


@pytest.mark.parametrize("seconds", [60, 300, 600, 1_200, 3_600])
@pytest.mark.parametrize("every", ["0ep", "1ep", "3ep", "700st"])
@pytest.mark.parametrize("checkpoint_every", [0, 100, 1_000])
def test_the_steps_that_fit_are_the_most_that_do(seconds: int, every: str, checkpoint_every: int) -> None:
    run = Run(eval_every=Duration.parse(every), checkpoint_every=checkpoint_every)
    steps = steps_within(seconds, DEAR, run, SAMPLES)
    assert total_seconds(steps, DEAR, run, SAMPLES) <= (1 - RESERVE) * seconds
    assert total_seconds(steps + 1, DEAR, run, SAMPLES) > (1 - RESERVE) * seconds


def test_every_part_of_a_run_is_counted_once() -> None:
    run = Run(batch=100, eval_every=Duration(1, "ep"), checkpoint_every=300)  # 500 steps an epoch
    evaluations, checkpoints = 2, 4  # the third evaluation is at the end
    wanted = 7 + 1_499 * 0.1 + evaluations * 4 + checkpoints * 0.5 + 9
    assert total_seconds(1_499, DEAR, run, SAMPLES) == pytest.approx(wanted)
    assert total_seconds(1_500, DEAR, run, SAMPLES) == pytest.approx(wanted + 0.1 + 0.5)
    run = Run(batch=100, eval_every=Duration(400, "st"), checkpoint_every=0)
    assert total_seconds(1_200, DEAR, run, SAMPLES) == pytest.approx(7 + 120 + evaluations * 4 + 9)


@pytest.mark.parametrize(
    ("evaluation", "every", "seconds", "wanted"),
    [
        (0.5, "1ep", 600, "1ep"),  # 1 % of an epoch's 39 s
        (3.0, "1ep", 600, "4ep"),
        (3.0, "0ep", 600, "0ep"),
        (3.0, "10ep", 600, "10ep"),
        (30.0, "1ep", 600, "0ep"),  # at the end alone
        (30.0, "1ep", 36_000, "39ep"),
        (3.0, "100st", 600, "4ep"),
    ],
)
def test_evaluations_become_fewer_where_they_would_take_much_of_the_time(
    evaluation: float, every: str, seconds: float, wanted: str
) -> None:
    costs = Costs(step=0.1, evaluation=evaluation, checkpoint=0.0, beginning=0.0, ending=0.0)
    run = Run(eval_every=Duration.parse(every))
    assert str(sparing(run, seconds, costs, SAMPLES)) == wanted


def test_less_than_an_epoch_is_refused_with_the_minutes_that_one_takes() -> None:
    steps = steps_within(30, DEAR, Run(), SAMPLES)
    with pytest.raises(UsageError, match=r"0\.5 minutes are less than one epoch.*50,000 images") as refused:
        refuse_less_than_an_epoch(0.5, steps, DEAR, Run(), SAMPLES)
    assert "at least 1.1 minutes" in str(refused.value)
    least = steps_within(66, DEAR, Run(), SAMPLES)
    assert least >= 391 > steps_within(60, DEAR, Run(), SAMPLES)
    refuse_less_than_an_epoch(1.1, least, DEAR, Run(), SAMPLES)
