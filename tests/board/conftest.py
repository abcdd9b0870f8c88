"""A board that is served, of a folder with runs in every state."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from resnetlab.board.folder import Folder
from resnetlab.board.server import BoardServer
from tests.kit.boards import every_state


@pytest.fixture
def served(tmp_path: Path) -> Iterator[BoardServer]:
    """A board of tmp_path/runs on a free port; what it shows is looked at anew each time."""
    with BoardServer(Folder(every_state(tmp_path / "runs"), pause=0), 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
