"""What others wrote is shown as it is: on a terminal, and in pictures by matplotlib."""

import io
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import fontManager

from resnetlab.base.lettering import _other_fonts, drawable, font_families, in_a_line, legible, without_font
from resnetlab.cli.output import Output
from resnetlab.evaluation.metrics import Scores
from resnetlab.evaluation.results import Evaluation, write_evaluation
from resnetlab.reporting.curves import Curve, Line
from resnetlab.reporting.pictures.confusion import confusion_picture, draw_confusion
from resnetlab.reporting.pictures.curves import draw_curves
from resnetlab.show.tables.align import markdown_table, table

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


@pytest.fixture
def rare(tmp_path: Path) -> Iterator[str]:
    """A letter that no font of this system has, until `install` makes one for it."""
    _other_fonts.cache_clear()
    letter = next(
        each for each in map(chr, range(0x14400, 0x18000)) if each.isprintable() and font_families([each])[1]
    )
    known = list(fontManager.ttflist)
    yield letter
    fontManager.ttflist[:] = known
    _other_fonts.cache_clear()


def install(letter: str, folder: Path) -> None:
    """Make a font that has this one letter, a square, and make it known."""
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "square"])
    builder.setupCharacterMap({ord(letter): "square"})
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 700), (700, 700), (700, 0)):
        pen.lineTo(corner)
    pen.closePath()
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (800, 0), "square": (800, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Rare Letters", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(folder / "rare.ttf")
    fontManager.addfont(folder / "rare.ttf")
    _other_fonts.cache_clear()


def test_a_font_of_the_system_that_has_the_letters_is_used(rare: str, tmp_path: Path) -> None:
    boxes = draw_confusion(np.eye(2, dtype=int), [rare, "dog"])
    assert rare in without_font([rare, "dog"], "drawn by number")
    assert legible(f"{rare} run") == f"{ascii(rare)[1:-1]} run"

    install(rare, tmp_path)

    assert font_families([rare]) == (["DejaVu Sans", "Rare Letters"], "")
    assert without_font([rare, "dog"], "drawn by number") == ""
    assert legible(f"{rare} run") == f"{rare} run"
    assert draw_confusion(np.eye(2, dtype=int), [rare, "dog"]) != boxes


def test_a_class_whose_name_no_font_has_is_drawn_by_number_and_said(rare: str, tmp_path: Path) -> None:
    """A box beside the number would say nothing."""
    square = np.eye(3, dtype=int)
    drawn = draw_confusion(square, [f"{rare} cat", "dog", rare])

    assert drawn == draw_confusion(square, ["class 0 cat", "dog", "class 2"])
    scores = Scores(0.5, 3, 3, 3, torch.eye(3, dtype=torch.int64))
    names = (f"{rare} cat", "dog", rare)
    evaluation = Evaluation("c", 1, "d", "f", "test", "weights", scores, names, str(tmp_path))
    written = write_evaluation(evaluation, confusion_picture)
    assert written.notes == (
        f"confusion.png: no font of this system has {rare}: such classes are drawn by number, in the order "
        "of per_class.csv; one such as Noto Sans CJK, installed, is used",
    )


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
