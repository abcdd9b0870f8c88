"""Lines of titles and texts that fit the columns of whoever reads them."""

from collections.abc import Mapping

_NARROWEST = 24  # as in `titled`
"""Columns for texts below which they stand under their titles."""


def block(lines: Mapping[str, str], indent: str = "  ", *, width: int = 0, columns: int | None = None) -> str:
    """Return "title  text" lines with the texts aligned, after titles of at least this width.

    Args:
        lines: The texts by title.
        indent: Before each title.
        width: The least of the titles.
        columns: What the lines have to fit, if anything: longer texts go on in the next line, under
            themselves, and where the titles leave no room for them, all stand under their titles. No title
            and no word is ever cut.
    """
    width = max([width, *map(len, lines)])
    if columns is None:
        return "\n".join(f"{indent}{title:<{width}}  {text}" for title, text in lines.items())
    from resnetlab.show.tables.align import titled

    longest = max(map(len, lines.values()), default=0)
    if columns - len(indent) - width - 2 >= min(longest, _NARROWEST):
        heads = [f"{indent}{title:<{width}}  " for title in lines]
        return "\n".join(titled(h, t, width=columns) for h, t in zip(heads, lines.values(), strict=True))
    under = f"{indent}    "
    return "\n".join(
        f"{indent}{title}\n{titled(under, text, width=columns)}" for title, text in lines.items()
    )


def wrapped(text: str, columns: int | None) -> str:
    """Return the text with each line that is wider than so many columns in several; no word is ever cut.

    Args:
        text: The lines.
        columns: None leaves them as they are.
    """
    if columns is None:
        return text
    import textwrap

    def fitted(line: str) -> str:
        indent = line[: len(line) - len(line.lstrip())]
        found = textwrap.wrap(
            line, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        return "\n".join(found) or line

    return "\n".join(fitted(line) if len(line) > columns else line for line in text.split("\n"))


def filled(text: str, columns: int | None) -> str:
    """Return paragraphs with lines anew, where they are wider than so many columns; None leaves them."""
    if columns is None or max(map(len, text.split("\n"))) <= columns:
        return text
    return "\n\n".join(wrapped(" ".join(each.split()), columns) for each in text.split("\n\n"))
