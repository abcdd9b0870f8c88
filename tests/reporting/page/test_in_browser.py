"""The page as people meet it: opened from its file in Chromium, by pointer and by keys, wide and narrow."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resnetlab.network.catalog import model_spec
from resnetlab.reporting import report
from resnetlab.reporting.page import render
from resnetlab.training.observer import Observer
from resnetlab.training.planning import make_plan
from resnetlab.training.run import train_plan
from tests.kit.browser import LOW_CONTRAST, opened
from tests.kit.report_pages import read_golden
from tests.kit.small_runs import CPU, small_recipe, small_source

pytestmark = pytest.mark.browser

WIDTHS = (390, 1280)
THEMES = ("light", "dark")
CHARTS = ("chart-error", "chart-loss", "chart-responses", "chart-depth")
HOSTILE = "</script><script>hacked=1</script><img src=x onerror=hacked=1>\"'><svg/onload=hacked=1>"

NOT_SHOWN = "[...document.images].filter((i) => !i.naturalWidth).map((i) => i.alt)"


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_opens_whole_fits_and_can_be_read(browser: Any, golden_page: Path, width: int, theme: str) -> None:
    """No error, nothing of the network, every figure drawn, no scrolling sideways, contrast of WCAG AA."""
    with opened(browser, golden_page, width=width, theme=theme) as page:
        sizes = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        shown = {name: page.locator(f"#{name} .plot svg >> visible=true").count() for name in CHARTS}
        drawn = page.locator(".drawing >> visible=true").count()
        broken = page.evaluate(NOT_SHOWN)
        low = page.evaluate(LOW_CONTRAST)

    assert sizes[0] <= sizes[1] == width
    assert shown == dict.fromkeys(CHARTS, 1)
    assert (drawn, broken, low) == (1, [], [])


@pytest.mark.parametrize("theme", THEMES)
def test_the_switch_changes_the_colours_and_paper_stays_white(
    browser: Any, golden_page: Path, theme: str
) -> None:
    with opened(browser, golden_page, theme=theme) as page:
        grounds = [_ground(page)]
        page.locator(".theme").click()
        grounds.append(_ground(page))
        low = page.evaluate(LOW_CONTRAST)
        page.emulate_media(media="print")
        printed = _ground(page)

    colors = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 28)"}
    assert grounds == [colors[theme], colors["dark" if theme == "light" else "light"]]
    assert (low, printed) == ([], colors["light"])


def _ground(page: Any) -> Any:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_values_under_the_pointer_and_by_keys(browser: Any, golden_page: Path) -> None:
    golden = read_golden(Path(__file__).parent)
    tests = next(s for s in golden["curves"][0]["series"] if (s["kind"], s["of"]) == ("test", "error"))[
        "points"
    ]
    with opened(browser, golden_page) as page:
        plot, value = page.locator("#chart-error .plot"), page.locator("#chart-error [data-series]").first
        at_the_end = value.inner_text()
        plot.focus()
        page.keyboard.press("Home")
        first, spoken = value.inner_text(), page.locator("#chart-error .spoken").inner_text()
        page.keyboard.press("ArrowRight")
        second = value.inner_text()
        page.keyboard.press("Escape")
        again = value.inner_text()
        box = plot.bounding_box()
        page.mouse.move(box["x"] + box["width"] - 14, box["y"] + 100)
        dots = page.locator("#chart-error .pointer circle >> visible=true").count()
        where = page.locator("#chart-error .where").inner_text()

    told = [f"{error:.2f}\u00a0%" for _, error in tests]
    assert [first, second, again, at_the_end] == [told[0], told[1], told[-1], told[-1]]
    assert f"step {tests[0][0]:.0f}" in spoken
    assert f"test {told[0]}" in spoken
    assert dots == 3
    assert where.startswith(f"step {tests[-1][0]:.0f} (epoch")


def test_a_cell_opens_its_pictures_by_pointer_and_by_keys(browser: Any, golden_page: Path) -> None:
    key, images = next(iter(read_golden(Path(__file__).parent)["detail"]["insights"]["cells"].items()))
    with opened(browser, golden_page) as page:
        dialog = page.locator("dialog")
        page.locator(f'.matrix [data-cell="{key}"]').click()
        title, pictures = dialog.locator("h2").inner_text(), dialog.locator("img").count()
        page.keyboard.press("Escape")
        closed = dialog.is_visible()
        back = page.evaluate("document.activeElement.dataset.cell")
        page.keyboard.press("ArrowRight")
        moved = page.evaluate("document.activeElement.dataset.cell")
        page.keyboard.press("ArrowDown")
        below = page.evaluate("document.activeElement.dataset.cell")
        page.keyboard.press("Enter")
        opened_again = dialog.is_visible()
        stops = page.evaluate(
            "[...document.querySelectorAll('.matrix button')].filter((b) => b.tabIndex === 0).length"
        )

    assert " taken for " in title
    assert pictures == len(images) > 0
    assert not closed
    assert back == key
    assert len({back, moved, below}) == 3
    assert back.split(">")[0] == moved.split(">")[0]
    assert opened_again
    assert stops == 1


def test_a_heading_sorts_its_column(browser: Any, golden_page: Path) -> None:
    with opened(browser, golden_page) as page:
        head = page.locator(".classes th button", has_text="class")
        columns = []
        for _ in range(2):
            head.click()
            columns.append(page.locator(".classes tbody th").all_inner_texts())

    assert columns[0] == sorted(columns[0]) == columns[1][::-1]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_name_is_ever_executed(browser: Any, tmp_path: Path, width: int) -> None:
    """Classes, files, runs, data and layers are called what would run if it were markup."""
    path = tmp_path / "report.html"
    spoilt = read_golden(Path(__file__).parent)
    evaluation, insights = spoilt["detail"]["evaluation"], spoilt["detail"]["insights"]
    names = [
        HOSTILE,
        "__proto__",
        "constructor",
        "javascript:window.hacked=1",
        "=cmd|' /C calc'!A0",
        "\u202egnp.exe",
    ]
    names = (names * len(evaluation["classes"]))[: len(evaluation["classes"])]
    evaluation |= {"classes": names, "answers": names, "data": HOSTILE, "notes": [HOSTILE]}
    for row in [
        *evaluation["worst"],
        *insights["worst"],
        *insights["doubtful"],
        *(row for cell in insights["cells"].values() for row in cell),
    ]:
        row["place"] = HOSTILE
    for row in [*insights["responses"], *insights["depth"]]:
        row["layer"] = HOSTILE
    spoilt["title"] = HOSTILE
    spoilt["runs"][0] |= {
        "name": HOSTILE,
        "path": HOSTILE,
        "data": HOSTILE,
        "sentence": HOSTILE,
        "notes": [HOSTILE],
    }
    spoilt["detail"]["data"] |= {"name": HOSTILE, "source": HOSTILE, "classes": names}
    spoilt["detail"]["network"]["name"] = HOSTILE
    spoilt["detail"]["usage"]["commands"][0][0] = HOSTILE
    for index, each in enumerate(spoilt["curves"][0]["series"]):
        each["name"] = f"{HOSTILE}{index}"
    path.write_text(render(json.loads(json.dumps(spoilt))))
    with opened(browser, path, width=width) as page:
        page.locator(".matrix button").first.click()
        seen = page.locator("dialog h2").inner_text()
        page.keyboard.press("Escape")
        page.locator("#chart-responses .plot").focus()
        page.keyboard.press("Home")
        page.locator(".classes th button").first.click()
        hacked = page.evaluate("window.hacked")
        fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    assert hacked is None
    assert HOSTILE in seen
    assert fits


@pytest.mark.parametrize("width", WIDTHS)
def test_a_run_s_own_pictures_are_on_its_page_whatever_its_classes_are_called(
    browser: Any, tmp_path: Path, width: int
) -> None:
    """A real run, from training to the pictures of its confusions."""
    names = (HOSTILE, "../../../etc", "1>0")
    source = replace(small_source(), class_names=names)
    spec = model_spec("resnet8").with_(width=0.5, classes=3)
    plan = make_plan(spec, source, "small", small_recipe(report=True, length="4st"), CPU)
    train_plan(plan, tmp_path / "run", Observer())
    kept = {path.name for path in tmp_path.glob("run/eval/*/insights/*")}
    page_path = tmp_path / "run" / "report.html"
    with opened(browser, page_path, width=width) as page:
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        broken = page.evaluate(NOT_SHOWN)
        pairs = page.locator("#mistakes .pictures img").count()
        shown = 0
        for number in range(page.locator(".matrix button").count()):
            page.locator(".matrix button").nth(number).click()
            shown += page.locator("dialog img").count()
            broken += page.evaluate(NOT_SHOWN)
            page.keyboard.press("Escape")
        hacked = page.evaluate("window.hacked")
        fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        low = page.evaluate(LOW_CONTRAST)

    assert (broken, hacked, fits, low) == ([], None, True, [])
    cams = sorted(name for name in kept if name.startswith("cam-"))
    assert pairs == 2 * len(cams) > 10
    assert shown == sum(name.startswith("image-") for name in kept)
    assert all(re.fullmatch(r"(image|cam)-\d{8}\.png|filters\.png|insights\.json", name) for name in kept)
    assert page_path.stat().st_size < 5_000_000


def test_the_policy_holds_where_markup_gets_in_all_the_same(
    browser: Any, golden_page: Path, tmp_path: Path
) -> None:
    """Were a name not escaped, nothing of it would run: the page's second lock, seen shut."""
    path = tmp_path / "report.html"
    content = golden_page.read_text()
    path.write_text(
        content.replace("</main>", f"{HOSTILE}<p onclick='window.hacked=1' id='trap'>x</p></main>", 1)
    )
    page = browser.new_page()
    page.goto(path.as_uri())
    page.locator("#trap").click()

    hacked = page.evaluate("window.hacked")

    page.close()
    assert hacked is None


@pytest.mark.parametrize("width", WIDTHS)
def test_several_runs_on_one_page(browser: Any, real_runs: Path, tmp_path: Path, width: int) -> None:
    path = tmp_path / "report.html"
    report(real_runs).page(path)
    with opened(browser, path, width=width) as page:
        fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        rows = page.locator(".runs tbody tr").count()
        low = page.evaluate(LOW_CONTRAST)

    assert (fits, rows, low) == (True, 3, [])
