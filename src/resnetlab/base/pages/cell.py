"""What an object shows of itself in a cell of a notebook: markup that brings its own style.

A cell lies in a page of others', light or dark, which nothing of ours may change: there is no style sheet, no
script, no id and no colour of the ground. Text has the colour that stands around it, and what has a colour of
its own is read on white as on black. What others wrote is text in it, never markup: `text` escapes it.
"""

import base64
from collections.abc import Collection, Iterable, Mapping, Sequence

from resnetlab.base.pages.frame import text

__all__ = [
    "bar", "beside", "captioned", "cell", "code", "facts", "fold", "paragraph", "picture", "table", "text",
]  # fmt: skip

BLUE, ORANGE, GREEN, RED = "#2b87c8", "#cf6a1a", "#1f9a72", "#d2503c"
"""The first two are told apart by all readers; each has a contrast of 3 to white and to black."""

_FAINT = "opacity:.72"
_TABLE = "border-collapse:collapse;border:0;margin:.3em 0;font-size:.92em;font-variant-numeric:tabular-nums"
_LINE = "1px solid rgba(128,128,128,.35)"


def cell(title: str, *parts: str, about: str = "") -> str:
    """Return a cell of a heading, of a line that says what it is of, and of parts, which are markup."""
    heading = f'<div style="font-weight:600;font-size:1.05em">{text(title)}</div>' if title else ""
    beside = f'<div style="{_FAINT}">{text(about)}</div>' if about else ""
    inside = "".join(part for part in parts if part)
    return (
        '<div style="line-height:1.45;max-width:58em;overflow-wrap:anywhere;text-align:left">'
        f"{heading}{beside}{inside}</div>"
    )


def paragraph(words: str, *, is_faint: bool = False) -> str:
    """Return a paragraph of plain text, nothing if it is empty."""
    look = f";{_FAINT}" if is_faint else ""
    return f'<p style="margin:.3em 0{look}">{text(words)}</p>' if words else ""


def facts(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """Return names and what is to be said of them, which is plain text."""
    rows = pairs.items() if isinstance(pairs, Mapping) else pairs
    return table((), [(f'<span style="{_FAINT}">{text(name)}</span>', text(value)) for name, value in rows])


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Collection[int] = (), most_px: int = 0
) -> str:
    """Return a table.

    Args:
        header: The columns' names, plain texts; none for a table without.
        rows: Their cells, markup.
        numbers: The columns of numbers, which stand to the right.
        most_px: Its height, above which it scrolls; 0 is all of it.
    """
    head = "".join(
        f'<th style="{_style(index in numbers)};border-bottom:{_LINE};font-weight:600;vertical-align:bottom">'
        f"{text(name)}</th>"
        for index, name in enumerate(header)
    )
    body = "".join(
        f'<tr style="background:none">{"".join(_cells(row, numbers))}</tr>'  # some notebooks have stripes
        for row in rows
    )
    head = f'<thead style="border:0"><tr style="background:none">{head}</tr></thead>' if head else ""
    made = f'<table style="{_TABLE}">{head}<tbody>{body}</tbody></table>'
    how = f"overflow:auto;max-height:{most_px}px" if most_px else "overflow-x:auto"
    return f'<div style="{how}">{made}</div>'


def _cells(row: Sequence[str], numbers: Collection[int]) -> Iterable[str]:
    return (f'<td style="{_style(index in numbers)}">{each}</td>' for index, each in enumerate(row))


def _style(is_number: bool) -> str:
    side = "right;white-space:nowrap" if is_number else "left"
    return f"text-align:{side};padding:.15em 1.1em .15em 0;border:0;vertical-align:top;max-width:40em"


def fold(title: str, inside: str) -> str:
    """Return what is shown when it is asked for."""
    summary = f'<summary style="cursor:pointer;{_FAINT}">{text(title)}</summary>'
    return f'<details style="margin:.3em 0">{summary}{inside}</details>' if inside else ""


def code(lines: str) -> str:
    """Return lines of a program."""
    look = "margin:.3em 0;padding:0;background:none;font-size:.92em;white-space:pre-wrap"
    return f'<pre style="{look}"><code style="background:none">{text(lines)}</code></pre>'


def bar(share: float, *, color: str = BLUE, width: str = "10em") -> str:
    """Return a bar of which this share is full."""
    full = 100 * min(max(share, 0.0), 1.0)
    place = f"display:inline-block;vertical-align:middle;width:{width};max-width:100%;height:.6em"
    ground = f"{place};background:rgba(128,128,128,.25)"
    inside = f"display:block;width:{full:.1f}%;height:100%;background:{color}"
    return f'<span style="{ground};border-radius:.3em;overflow:hidden"><span style="{inside}"></span></span>'


def picture(content: bytes, alt: str, *, width: int = 0, is_pixelated: bool = False) -> str:
    """Return a picture that is never wider than the cell.

    Args:
        content: A PNG, a JPEG, or an SVG document, of which nothing runs as it is a picture.
        alt: What is to be seen on it.
        width: In pixels of the page; 0 is its own.
        is_pixelated: Whether it is enlarged pixel by pixel, as pictures of 32 pixels are.
    """
    kind = (
        "png" if content.startswith(b"\x89PNG") else "jpeg" if content.startswith(b"\xff\xd8") else "svg+xml"
    )
    uri = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    how = "display:block;max-width:100%;height:auto;margin:.2em 0" + (
        ";image-rendering:pixelated" if is_pixelated else ""
    )
    size = f' width="{width}"' if width else ""
    return f'<img src="{uri}" alt="{text(alt)}"{size} style="{how}">'


def beside(parts: Iterable[str]) -> str:
    """Return parts that stand side by side as far as there is room."""
    inside = "".join(f"<div>{part}</div>" for part in parts)
    return f'<div style="display:flex;flex-wrap:wrap;gap:.4em .8em;align-items:flex-start">{inside}</div>'


def captioned(inside: str, caption: str, *, width: int) -> str:
    """Return a picture with a line of plain text below it, cut off at the picture's width in pixels."""
    line = f"width:{width}px;font-size:.85em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    return f'{inside}<div style="{line}" title="{text(caption)}">{text(caption)}</div>'
