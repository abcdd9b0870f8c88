"""How wide a text is, known without a font: the advance widths of DejaVu Sans.

It is the widest of the faces named in FONT_STACK, and the one that matplotlib ships and draws PNG and
PDF with; so no text outgrows its place, whichever face a reader has.
"""

from functools import lru_cache

from resnetlab.show.drawing.scene import Text

FONT_STACK = "'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
ASCENT, DESCENT = 0.76, 0.24
"""How far letters, brackets included, reach above and below the baseline, in sizes."""

_CHARACTERS = "".join(map(chr, range(32, 127))) + "±²·×é–—→"
_UNITS_PER_SIZE = 2048
# Source: the table hmtx of DejaVuSans.ttf and DejaVuSans-Bold.ttf, version 2.37.
_REGULAR = (
    651, 821, 942, 1716, 1303, 1946, 1597, 563, 799, 799, 1024, 1716, 651, 739, 651, 690, 1303, 1303, 1303,
    1303, 1303, 1303, 1303, 1303, 1303, 1303, 690, 690, 1716, 1716, 1716, 1087, 2048, 1401, 1405, 1430,
    1577, 1294, 1178, 1587, 1540, 604, 604, 1343, 1141, 1767, 1532, 1612, 1235, 1612, 1423, 1300, 1251,
    1499, 1401, 2025, 1403, 1251, 1403, 799, 690, 799, 1716, 1024, 1024, 1255, 1300, 1126, 1300, 1260, 721,
    1300, 1298, 569, 569, 1186, 569, 1995, 1298, 1253, 1300, 1300, 842, 1067, 803, 1298, 1212, 1675, 1212,
    1212, 1075, 1303, 690, 1303, 1716, 1716, 821, 651, 1716, 1260, 1024, 2048, 1716,
)  # fmt: skip
_BOLD = (
    713, 934, 1067, 1716, 1425, 2052, 1786, 627, 936, 936, 1071, 1716, 778, 850, 778, 748, 1425, 1425, 1425,
    1425, 1425, 1425, 1425, 1425, 1425, 1425, 819, 819, 1716, 1716, 1716, 1188, 2048, 1585, 1561, 1503,
    1700, 1399, 1399, 1681, 1714, 762, 762, 1587, 1305, 2038, 1714, 1741, 1501, 1741, 1577, 1475, 1397,
    1663, 1585, 2259, 1579, 1483, 1485, 936, 748, 936, 1716, 1024, 1024, 1382, 1466, 1214, 1466, 1389, 891,
    1466, 1458, 702, 702, 1362, 702, 2134, 1458, 1407, 1466, 1466, 1010, 1219, 979, 1458, 1335, 1892, 1321,
    1335, 1192, 1458, 748, 1458, 1716, 1716, 897, 778, 1716, 1389, 1024, 2048, 1716,
)  # fmt: skip
_WIDTHS = {
    False: dict(zip(_CHARACTERS, _REGULAR, strict=True)),
    True: dict(zip(_CHARACTERS, _BOLD, strict=True)),
}


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """Return the width in px of a text of `size` px in DejaVu Sans, without kerning."""
    widths = _WIDTHS[bold]
    unknown = set(text) - widths.keys()
    assert not unknown, f"characters without a width in {text!r}: {unknown}"
    return sum(widths[character] for character in text) * size / _UNITS_PER_SIZE


def printable(text: str) -> str:
    """Return a text that others wrote with "?" for every character that has no width here."""
    return "".join(character if character in _WIDTHS[False] else "?" for character in text)


def text_box(text: Text) -> tuple[float, float, float, float]:
    """Return (left, top, right, bottom) in px of the room that the text takes."""
    width = text_width(text.text, text.size, text.bold)
    left = text.x - {"start": 0.0, "middle": width / 2, "end": width}[text.anchor]
    return left, text.y - ASCENT * text.size, left + width, text.y + DESCENT * text.size
