"""One short run for all tests of this room."""

import pytest

from resnetlab.runs.directory import RunDirectory
from tests.kit.small_runs import small_plan, train_whole


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """40 steps on 3 classes of 16 x 16 pixels, with averaged weights; no RESULT.json."""
    return train_whole(tmp_path_factory.mktemp("predict") / "run", small_plan())
