"""A range test makes the steps of a run, is repeated to the same numbers, and ends where they diverge."""

import json
import math
from pathlib import Path

import pytest
import torch

from resnetlab.show.drawing.theme import ThemeName
from resnetlab.training.observer import Observer, Silence
from resnetlab.training.range_test.found import RangeTest, find_rate
from resnetlab.training.range_test.rise import Rise
from tests.kit.small_runs import small_plan, train_whole

RISE = Rise(low=1e-3, high=1.0, points=30)


def found_by(rise: Rise = RISE, **changes: object) -> RangeTest:
    return find_rate(small_plan(**changes), rise, Silence())


@pytest.fixture(scope="module")
def found() -> RangeTest:
    return found_by()


def test_its_losses_are_those_of_a_run_with_that_warm_up(found: RangeTest, tmp_path: Path) -> None:
    """The very steps: order, augmentation, mixup, stochastic depth, accumulation, optimizer."""
    plan = small_plan(log_every=1, length="40st")
    run = train_whole(tmp_path / "run", RISE.of(plan))
    rows = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    trained = [row for row in rows if row["kind"] == "train"][: len(found.losses)]

    assert [row["train_loss"] for row in trained] == list(found.losses)
    assert [row["learning_rate"] for row in trained] == list(found.rates)
    assert len(trained) > 20


def test_the_same_question_has_the_same_answer_and_another_seed_another(found: RangeTest) -> None:
    state = torch.random.get_rng_state()

    assert found_by() == found
    assert torch.equal(torch.random.get_rng_state(), state)
    assert found_by(Rise(low=1e-3, high=1.0, points=20), seed=1).losses[0] != found.losses[0]


def test_what_is_not_finite_ends_it_and_is_no_error() -> None:
    ended = found_by(Rise(low=1e10, high=1e30, points=40))

    assert ended.not_finite_at is not None
    assert 0 < len(ended.losses) == len(ended.rates) < 10
    assert all(map(math.isfinite, ended.losses))
    assert ended.lr is None
    json.dumps(ended.to_json(), allow_nan=False)


def test_it_tells_how_far_it_is() -> None:
    steps = []

    class Watcher(Observer):
        def progress(self, step: int, *, samples: int, seconds: float) -> None:
            steps.append((step, samples))

    find_rate(small_plan(), Rise(low=1e-3, high=1e-2, points=20), Watcher())

    assert steps == [(step, 8 * step) for step in range(1, 21)]


def test_a_rate_for_another_batch_is_given_as_the_recipe_gives_it(found: RangeTest) -> None:
    scaled = found_by(lr=0.8, lr_batch=64)

    assert scaled.losses == found.losses
    assert scaled.lr_per_rate == 8
    assert found.lr == found.suggested
    assert scaled.suggested
    assert scaled.lr == pytest.approx(8 * scaled.suggested, rel=0.05)


def test_the_same_test_gives_the_same_picture(found: RangeTest, tmp_path: Path) -> None:
    themes: tuple[ThemeName, ...] = ("light", "light", "dark")
    for number, theme in enumerate(themes):
        assert found.draw(tmp_path / f"{number}.svg", theme=theme) == ""

    first, again, dark = ((tmp_path / f"{number}.svg").read_bytes() for number in range(3))
    assert first == again != dark


def test_it_shows_itself_in_words_and_in_a_notebook(found: RangeTest) -> None:
    assert found.about in str(found)
    assert all(len(line) < 80 for line in str(found).splitlines())
    assert "<img src=" in found._repr_html_() and found.sentences[-1][:20] in found._repr_html_()
    assert repr(found).startswith("<range test of resnet8 on small, recipe quick, batch 8, ")
