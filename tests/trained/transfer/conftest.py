"""One trained network for all tests of this folder."""

from pathlib import Path

import pytest

from resnetlab.trained.artefact import write_folder
from tests.kit.artefacts import small_artefact
from tests.kit.pictures import write_pictures


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder: an 8-layer network of 3 classes (ant, bee, cat), images of 32 px."""
    path = tmp_path_factory.mktemp("trained") / "net"
    write_folder(small_artefact(), path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """12 training and 6 test images of 70x60 px: files, not held in memory."""
    for name in ("fox", "owl"):
        write_pictures(tmp_path / "photos" / "train" / name, 6, (70, 60))
        write_pictures(tmp_path / "photos" / "test" / name, 3, (70, 60))
    return tmp_path / "photos"
