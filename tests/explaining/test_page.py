"""The page of an explanation: a pure function of its JSON, whole, readable without eyes, no name markup."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from resnetlab.errors import DataError
from resnetlab.explaining.page import render
from tests.kit.browser import LOW_CONTRAST, opened
from tests.kit.report_pages import Page, read_golden

HERE = Path(__file__).parent
SECTIONS = ["verdict", "networks", "errors", "start", "around", "between", "made"]
CHARTS = ("errors", "gradient", "signal", "around", "between")
HOSTILE = "</script><script>hacked=1</script><img src=x onerror=hacked=1>\"'><svg/onload=hacked=1>"


@pytest.fixture(scope="module")
def golden() -> Any:
    """Of `resnetlab explain residual`, a real one."""
    return read_golden(HERE)


def test_the_golden_explanation_is_the_page_that_it_was(golden: Any) -> None:
    """RESNETLAB_GOLDEN=1 writes what the page says anew; the difference is to be read."""
    path = HERE / "golden.txt"
    said = "\n".join(Page(render(golden)).texts) + "\n"
    if os.environ.get("RESNETLAB_GOLDEN"):
        path.write_text(said)

    assert said == path.read_text()


def test_it_is_whole_small_and_needs_nothing_else(golden: Any) -> None:
    page = Page(render(golden))

    assert (page.open, page.wrong) == ([], [])
    assert page.sections == SECTIONS
    assert [each["id"] for each in page.of("figure")] == [f"chart-{name}" for name in CHARTS]
    assert len(page.content) < 500_000
    assert "://" not in re.sub(r"http://www\.w3\.org/2000/svg", "", page.content)
    assert [name for _, each in page.tags for name in each if name == "style" or name.startswith("on")] == []
    assert [str(each["href"])[1:] for each in page.of("a")] == SECTIONS[1:]


def test_it_can_be_read_without_eyes(golden: Any) -> None:
    page = Page(render(golden))

    svgs = [each for each in page.of("svg") if not each.get("aria-hidden")]
    assert all(each.get("aria-labelledby") or each.get("aria-label") for each in svgs)
    assert all(each.get("scope") for each in page.of("th"))
    plots = [each for each in page.of("div") if each.get("class") == "plot"]
    assert [each.get("role") for each in plots] == ["img"] * len(CHARTS)
    assert all(each.get("aria-label") for each in plots)


def test_every_sentence_and_every_number_of_the_charts_is_on_it(golden: Any) -> None:
    texts = " ".join(Page(render(golden)).texts).replace("\N{NO-BREAK SPACE}", " ")

    for sentences in golden["words"].values():
        assert all(sentence in texts for sentence in sentences)
    for each in golden["networks"]:
        assert all(f"{row['gradient']:.2f}" in texts for row in each["start"] if row["gradient"] >= 0.01)
        assert all(f"{loss:.3f}" in texts for loss in each["between"]["losses"])


def test_no_name_is_markup(golden: Any) -> None:
    spoilt = json.loads(json.dumps(golden))
    spoilt["title"] = spoilt["command"] = spoilt["data"]["name"] = spoilt["program"] = HOSTILE
    spoilt["conditions"] = [[HOSTILE, HOSTILE]]
    spoilt["words"] = {name: [HOSTILE] for name in spoilt["words"]}
    for each in spoilt["networks"]:
        each["name"] = each["spec"]["name"] = HOSTILE
    sound = Page(render(golden))

    page = Page(render(spoilt))

    assert HOSTILE in " ".join(page.texts)
    assert (page.open, page.wrong) == ([], [])
    assert len(page.of("script")) == len(sound.of("script"))
    assert page.of("img") == []
    assert [name for _, each in page.tags for name in each if name.startswith("on")] == []


def test_other_versions_are_refused(golden: Any) -> None:
    for change in ({"version": 2}, {"format": "resnetlab report"}):
        with pytest.raises(DataError, match="no explanation of version 1"):
            render(golden | change)


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_opens_fits_and_is_readable(
    browser: Any, golden: Any, tmp_path: Path, width: int, theme: str
) -> None:
    path = tmp_path / "page.html"
    path.write_text(render(golden))
    with opened(browser, path, width=width, theme=theme) as page:
        fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shown = [page.locator(f"#chart-{name} .plot svg >> visible=true").count() for name in CHARTS]
        drawn = page.locator(".drawing.both >> visible=true").count()
        low = page.evaluate(LOW_CONTRAST)
        plot, value = page.locator("#chart-gradient .plot"), page.locator("#chart-gradient [data-series]")
        at_rest = value.all_inner_texts()
        plot.focus()
        page.keyboard.press("End")
        at_the_end = value.all_inner_texts()
        page.keyboard.press("Escape")
        again = value.all_inner_texts()

    assert (fits, shown, drawn, low) == (True, [1] * len(CHARTS), 1, [])
    assert at_the_end.count("–") == 2, "the shallower networks have no such layer"
    assert again == at_rest != at_the_end
