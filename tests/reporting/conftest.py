"""Three real runs of the smallest network, which differ in nothing but the seed, made once."""

from pathlib import Path

import pytest

from resnetlab.training.observer import Observer
from resnetlab.training.run import train_plan
from tests.kit.small_runs import small_plan

SEEDS = (0, 1, 2)


@pytest.fixture(scope="session")
def real_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the finished runs seed0, seed1 and seed2."""
    folder = tmp_path_factory.mktemp("real") / "runs"
    for seed in SEEDS:
        train_plan(small_plan(seed=seed), folder / f"seed{seed}", Observer())
    return folder
