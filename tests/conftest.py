"""What holds for all tests, and what tests of several rooms are given.

The process that reads pickles is forked, and those that measure the machine: each saves 1.4 s so. What tests
write lies in memory where there is enough of it: on a disk a run waits a hundred times until a file is there.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.browser import CHROMIUM, chromium
from tests.kit.hub_server import Site, point_hub_to, running
from tests.kit.processes import CAN_FORK, popen_forked, run_forked

for _size in ("COLUMNS", "LINES"):
    os.environ.pop(_size, None)  # readline, which pytest-xdist's processes inherit it from, puts them there

_MEMORY, _ENOUGH_BYTES = Path("/dev/shm"), 4 << 30
if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH_BYTES:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))  # where pytest has tmp_path


@pytest.fixture(autouse=CAN_FORK)
def forked_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what reads apart and what measures fork their processes, but for tests marked `starts_anew`."""
    if request.node.get_closest_marker("starts_anew") is None:
        import subprocess

        from resnetlab.base.reading import process
        from resnetlab.training.measured import together

        monkeypatch.setattr(
            process, "subprocess", SimpleNamespace(run=run_forked, TimeoutExpired=subprocess.TimeoutExpired)
        )
        monkeypatch.setattr(
            together,
            "subprocess",
            SimpleNamespace(Popen=popen_forked, DEVNULL=subprocess.DEVNULL, PIPE=subprocess.PIPE),
        )


@pytest.fixture
def imagenet_tars(tmp_path: Path) -> Path:
    """A folder with ImageNet's archives, of 3 classes and 14 pictures."""
    from tests.kit.imagenet_downloads import write_imagenet_tars

    return write_imagenet_tars(tmp_path / "tars")


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    """A web server on this machine that serves nothing yet, and an empty cache."""
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.setenv("RESNETLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RESNETLAB_OFFLINE", raising=False)
    with running() as served:
        yield served


@pytest.fixture
def hub(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Site:
    """The site as the hub of this process: what HF_ENDPOINT and HF_HOME do before the import."""
    constants = pytest.importorskip("huggingface_hub.constants")
    point_hub_to(site.url, monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return site


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium; `make test-browser` installs what it takes."""
    pytest.importorskip("playwright", reason="`make test-browser` installs Playwright")
    if not CHROMIUM:
        pytest.fail("no Chromium here: `apt-get install chromium`, which `make test-browser` does for root")
    with chromium() as found:
        yield found
