"""The board as people meet it: in Chromium, as runs go on, by keys and by pointer, wide and narrow."""

import json
from typing import Any

import pytest

from resnetlab.board.server import BoardServer
from resnetlab.runs.directory import lock_run
from tests.kit.boards import add_rows, finished, killed, removed, test_row
from tests.kit.browser import LOW_CONTRAST, opened
from tests.kit.reported_runs import edit

pytestmark = pytest.mark.browser

SECONDS = 15_000
"""Of patience, in ms: it asks every 2 or 3 seconds."""
HOSTILE = "<img src=x onerror=hacked=1>\"'><svg onload=hacked=1>"


def rows(page: Any) -> list[str]:
    """Return the runs that are seen, by name, from above."""
    seen = page.locator(".board tr[data-state]:visible th").all()
    return [str(head.get_attribute("data-v")) for head in seen]


def until(page: Any, condition: str) -> None:
    """Wait for a condition; Playwright's own way evaluates a text, which the page's policy forbids."""
    for _ in range(SECONDS // 50):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not in time: {condition}")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_can_be_read(browser: Any, served: BoardServer, width: int, theme: str) -> None:
    for path in ("", "run/digits/seed0", "run/damaged", "compare?run=digits/seed0&run=digits/seed1"):
        with opened(browser, served.url + path, width=width, theme=theme) as page:
            fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            low = page.evaluate(LOW_CONTRAST)

        assert (path, fits, low) == (path, True, [])


def test_the_table_follows_runs_as_they_go(browser: Any, served: BoardServer) -> None:
    """A run goes on, one begins, one ends, one is gone; what is ticked, sorted and in focus stays so."""
    run = killed(served.folder.path / "now")
    lock = lock_run(run)
    with opened(browser, served.url) as page:
        page.locator('[value="now"]').check()
        page.locator('th a[href="/run/now"]').focus()
        page.evaluate("window.sameDocument = true")
        add_rows(run / "metrics.jsonl", [test_row(8, 0.5)])
        until(page, "document.querySelector('.board').textContent.includes('50.00')")
        finished(served.folder.path / "new")
        removed(served.folder.path / "interrupted")
        until(page, "document.querySelector('[value=new]') && !document.querySelector('[value=interrupted]')")
        title, ticked = page.title(), page.locator('[value="now"]').is_checked()
        focused = page.evaluate("document.activeElement.getAttribute('href')")
        lock.release()
        until(page, "document.querySelector('[value=now]').closest('tr').dataset.state === 'crashed'")
        told = page.locator("#told").inner_text()
        same = page.evaluate("window.sameDocument")

    assert title.startswith("(1) ")
    assert (ticked, focused, same) == (True, "/run/now", True)
    assert told == "now: crashed"


def test_the_page_of_a_run_follows_it(browser: Any, served: BoardServer) -> None:
    run = killed(served.folder.path / "now")
    with lock_run(run), opened(browser, f"{served.url}run/now") as page:
        page.evaluate("window.sameDocument = true")
        page.locator("#recipe summary").last.click()
        add_rows(run / "metrics.jsonl", [test_row(6, 0.25), test_row(8, 0.5)])
        until(page, "document.querySelector('#verdict').textContent.includes('50.14')")
        page.locator("#chart-error .plot").focus()
        page.keyboard.press("Home")
        first = page.locator("#chart-error [data-series]").first.inner_text()
        same, is_open = page.evaluate(
            "[window.sameDocument, document.querySelector('#recipe details:last-of-type').open]"
        )

    assert first == "75.00\u00a0%"
    assert (same, is_open) == (True, True)


def test_a_value_that_is_read_is_not_taken_away(browser: Any, served: BoardServer) -> None:
    run = killed(served.folder.path / "now")
    add_rows(run / "metrics.jsonl", [test_row(5, 0.25), test_row(6, 0.375)])
    with lock_run(run), opened(browser, f"{served.url}run/now") as page:
        page.locator("#chart-error .plot").focus()
        page.keyboard.press("Home")
        asked = []
        page.on("response", lambda response: asked.append(response.status))
        add_rows(run / "metrics.jsonl", [test_row(8, 0.5)])
        page.wait_for_event("response", lambda response: response.status == 200, timeout=SECONDS)
        page.wait_for_timeout(200)
        during = page.locator("#chart-error [data-series]").first.inner_text()
        page.locator("#chart-error .plot").blur()
        until(page, "document.querySelector('#verdict').textContent.includes('50.14')")

    assert during == "75.00\u00a0%"


def test_it_is_filtered_and_sorted_by_keys_and_pointer(browser: Any, served: BoardServer) -> None:
    with opened(browser, served.url) as page:
        everything = rows(page)
        page.keyboard.press("/")
        page.keyboard.type("digits/seed resnet8")
        filtered = rows(page)
        page.keyboard.press("Escape")
        page.locator("#states [data-state=crashed]").click()
        crashed = rows(page)
        page.reload()
        again = rows(page)
        page.locator("#states [data-state=crashed]").click()
        page.locator("th button", has_text="run").click()
        sorted_once = rows(page)
        page.locator("th button", has_text="run").click()
        sorted_twice = rows(page)
        page.locator("th button", has_text="accuracy").click()
        best = rows(page)[0]
        page.locator('tbody:has([value="digits/seed1"])').locator(".fold").click()
        folded = rows(page)

    assert len(everything) == 7
    assert filtered == ["digits/seed0", "digits/seed1"]
    assert crashed == again == [name for name in everything if name in ("crashed", "killed")]
    assert {*sorted_once} == {*sorted_twice} == {*everything}
    assert sorted_once[0] != sorted_twice[0]
    assert best == "digits/seed1"
    assert {*folded} == {name for name in everything if not name.startswith("digits/")}


def test_what_is_ticked_is_shown_together(browser: Any, served: BoardServer) -> None:
    with opened(browser, served.url) as page:
        page.locator('tbody:has([value="digits/seed1"])').locator(".all").check()
        page.locator('[value="killed"]').check()
        button = page.locator("form [type=submit]")
        words = button.inner_text()
        button.click()
        page.wait_for_url("**/compare?**")
        shown = page.locator("table.runs tbody tr").count()
        losses = page.locator("#chart-loss .legend li").count()

    assert words == "Show the 3 ticked ones together"
    assert shown == 3
    assert losses >= 2


def test_without_a_script_it_is_the_same_table(browser: Any, served: BoardServer) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(served.url)
    page.locator('[value="killed"]').check()
    page.locator('[value="crashed"]').check()
    page.locator("form [type=submit]").click()

    shown, hidden = page.locator("table.runs tbody tr").count(), page.locator(".tools input").count()

    context.close()
    assert (shown, hidden) == (2, 0)


def test_a_board_that_has_ended_says_so(browser: Any, served: BoardServer) -> None:
    said: list[str] = []
    with opened(browser, served.url, said=said) as page:
        page.context.set_offline(True)
        until(page, "document.getElementById('status').textContent.includes('does not answer')")
        still = len(rows(page))
        page.context.set_offline(False)
        until(page, "!document.getElementById('status').textContent")

    assert still == 7


@pytest.mark.parametrize("width", [390, 1280])
def test_no_name_is_ever_executed(browser: Any, served: BoardServer, width: int) -> None:
    """A run, its data, its classes, its network and its error are called what would run if it were markup."""
    run = finished(served.folder.path / HOSTILE.replace("/", "|"))
    name = json.loads((run / "data.json").read_text())["class_names"]
    edit(run / "data.json", name=HOSTILE, source=HOSTILE, class_names=[f"{HOSTILE}{n}" for n in name])
    edit(run / "spec.json", name=HOSTILE)
    bad = killed(served.folder.path / "=cmd|' /C calc'!A0")
    add_rows(bad / "events.jsonl", [{"time": 1.0, "event": "stopped", "step": 5, "error": HOSTILE}])
    with opened(browser, served.url, width=width) as page:
        page.locator("#words").fill("onerror")
        found = rows(page)
        page.locator("th button", has_text="run").click()
        hacked = [page.evaluate("window.hacked")]
        page.locator("tr:visible th a", has_text="onerror").first.click()
        page.wait_for_selector("#verdict")
        hacked.append(page.evaluate("window.hacked"))
        fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    assert len(found) == 2
    assert hacked == [None, None]
    assert fits


@pytest.mark.parametrize("width", [390, 1280])
def test_a_long_name_pushes_nothing_out_of_sight(browser: Any, served: BoardServer, width: int) -> None:
    run = finished(served.folder.path / ("n" * 200))
    edit(run / "data.json", name="d" * 200)
    with opened(browser, served.url, width=width) as page:
        hidden = page.evaluate(
            "(box => box.scrollWidth - box.clientWidth)(document.querySelector('.scroll'))"
        )

    assert hidden == 0


def test_the_policy_holds_where_markup_gets_in_all_the_same(
    browser: Any, served: BoardServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were a name not escaped, nothing of it would run, neither at first nor in what comes later."""
    from resnetlab.board import table

    finished(served.folder.path / "x")
    monkeypatch.setattr(table, "text", lambda value: str(value).replace("digits", HOSTILE))
    said: list[str] = []
    with opened(browser, served.url, said=said) as page:
        finished(served.folder.path / "y", seed=3)
        until(page, "document.querySelector('[value=y]')")
        page.wait_for_timeout(200)

        assert page.evaluate("window.hacked") is None
        assert page.locator("img[src=x]").count() > 0
