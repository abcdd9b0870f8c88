"""The page of a reproduction: the budget, the table, the figure, the notes."""

from resnetlab.base.pages import cell
from resnetlab.base.pages.frame import html_page, text
from resnetlab.reproducing.results.tables import ResultTable


def render(table: ResultTable, figure: bytes = b"") -> str:
    """Return the page.

    Args:
        table: The table.
        figure: The figure as SVG; none if there is nothing to draw.
    """
    header, rows = table.cells()
    is_short = not table.budget.is_full
    notes = [(title, words) for title, words in table.notes() if title != "budget: "]
    (budget,) = [words for title, words in table.notes() if title == "budget: "]
    body = "\n".join(
        (
            f"<h1>{text(table.title)}</h1>",
            f"<p>{text(table.reproduction.title)}. {text(table.reproduction.source)}.</p>",
            f'<p class="{"bad" if is_short else "good"}">{text("Budget " + budget)}</p>',
            cell.table(header, [[*map(text, row)] for row in rows], numbers=range(2, len(header))),
            cell.picture(figure, table.title) if figure else "",
            "<ul>",
            *(f"<li>{text(title + words)}</li>" for title, words in notes),
            "</ul>",
        )
    )
    return html_page(title=table.title, body=body)
