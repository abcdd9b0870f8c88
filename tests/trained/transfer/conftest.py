"""One trained network for all tests of this folder."""

from pathlib import Path

import pytest

from resnetlab.trained.artefact import write_folder
from tests.kit.artefacts import small_artefact


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder: an 8-layer network of 3 classes (ant, bee, cat), images of 32 px."""
    path = tmp_path_factory.mktemp("trained") / "net"
    write_folder(small_artefact(), path)
    return path
