"""Texts that users wrote, in pictures by matplotlib: as they are, whatever letters they hold.

Matplotlib takes what stands between two $ for mathematics, refuses what is no Unicode, and draws a box,
with a warning, for a letter that its font lacks.
"""

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

OWN_FONT = "DejaVu Sans"
_NO_OUTLINES = ("color emoji", "lastresort")  # fonts of pictures, or of boxes


def drawable(text: str) -> str:
    """Return the text with what cannot be drawn as one letter (control characters, stray bytes) escaped."""
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":  # a byte of a name that is no UTF-8
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return repr(letter)[1:-1]


def literal(text: str) -> str:
    """Return the text for those of matplotlib's functions that cannot be told to leave $ alone."""
    return text.replace("$", r"\$")


def font_families(texts: Iterable[str]) -> tuple[list[str], str]:
    """Return the fonts to draw the texts with, matplotlib's own first, and the letters that none has."""
    missing = {letter for text in texts for letter in text} - _letters_of_own_font()
    families = [OWN_FONT]
    for family, path in _other_fonts() if missing else ():
        if found := missing & _letters(path):
            families.append(family)
            missing -= found
            if not missing:
                break
    return families, "".join(sorted(missing))


@contextlib.contextmanager
def boxes_in_silence() -> Iterator[None]:
    """Draw a box for a letter that no font has, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        yield


@lru_cache(maxsize=1)
def _letters_of_own_font() -> frozenset[str]:
    from matplotlib.font_manager import FontProperties, findfont

    return _letters(findfont(FontProperties(family=OWN_FONT)))


@lru_cache(maxsize=1)
def _other_fonts() -> tuple[tuple[str, str], ...]:
    """Return the system's upright fonts, as family and file; those for many scripts first."""
    from matplotlib.font_manager import fontManager

    fonts = {
        (entry.name, entry.fname)
        for entry in fontManager.ttflist
        if entry.style == "normal" and not any(word in entry.name.casefold() for word in _NO_OUTLINES)
    }
    return (*sorted(fonts, key=lambda font: (not _is_broad(font[0]), font)),)


def _is_broad(family: str) -> bool:
    words = (
        "cjk",
        "noto sans",
        "unicode",
        "wenquanyi",
        "source han",
        "yahei",
        "gothic",
        "pingfang",
        "symbol",
    )
    return any(word in family.casefold() for word in words)


@lru_cache(maxsize=512)
def _letters(path: str) -> frozenset[str]:
    """Return the letters that a font file has; none if it cannot be read."""
    from matplotlib.font_manager import get_font

    try:
        font: Any = get_font(path)
        return frozenset(map(chr, font.get_charmap()))
    except Exception:  # of FreeType: a damaged font, or one of pictures
        return frozenset()
