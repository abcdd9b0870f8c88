"""A board that is served, of a folder with runs in every state."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resnetlab.board.folder import Folder
from resnetlab.board.server import BoardServer
from tests.kit.asking import running
from tests.kit.boards import every_state


@pytest.fixture
def served(tmp_path: Path) -> Iterator[BoardServer]:
    """A board of tmp_path/runs on a free port; what it shows is looked at anew each time."""
    server = BoardServer(Folder(every_state(tmp_path / "runs"), pause=0), 0)
    with running(server):
        yield server
