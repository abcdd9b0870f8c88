"""Pages written once, and one browser, for the tests that look at them as people do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resnetlab.reporting.page import render
from tests.kit.browser import CHROMIUM, chromium
from tests.kit.report_pages import read_golden


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium; `make test-browser` installs what it takes."""
    pytest.importorskip("playwright", reason="`make test-browser` installs Playwright")
    if not CHROMIUM:
        pytest.fail("no Chromium here: `apt-get install chromium`, which `make test-browser` does for root")
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def golden_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden report as a page."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(read_golden(Path(__file__).parent)))
    return path
