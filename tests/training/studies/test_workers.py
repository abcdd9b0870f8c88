"""Runs of a study that are made at once share the processes that read their images."""

import os
from dataclasses import replace

import pytest

from resnetlab.training.studies.study import share_workers
from tests.kit.small_runs import small_plan


@pytest.mark.parametrize(
    ("wanted", "runs", "at_once", "cores", "expected"),
    [
        (-1, 4, 4, 64, 4),  # a quarter of the cores, at most 16, among four
        (-1, 4, 2, 64, 8),
        (-1, 2, 8, 64, 8),
        (-1, 3, 1, 64, -1),
        (-1, 8, 8, 16, 1),
        (-1, 4, 4, 2, -1),  # none at all: each run reads for itself
        (3, 4, 4, 64, 3),
        (0, 4, 4, 64, 0),
    ],
)
def test_workers_are_divided_among_the_runs(
    wanted: int, runs: int, at_once: int, cores: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    plan = replace(small_plan(), workers=wanted)

    shared = share_workers({str(number): plan for number in range(runs)}, at_once)

    assert [each.workers for each in shared.values()] == [expected] * runs
