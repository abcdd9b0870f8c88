"""The page of a reproduction as people meet it: in Chromium, wide and narrow, light and dark."""

from typing import Any

import pytest

from resnetlab.reproducing.making import Prepared, make
from tests.kit.browser import LOW_CONTRAST, opened

pytestmark = pytest.mark.browser


def test_it_fits_and_its_figure_is_shown_in_its_colours(browser: Any, made: Prepared) -> None:
    make(made)
    page_file = made.out / "result" / "toy-full.html"
    for width in (390, 768, 1280):
        for theme in ("light", "dark"):
            with opened(browser, page_file, width=width, theme=theme) as page:
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                assert page.locator(".drawing img >> visible=true").count() == 1
                assert page.locator(f".drawing.in-{theme} img >> visible=true").count() == 1
                assert page.evaluate("[...document.images].filter((i) => !i.naturalWidth).length") == 0
                assert page.evaluate(LOW_CONTRAST) == []
