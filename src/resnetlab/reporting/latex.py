"""Tables in LaTeX, by the package booktabs, with every name in them escaped."""

import re
from collections.abc import Sequence

from resnetlab.base.lettering import drawable

_ESCAPED = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
    "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"$<$", ">": r"$>$",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "±": r"$\pm$", "×": r"$\times$",
}  # fmt: skip
_MINUS = re.compile(r"(?<![^\s(])-(?=[.\d])")
_FIRST = re.compile(r"[\[*]")


def latex_text(text: str) -> str:
    """Return the text as LaTeX shows it, and does not obey: nothing of a name is a command."""
    parts = []
    end = 0
    shown = drawable(text)
    for found in _MINUS.finditer(shown):
        parts += [_escaped(shown[end : found.start()]), "$-$"]
        end = found.end()
    return "".join([*parts, _escaped(shown[end:])])


def _escaped(text: str) -> str:
    return "".join(_ESCAPED.get(letter, letter) for letter in text)


def latex_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return rows as a tabular with booktabs' rules; the first `left` columns to the left, others right."""
    body = [_row(row) for row in rows]
    lines = [rf"\begin{{tabular}}{{{'l' * left}{'r' * (len(header) - left)}}}", r"\toprule", _row(header)]
    return "\n".join(
        ["% \\usepackage{booktabs}", *lines, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]
    )


def _row(cells: Sequence[str]) -> str:
    """Return a line of a table; a bracket or star at its beginning would belong to the line before."""
    text = " & ".join(map(latex_text, cells))
    return rf"{'{}' if _FIRST.match(text) else ''}{text} \\"


def latex_list(texts: Sequence[str]) -> str:
    """Return the texts as a list, a line each; empty without any."""
    items = [rf"\item {'{}' if _FIRST.match(text) else ''}{latex_text(text)}" for text in texts]
    return "\n".join([r"\begin{itemize}", *items, r"\end{itemize}"]) if items else ""
