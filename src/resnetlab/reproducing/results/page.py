"""The page of a reproduction: its budget, what is seen, the table, the figure, and how all of it was made."""

import base64
from collections.abc import Callable, Sequence

from resnetlab.base.pages.frame import html_page, text
from resnetlab.reporting.page.look import style
from resnetlab.reporting.page.parts import fold, items, paragraph, section
from resnetlab.reporting.page.parts import table as table_of
from resnetlab.reproducing.results.tables import LEFT, ResultTable
from resnetlab.show.drawing.theme import ThemeName

_THEMES: tuple[ThemeName, ...] = ("light", "dark")
_OF_THE_TABLE = ("[", "data: ")
_HYPHEN, _EQUALS, _BEFORE_A_MARK = (
    "\N{NON-BREAKING HYPHEN}",
    "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}",
    "\N{NO-BREAK SPACE}[",
)
"""Where no line may break: CIFAR-10, n = 3, plain20 [1]."""
_SECTIONS = (
    ("published", "Published", ("published: ",)),
    ("otherwise", "Done otherwise here", ("deviation: ",)),
    ("made", "How it was made", ("made: ", "records: ")),
)


def render(table: ResultTable, figure: Callable[[ThemeName], bytes] | None = None) -> str:
    """Return the page.

    Args:
        table: The table.
        figure: Draws the figure as SVG; none if there is nothing to draw.
    """
    notes = [*table.notes()]
    body = "\n".join(
        (
            _header(table),
            f"<main>{_verdict(table, notes)}",
            section("result", "The table", _table(table, notes)),
            section("figure", "The figure", _in_both_themes(figure, table.title) if figure else ""),
            *(section(name, title, _list(notes, titles)) for name, title, titles in _SECTIONS),
            "</main>",
        )
    )
    return html_page(title=table.title, body=body, style=style())


def _header(table: ResultTable) -> str:
    about = " <span aria-hidden=true>·</span> ".join(
        f"<span>{text(part)}</span>" for part in (table.reproduction.name, table.reproduction.source)
    )
    return (
        '<header><div><p class="kind">resnetlab reproduce</p>'
        f"<h1>{text(table.reproduction.title.replace('-', _HYPHEN))}</h1>"
        f'<p class="faint about">{about}</p></div>'
        '<button type="button" class="theme" hidden>Dark</button></header>'
    )


def _verdict(table: ResultTable, notes: Sequence[tuple[str, str]]) -> str:
    """Return the budget before all else, and what the runs show."""
    (budget,) = [words for title, words in notes if title == "budget: "]
    look = "good" if table.budget.is_full else "bad"
    seen = [words for title, words in notes if title in ("seen: ", "band: ")]
    return (
        f'<section id="verdict" aria-label="Result">{paragraph(f"Budget {budget}", look)}'
        f"{''.join(paragraph(words.replace(' = ', _EQUALS)) for words in seen)}</section>"
    )


def _table(table: ResultTable, notes: Sequence[tuple[str, str]]) -> str:
    """Return the table, what its columns mean, and what its rows have otherwise."""
    header, rows = table.cells()
    shown = table_of(
        f"{table.reproduction.name}, budget {table.budget.name}",
        header,
        [[text(each.replace(" [", _BEFORE_A_MARK)) for each in row] for row in rows],
        texts=range(LEFT),
        kind="narrow-table",
    )
    own = [title + words for title, words in notes if title.startswith(_OF_THE_TABLE)]
    meant = "".join(paragraph(words, "note faint") for title, words in notes if not title)
    return shown + items(map(text, own), "plain small") + fold("What the columns mean", meant)


def _list(notes: Sequence[tuple[str, str]], titles: Sequence[str]) -> str:
    return items([text(words) for title, words in notes if title in titles])


def _in_both_themes(figure: Callable[[ThemeName], bytes], alt: str) -> str:
    """Return the figure twice, of which the page shows the one in its colours.

    It is a picture, for which the page's policy lets its style be; on a phone it is as large as can be read,
    and is moved sideways.
    """
    shown = []
    for theme in _THEMES:
        uri = f"data:image/svg+xml;base64,{base64.b64encode(figure(theme)).decode()}"
        shown.append(f'<div class="drawing both in-{theme}"><img src="{uri}" alt="{text(alt)}"></div>')
    return "".join(shown)
