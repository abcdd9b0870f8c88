"""What a run is said to reach is what others reached, with their number and the entry of the log."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from resnetlab.network.catalog import model_spec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.training.budget.expected import MEASURED, Reached, expectation, expected_of
from tests.kit.small_runs import small_plan

RESULTS = Path(__file__).parents[3] / "docs" / "results.md"
KNOWN = (Reached(500_000, 88.0, 3, "2026-01-01"), Reached(2_000_000, 92.0, 1, "2026-01-02"))


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (500_000, r"about 88\.0 %: 500\.0 k images gave 88\.00 % \(mean of 3 runs, results.md, 2026-01-01\)"),
        (530_000, r"about 88\.0 %"),
        (1_000_000, r"about 90\.0 %.*500.0 k images.*2\.0 M images gave 92\.00 % \(one run"),
        (300_000, r"less than 88\.0 %"),
        (9_000_000, r"probably more than 92\.0 %"),
    ],
)
def test_between_known_lengths_the_accuracy_grows_with_each_doubling(images: int, told: str) -> None:
    assert re.match(told, expected_of(KNOWN, images))


def test_of_a_run_unlike_those_that_were_measured_nothing_is_said() -> None:
    plan = small_plan()
    assert expectation(plan, 750_000).startswith("not known: no run of resnet8 on small by quick")
    source = replace(plan.source, name="cifar10")
    known = replace(plan, spec=model_spec("resnet20"), source=source, recipe=named_recipe("quick"))
    assert expectation(known, 750_000).startswith("about 89.7 %")
    other = replace(known, recipe=override(known.recipe, {"lr": 0.3, "length": known.recipe.run.length}))
    assert expectation(other, 750_000).endswith("this has lr=0.3")
    alike = replace(known, recipe=override(known.recipe, {"seed": 4, "precision": "bf16", "compile": "on"}))
    assert expectation(alike, 750_000).startswith("about 89.7 %")
    assert expectation(replace(known, spec=model_spec("resnet20").with_(shortcut="B")), 1).startswith(
        "not known"
    )


def test_each_figure_stands_in_the_log_of_results() -> None:
    text = RESULTS.read_text()
    for figures in MEASURED.values():
        assert list(figures) == sorted(figures, key=lambda one: one.images)
        for one in figures:
            entries = text.split(f"## {one.logged}")[1:]
            assert any(f"{one.accuracy:.2f}" in entry.split("\n## ")[0] for entry in entries), one
