"""A page in headless Chromium: what it says on its console, asks the network for, and how readable it is."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a browser of Playwright, the one that the system has."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Any,
    page_at: Path | str,
    *,
    width: int = 1280,
    theme: str = "light",
    said: list[str] | None = None,
) -> Iterator[Any]:
    """Yield a page opened from its file or a server; it must say nothing and ask nobody else.

    Args:
        browser: Of `chromium`.
        page_at: The file, or an address.
        width: Of the window.
        theme: light or dark.
        said: Is filled with what it says, if it may say something.
    """
    own = page_at if isinstance(page_at, str) else page_at.as_uri()
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    page = context.new_page()
    heard: list[str] = [] if said is None else said
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", lambda dialog: heard.append(f"dialog {dialog.message}"))
    page.on("request", lambda request: heard.append(request.url) if not _is_own(request.url, own) else None)
    try:
        page.goto(own)
        yield page
        assert said is not None or heard == [], heard
    finally:
        context.close()


def _is_own(url: str, own: str) -> bool:
    server = re.match(r"http://[^/]+/", own)
    return url.startswith("data:") or url == own or bool(server and url.startswith(server[0]))


LOW_CONTRAST = """() => {
  const channel = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const parse = (color) => {
    const numbers = color.match(/[\\d.]+/g).map(Number);
    return numbers.length < 4 ? [...numbers, 1] : numbers;
  };
  const parts = [0.2126, 0.7152, 0.0722];
  const light = (color) => parts.reduce((sum, part, i) => sum + part * channel(color[i] / 255), 0);
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const ground = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color[3] > 0) layers.push(color);
      if (color[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    if (element.closest(".drawing, script, style, [hidden]") || !element.getClientRects().length) continue;
    const texts = [...element.childNodes].filter((node) => node.nodeType === 3);
    const words = texts.map((node) => node.textContent.trim()).join("");
    if (!words) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const color = parse(element instanceof SVGElement ? style.fill : style.color), below = ground(element);
    const [a, b] = [light(over(color, below)), light(below)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (isLarge ? 3 : 4.5)) found.push(words.slice(0, 40) + " " + ratio.toFixed(2));
  }
  return found;
}"""
"""What has less contrast than WCAG 2.2 asks for (1.4.3, AA); drawings have a test of their own."""
