"""Cells of a notebook: markup that changes nothing around it, and in which no name is markup."""

import re

from resnetlab.base.pages import cell

HOSTILE = "<img src=x onerror=alert(1)>\"'&</td>"


def test_what_others_wrote_is_text_wherever_it_stands() -> None:
    made = cell.cell(
        HOSTILE,
        cell.paragraph(HOSTILE),
        cell.facts({HOSTILE: HOSTILE}),
        cell.table((HOSTILE,), [(cell.text(HOSTILE),)]),
        cell.fold(HOSTILE, cell.code(HOSTILE)),
        cell.picture(b"\x89PNG", HOSTILE),
        cell.captioned("", HOSTILE, width=72),
        about=HOSTILE,
    )

    assert "<img src=x" not in made and made.count("&lt;img src=x onerror=alert(1)&gt;") == 12


def test_a_cell_reaches_beyond_itself_with_no_style_no_script_and_no_id() -> None:
    parts = (cell.bar(0.5), cell.table(("a",), [("1",)], most_px=100), cell.fold("more", cell.paragraph("b")))
    made = cell.cell("title", cell.beside(parts), cell.picture(b"<svg/>", "c", width=10, is_pixelated=True))

    assert not re.search(r"<(style|script)| (id|class|on\w+)=", made)
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in made
    for tag in ("div", "span", "table", "thead", "tbody", "tr", "td", "th", "details", "p"):
        assert len(re.findall(f"<{tag}[ >]", made)) == made.count(f"</{tag}>"), tag


def test_a_table_has_every_cell_of_wide_rows() -> None:
    made = cell.table((), [[str(index) for index in range(80)]])

    assert made.count("<td") == 80
