"""The site as it lies in build/docs, from its files: found by its own search, on a phone, in both themes."""

from pathlib import Path
from typing import Any

import pytest

from tests.kit.browser import opened

SITE = Path(__file__).parents[2] / "build" / "docs"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (SITE / "index.html").exists(), reason="`make docs` makes the site"),
]
PAGES = sorted(SITE.rglob("*.html"))
FINISHED = "document.querySelector('.search-summary')?.innerText.startsWith('Search finished')"
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_no_page_scrolls_sideways_on_a_phone(browser: Any) -> None:
    found = []
    with opened(browser, SITE / "index.html", width=390, said=[]) as page:
        for path in PAGES:
            page.goto(path.as_uri())
            if page.evaluate(SIDEWAYS) > 0:
                found.append(path.name)

    assert len(PAGES) > 30
    assert found == []


@pytest.mark.parametrize(
    ("words", "leads_to"), [("shard_bn", "recipes.html"), ("exit codes", "formats.html")]
)
def test_search_finds_without_a_server(browser: Any, words: str, leads_to: str) -> None:
    with opened(browser, SITE / "index.html", said=[]) as page:
        page.fill("input[name=q]", words)
        page.press("input[name=q]", "Enter")
        page.wait_for_url("**/search.html*")
        page.wait_for_function(FINISHED)  # results come one after another
        links = page.eval_on_selector_all("ul.search li a", "each => each.map(a => a.getAttribute('href'))")

    assert any(link.startswith(leads_to) for link in links), links


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_drawings_follow_the_theme(browser: Any, theme: str) -> None:
    with opened(browser, SITE / "gallery.html", theme=theme, said=[]) as page:
        shown = page.eval_on_selector_all(
            "article img",
            "each => each.filter(i => i.offsetParent).map(i => [i.getAttribute('src'), i.naturalWidth])",
        )

    assert len(shown) > 15
    assert all(width > 0 for _, width in shown)
    assert {source.endswith("-dark.svg") for source, _ in shown} == {theme == "dark"}
