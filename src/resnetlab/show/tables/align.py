"""Texts in lines that fit: tables in aligned columns or in Markdown, and paragraphs behind a title."""

import re
import textwrap
from collections.abc import Sequence

from resnetlab.base.lettering import in_a_line

WIDTH = 100
"""Columns of a terminal that everything here about a named network fits."""

_NARROWEST = 24
"""Columns that a paragraph takes behind any title, though it then is wider than asked for."""

NO_BREAK = "\N{NO-BREAK SPACE}"
"""Stands in a text of `titled` for a space at which no line ends."""


_ESCAPE = re.compile(r"\\(?=[!-/:-@\[-`{-~])")
_TAG, _ENTITY = re.compile(r"<(?=[A-Za-z/!?])"), re.compile(r"&(?=#?\w+;)")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return rows in aligned columns; the first `left` columns to the left, the others right.

    A text among the left columns may reach over empty ones behind it, if nothing follows these.
    """
    lines = [[in_a_line(cell) for cell in line] for line in (header, *rows)]
    assert len({len(line) for line in lines}) == 1, "rows of different lengths"
    left_widths = _left_widths(lines, left)
    heads = [_left_part(line[:left], left_widths) for line in lines]
    head_width = max(map(len, heads))
    widths = [max(map(len, column)) for column in list(zip(*lines, strict=True))[left:]]
    return "\n".join(
        "  ".join(
            [f"{head:<{head_width}}", *(f"{c:>{w}}" for c, w in zip(line[left:], widths, strict=True))]
        ).rstrip()
        for head, line in zip(heads, lines, strict=True)
    )


def fitting_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: int,
    columns: int | None,
    expendable: Sequence[str],
) -> tuple[str, Sequence[str]]:
    """Return `table` without what has no room, and the titles of that.

    Args:
        header: The columns' titles.
        rows: Their texts.
        left: How many columns stand to the left.
        columns: Of whoever reads it; None for no bounds.
        expendable: Titles of what may be left out, the first of them first, and more as need be.
    """
    for count in range(len(expendable) + 1):
        kept = [index for index, title in enumerate(header) if title not in expendable[:count]]
        text = table(
            [header[index] for index in kept],
            [[row[index] for index in kept] for row in rows],
            sum(index < left for index in kept),
        )
        if columns is None or max(map(len, text.split("\n"))) <= columns:
            break
    return text, expendable[:count]


def _left_widths(lines: Sequence[Sequence[str]], left: int) -> list[int]:
    """Return the left columns' widths; who has room behind him does not widen his column."""
    return [
        max(len(line[index]) for line in lines if index + 1 == left or any(line[index + 1 : left]))
        for index in range(left)
    ]


def _left_part(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return rows as a table in GitHub's Markdown; the first `left` columns to the left, the others right."""
    rule = [":--"] * left + ["--:"] * (len(header) - left)
    lines = [[markdown_text(cell).replace("|", r"\|") for cell in line] for line in (header, rule, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown_text(text: str) -> str:
    """Return the text as Markdown shows it, in a line: no tag of HTML, link or picture in it is one."""
    plain = _ESCAPE.sub(r"\\\\", in_a_line(text)).replace("](", r"]\(")
    return _TAG.sub("&lt;", _ENTITY.sub("&amp;", plain))


def text_width(columns: int | None) -> int:
    """Return the width of paragraphs for so many columns: none are wider than WIDTH."""
    return min(columns or WIDTH, WIDTH)


def titled(title: str, text: str, *, width: int = WIDTH) -> str:
    """Return the text behind its title, in as many lines of `width` as it takes."""
    first, *others = textwrap.wrap(
        text,
        max(width - len(title), min(_NARROWEST, width // 3)),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]
    lines = [title + first, *(" " * len(title) + line for line in others)]
    return "\n".join(line.replace(NO_BREAK, " ") for line in lines)
