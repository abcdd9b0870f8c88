"""What holds for all tests: the process that reads pickles is forked, which saves 1.4 s for each file."""

from types import SimpleNamespace

import pytest

from tests.kit.processes import CAN_FORK, run_forked


@pytest.fixture(autouse=CAN_FORK)
def forked_reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `read_pickled` fork its process, but for tests that are marked `starts_anew`."""
    if request.node.get_closest_marker("starts_anew") is None:
        import subprocess

        from resnetlab.weights.files import pickled

        forking = SimpleNamespace(run=run_forked, TimeoutExpired=subprocess.TimeoutExpired)
        monkeypatch.setattr(pickled, "subprocess", forking)
