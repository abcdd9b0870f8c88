"""The page as people meet it: in Chromium, pictures chosen, dropped and pasted, by keys and by pointer."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from resnetlab.trained.serving.answering import Answering
from resnetlab.trained.serving.limits import Limits
from resnetlab.trained.serving.server import PredictionServer
from tests.kit.artefacts import classifier_of, small_artefact
from tests.kit.asking import running
from tests.kit.browser import LOW_CONTRAST, opened
from tests.kit.pictures import picture

pytestmark = pytest.mark.browser

Serving = Callable[..., PredictionServer]
HOSTILE = "<img src=x onerror=hacked=1>"
GIVE = """([event, names]) => {
  const given = new DataTransfer();
  for (const [name, bytes] of names) given.items.add(new File([new Uint8Array(bytes)], name));
  const made = event === "paste" ? new ClipboardEvent(event, { clipboardData: given, bubbles: true })
    : new DragEvent(event, { dataTransfer: given, bubbles: true, cancelable: true });
  document.body.dispatchEvent(made);
}"""


def choose(page: Any, **files: bytes) -> None:
    given = [{"name": name, "mimeType": "image/jpeg", "buffer": data} for name, data in files.items()]
    page.set_input_files("#files", given)


def cards(page: Any, count: int) -> list[Any]:
    """Return the cards from above, when there are so many and none waits."""
    page.locator(f".answer:nth-child({count})").wait_for()
    while page.locator(".waits").count():
        page.wait_for_timeout(10)
    found = page.locator(".answer").all()
    assert len(found) == count
    return list(found)


def classes(card: Any) -> list[str]:
    return list(card.locator(".classes .name").all_inner_texts())


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_can_be_read(browser: Any, serving: Serving, width: int, theme: str) -> None:
    said: list[str] = []
    with opened(browser, serving().url, width=width, theme=theme, said=said) as page:
        empty = page.evaluate(LOW_CONTRAST)
        choose(page, a=picture(1), **{"n" * 150: b"hello"})
        cards(page, 2)
        fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        low = page.evaluate(LOW_CONTRAST)

    assert (empty, fits, low) == ([], True, [])
    assert [each for each in said if "400" not in each] == []  # which the browser says of the broken one


def test_a_picture_is_answered_as_predict_answers_it(
    browser: Any, serving: Serving, answering: Answering
) -> None:
    """Chosen, dropped or pasted; a click on a class, or a key, shows what speaks for it."""
    contents = [picture(seed) for seed in range(1, 5)]
    expected = [answering.classifier.predict(content) for content in contents]
    with opened(browser, serving().url) as page:
        choose(page, **{"chosen.jpg": contents[0], "too.jpg": contents[1]})
        page.evaluate(GIVE, ["drop", [["dropped.jpg", [*contents[2]]]]])
        page.evaluate(GIVE, ["paste", [["pasted.jpg", [*contents[3]]]]])
        found = cards(page, 4)[::-1]
        names = [each.locator(".file").inner_text() for each in found]
        answers = [classes(each) for each in found]
        first = found[0].locator("figure img").last.get_attribute("src")
        found[0].locator(".classes button").nth(1).press("Enter")
        page.get_by_text(f"Grad-CAM: what speaks for {expected[0].answers[1].class_name}").wait_for()
        second = found[0].locator("figure img").last.get_attribute("src")
        pressed = found[0].locator("[aria-pressed=true] .name").all_inner_texts()
        page.get_by_label("Remove too.jpg").click()
        left = page.locator(".answer").count()
        page.locator("#clear").click()
        none = page.locator(".answer, #tools:visible").count()

    assert names == ["chosen.jpg", "too.jpg", "dropped.jpg", "pasted.jpg"]
    assert answers == [[each.class_name for each in one.answers] for one in expected]
    assert first != second
    assert pressed == [expected[0].answers[1].class_name]
    assert (left, none) == (3, 0)


def test_what_is_wrong_with_a_picture_is_said_beside_its_name(browser: Any, serving: Serving) -> None:
    said: list[str] = []
    with opened(browser, serving(Limits(rate=0, megabytes=0.02)).url, said=said) as page:
        choose(page, **{"text.jpg": b"hello", "large.jpg": bytes(30_000), "good.jpg": picture(1)})
        good, large, text = (each.inner_text() for each in cards(page, 3))

    assert "text.jpg\n\nNot an image: the bytes look like text" in text
    assert "large.jpg\n\nThat is too large: at most 0.02 MB are taken." in large
    assert "ms, engine reference" in good
    assert sum("400" in each for each in said) == len(said) == 1  # the large one was not sent


def test_a_server_that_is_gone_is_said_to_be_and_tried_again(browser: Any, serving: Serving) -> None:
    said: list[str] = []
    with opened(browser, serving().url, said=said) as page:
        page.context.set_offline(True)
        choose(page, a=picture(1))
        gone = cards(page, 1)[0].inner_text()
        page.context.set_offline(False)
        page.get_by_text("Try again").click()
        page.locator(".answer h3").wait_for()

    assert "The server does not answer." in gone and "resnetlab serve" in gone


def test_pictures_that_are_too_many_for_a_second_wait(browser: Any, serving: Serving) -> None:
    said: list[str] = []
    with opened(browser, serving(Limits(rate=1)).url, said=said) as page:
        choose(page, a=picture(1), b=picture(2), c=picture(3))
        answered = [classes(each) for each in cards(page, 3)]

    assert all(len(each) == 3 for each in answered)
    assert any("429" in each for each in said)


def test_no_name_is_ever_executed(browser: Any) -> None:
    """The network, its classes, its origin and a file are called what would run if it were markup."""
    artefact = replace(small_artefact(names=("ant", HOSTILE)), origin=HOSTILE, notes=(HOSTILE,))
    made = Answering(classifier_of(artefact))
    server = PredictionServer(made, Limits(), port=0)
    with running(server), opened(browser, server.url) as page:
        choose(page, **{f"{HOSTILE.replace('/', '|')}.jpg": picture(1)})
        found = cards(page, 1)[0]
        found.locator(".classes button").filter(has_text="onerror").click()
        page.get_by_text(f"Grad-CAM: what speaks for {HOSTILE}").wait_for()
        hacked = page.evaluate("window.hacked")
    made.close()

    assert hacked is None


def test_without_a_script_it_is_a_form_that_is_answered(browser: Any, serving: Serving) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(serving().url)
    choose(page, **{"a.jpg": picture(1)})
    page.get_by_text("Send", exact=True).click()
    told = page.locator("body").inner_text()
    context.close()

    assert '"image": "a.jpg"' in told
