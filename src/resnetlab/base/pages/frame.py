"""One HTML file that needs nothing else: its style, its script and its rights are in it.

What others wrote (names of classes, runs, files) is text in it, never markup: `text` escapes it. Should that
ever fail, the page's own policy still lets nothing run or be fetched but what is hashed here.
"""

import base64
import hashlib
import json
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


def text(value: object) -> str:
    """Return a text for the inside of an element or of a quoted attribute.

    Bytes of a file's name that could not be read as UTF-8 are replaced, and commands that would turn the
    direction of what follows are left out.
    """
    shown = str(value).encode(errors="replace").decode()
    return escape("".join(letter for letter in shown if letter not in _TURNING))


_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\x00")


def data_block(name: str, value: Any) -> str:
    """Return plain data as an element that scripts of the page read, and that nothing can end early."""
    content = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        content = content.replace(letter, f"\\u{ord(letter):04x}")
    return f'<script type="application/json" id="{name}">{content}</script>'


def html_page(*, title: str, body: str, style: str = "", script: str = "", is_served: bool = False) -> str:
    """Return a whole page in the look of all of ours: light or dark, on a screen, a phone and on paper.

    Args:
        title: Of the window; any text.
        body: Markup.
        style: CSS beside that of all pages.
        script: JavaScript beside that of all pages; it may write text and build elements, but no markup.
        is_served: Whether a server gives the page: it may then ask this server again, and nobody else.
    """
    style, script = read_asset(_HERE, "frame.css") + style, read_asset(_HERE, "frame.js") + script
    policy = "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}",
            "base-uri 'none'",
            "form-action 'self'; connect-src 'self'" if is_served else "form-action 'none'",
            "require-trusted-types-for 'script'",
        )
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"{body}\n<script>{script}</script>\n</body>\n</html>\n"
    )


@cache
def read_asset(folder: Path, name: str) -> str:
    """Return the text of a style or a script that lies beside its module."""
    return (folder / name).read_text("utf-8")


def _hash(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"
