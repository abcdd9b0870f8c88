"""The small parts of a page: sections, tables, figures, numbers. What others wrote is escaped here."""

import re
from collections.abc import Collection, Iterable, Sequence

from resnetlab.base.pages.frame import text
from resnetlab.base.units import format_bytes, format_count, format_seconds

__all__ = [
    "bar",
    "code",
    "facts",
    "fold",
    "format_bytes",
    "format_count",
    "format_seconds",
    "image",
    "is_picture",
    "items",
    "paragraph",
    "percent",
    "section",
    "svg_text",
    "table",
    "text",
]


def section(name: str, title: str, *parts: str) -> str:
    """Return a section with its heading, nothing if it has no parts."""
    inside = "\n".join(part for part in parts if part)
    if not inside:
        return ""
    heading = f'<h2 id="h-{name}">{text(title)}</h2>'
    return f'<section id="{name}" aria-labelledby="h-{name}">{heading}\n{inside}\n</section>'


def paragraph(words: str, kind: str = "") -> str:
    """Return a paragraph of plain text."""
    look = f' class="{kind}"' if kind else ""
    return f"<p{look}>{text(words.replace(' %', _PERCENT))}</p>" if words else ""


def table(
    caption: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    texts: Collection[int] = (0,),
    sorts: bool = False,
    kind: str = "",
) -> str:
    """Return a table whose cells are markup; the first cell of a row is its heading.

    Args:
        caption: What it shows.
        header: The columns' names.
        rows: Their cells.
        texts: The columns that are read, to the left; numbers stand to the right.
        sorts: Whether a click on a heading sorts it.
        kind: Its class.
    """
    looks = ["" if index in texts else ' class="number"' for index in range(len(header))]
    head = "".join(
        f'<th scope="col"{look}>{_sorter(name) if sorts and name else text(name)}</th>'
        for name, look in zip(header, looks, strict=True)
    )
    body = "\n".join(f"<tr>{_row(row, looks)}</tr>" for row in rows)
    classes = " ".join(part for part in (kind, "sorts" if sorts else "") if part)
    named = f' class="{classes}"' if classes else ""
    return (
        f'<p class="caption">{text(caption)}</p><div class="scroll" role="region" tabindex="0"'
        f' aria-label="{text(caption)}"><table{named}><thead><tr>{head}</tr></thead><tbody>\n{body}\n'
        "</tbody></table></div>"
    )


def _sorter(name: str) -> str:
    return f'<button type="button">{text(name)}</button>'


def _row(row: Sequence[str], looks: Sequence[str]) -> str:
    first, *others = row
    cells = "".join(f"<td{look}>{cell}</td>" for cell, look in zip(others, looks[1:], strict=True))
    return f'<th scope="row"{looks[0]}>{first}</th>{cells}'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and what is to be said of them; a value is markup."""
    inside = "".join(f"<dt>{text(name)}</dt><dd>{value}</dd>" for name, value in pairs if value)
    return f'<dl class="facts">{inside}</dl>' if inside else ""


def fold(title: str, inside: str, *, is_open: bool = False) -> str:
    """Return what is shown when it is asked for."""
    return f"<details{' open' if is_open else ''}><summary>{text(title)}</summary>{inside}</details>"


def code(lines: str, name: str = "") -> str:
    """Return lines to be copied, with a button that does it."""
    label = f' aria-label="{text(name)}"' if name else ""
    return f'<div class="code"><pre tabindex="0"{label}><code>{text(lines)}</code></pre></div>'


def items(rows: Iterable[str], kind: str = "plain") -> str:
    """Return a list of markup, nothing if it is empty."""
    inside = "".join(f"<li>{row}</li>" for row in rows)
    return f'<ul class="{kind}">{inside}</ul>' if inside else ""


def svg_text(x: float, y: float, words: str, anchor: str = "") -> str:
    """Return a text within a picture."""
    how = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{how}>{text(words)}</text>'


def bar(share: float, kind: str = "") -> str:
    """Return a bar of this share of its cell."""
    width = 100 * min(max(share, 0.0), 1.0)
    look = f"bar {kind}".strip()
    ground = '<rect class="ground" width="100%" height="100%"/>'
    return f'<svg class="{look}" aria-hidden="true">{ground}<rect width="{width:.1f}%" height="100%"/></svg>'


_PERCENT = "\N{NO-BREAK SPACE}%"
_URI = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/]+=*")


def is_picture(uri: str) -> bool:
    """Return whether a text of the report is a picture, and nothing else."""
    return bool(_URI.fullmatch(uri))


def image(uri: str, alt: str, number: int, seen: set[int]) -> str:
    """Return a picture of the report; a text in its place if it is no such thing.

    It is in the page once: where it is `seen` already, the script shows it again.
    """
    if not is_picture(uri):
        return f'<span class="faint">{text(alt)}: no picture</span>'
    source = f'data-again="{number}"' if number in seen else f'src="{uri}" data-picture="{number}"'
    seen.add(number)
    return f'<img {source} alt="{text(alt)}">'


def percent(share: float, digits: int = 2) -> str:
    """Return a share as "96.94 %", which no line breaks."""
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"
