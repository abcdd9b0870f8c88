"""What others wrote is shown as it is: on a terminal, and in pictures by matplotlib."""

import io
import unicodedata

import pytest

from resnetlab.cli.output import Output
from resnetlab.lettering import drawable, font_families, in_a_line
from resnetlab.reporting.curves import Curve, Line
from resnetlab.reporting.picture import draw_curves
from resnetlab.tables.align import markdown_table, table

NAMES = (
    "cash$100_to_$200",
    "$HOME_$x",
    "Ba$$in",
    r"$\frac$",
    r"\$5 and $6",
    "猫と犬",
    "caf\udce9",
    "a\x1b[2Jb",
)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
@pytest.mark.filterwarnings("error")
def test_a_report_is_drawn_whatever_its_names_hold(name: str, kind: str) -> None:
    line = Line(mean=((10, 50.0), (20, 20.0)))
    curves = [
        Curve(name=text, is_plain=False, color=number, test=line, train=Line(), watched="test", open_ends=())
        for number, text in enumerate((name, "resnet20"))
    ]

    picture = draw_curves(curves, kind, title=name)

    assert len(picture) > 1000
    assert picture == draw_curves(curves, kind, title=name)


def test_letters_of_other_scripts_are_taken_from_other_fonts_or_named() -> None:
    own, nothing = font_families(["resnet20, 5 %", "Größe"])
    families, missing = font_families(["猫", "\U0010ffff"])

    assert (own, nothing) == (["DejaVu Sans"], "")
    assert families[0] == "DejaVu Sans"
    assert "\U0010ffff" in missing


def test_a_terminal_is_not_commanded_by_what_others_wrote() -> None:
    stream = io.BytesIO()
    output = Output(stream, encoding="utf-8", errors="surrogateescape")
    output.write("\x1b]0;owned\x07 a\tb\nc\x9b2J \u202egnp \udce9 ü猫\r!\n")
    output.flush()

    shown = stream.getvalue()
    assert (
        shown == rb"\x1b]0;owned\x07 a" + b"\tb\nc" + rb"\x9b2J \u202egnp " + b"\xe9" + " ü猫\\r!\n".encode()
    )
    output.detach()


def test_a_name_stays_in_its_line_of_a_table() -> None:
    text = table(("class", "samples"), [("a\nb", "1"), ("two  words\u3000", "2")])
    markdown = markdown_table(("class", "samples"), [("a|b\n", "1")])

    assert text.splitlines()[1].split() == [r"a\nb", "1"]
    assert len(text.splitlines()) == 3
    assert markdown.splitlines()[2] == r"| a\|b\n | 1 |"


def test_every_letter_is_either_shown_or_escaped() -> None:
    for code in range(0x3100):
        letter = chr(code)
        kept = in_a_line(letter) == letter
        assert kept == (unicodedata.category(letter) not in ("Cc", "Cf", "Cn", "Zl", "Zp") or code == 0x200D)
        assert drawable(letter) == in_a_line(letter)
    assert drawable("\udce9") == r"\xe9"
