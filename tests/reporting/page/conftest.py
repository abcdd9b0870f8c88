"""A page written once, for the tests that look at it as people do."""

from pathlib import Path

import pytest

from resnetlab.reporting.page import render
from tests.kit.report_pages import read_golden


@pytest.fixture(scope="session")
def golden_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden report as a page."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(read_golden(Path(__file__).parent)))
    return path
