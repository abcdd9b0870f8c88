"""The frame of all pages: names are text, nothing but its own script runs, its colours are the house's."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

import resnetlab.base.pages.frame as frame
from resnetlab.base.pages.frame import data_block, html_page, text
from resnetlab.show.drawing.theme import THEMES


def test_text_is_never_markup_and_turns_no_direction() -> None:
    assert text('<b onclick="x">&\'') == "&lt;b onclick=&quot;x&quot;&gt;&amp;&#x27;"
    assert text("a\u202egnp\u2066.exe\x00") == "agnp.exe"
    assert text("caf\udce9") == "caf?"


def test_data_cannot_end_its_element() -> None:
    value = {"name": "</script><script>alert(1)</script><!--", "n": [1, 2.5, None]}

    block = data_block("report", value)

    inside = block.removeprefix('<script type="application/json" id="report">').removesuffix("</script>")
    assert "<" not in inside
    assert json.loads(inside) == value


def test_the_policy_allows_the_page_s_own_style_and_script_and_nothing_else() -> None:
    page = html_page(title="<x>", body="<p>hello</p>", style="p { color: red; }", script="window.mine = 1;")

    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    style = re.search(r"<style>(.*)</style>", page, re.DOTALL)
    script = re.search(r"<script>(.*)</script>", page, re.DOTALL)
    assert policy
    assert style
    assert script
    assert policy[1].split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src {_hash(style[1])}",
        f"script-src {_hash(script[1])}",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
    ]
    assert "<title>&lt;x&gt;</title>" in page


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


@pytest.mark.parametrize("name", ["light", "dark"])
def test_its_colours_are_those_of_the_drawings(name: str) -> None:
    css = (Path(frame.__file__).parent / "frame.css").read_text()
    blocks = re.findall(r"color-scheme: (light|dark);([^}]*)}", css)
    theme = THEMES[name]  # type: ignore[index]
    wanted = {"ink": theme.ink, "faint": theme.faint, "paper": theme.background, "edge": theme.neutral.stroke}

    found = [dict(re.findall(r"--(\w+): (#\w+);", inside)) for kind, inside in blocks if kind == name]

    assert len(found) == {"light": 1, "dark": 2}[name]
    assert all(each.items() >= wanted.items() for each in found)
