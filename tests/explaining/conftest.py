"""A study of the smallest networks with and without shortcuts, made once by the command."""

from pathlib import Path

import pytest

from resnetlab.cli import main

COMMAND = [
    "explain", "residual", "--depths", "8", "14", "--steps", "3", "--images", "4", "--device", "cpu",
    "--set", "width=0.25", "--set", "batch=8", "--set", "eval_every=2st", "--set", "log_every=1",
]  # fmt: skip


@pytest.fixture(scope="session")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the study, with its data and its page."""
    place = tmp_path_factory.mktemp("explained") / "study"
    assert main([*COMMAND, "--runs", str(place)]) == 0
    return place
