"""Texts that others wrote, such as the names of classes, on a terminal and in pictures: only ever shown.

A terminal obeys what follows an escape character. Matplotlib takes what stands between two $ for
mathematics, refuses what is no Unicode, and draws a box, with a warning, for a letter that its font lacks.
"""

import contextlib
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Literal

Letters = Literal["braille", "ascii"]
"""What a terminal has to draw with."""

_DRAWN = "\N{BRAILLE PATTERN DOTS-12345678}┤│└─"

OWN_FONT = "DejaVu Sans"
_MOST_SHOWN = 20  # letters in a line
_NO_OUTLINES = ("color emoji", "last resort", "lastresort")  # fonts of pictures, or of boxes


def in_a_line(text: str) -> str:
    """Return the text with what would break or hide a part of its line (a file's name may) escaped.

    Bytes that are no UTF-8 stay as they are, for the stream to write them back.
    """
    return "".join(
        letter if is_shown(letter) or "\udc80" <= letter <= "\udcff" else repr(letter)[1:-1]
        for letter in text
    )


def is_shown(letter: str) -> bool:
    """Return whether a letter is seen where it stands: no command, no end of a line, no stray byte."""
    return letter.isprintable() or letter == "\N{ZERO WIDTH JOINER}" or unicodedata.category(letter) == "Zs"


_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def without_commands(text: str) -> str:
    """Return the text with all that a terminal would obey escaped, but for the ends of lines and tabs."""
    return _COMMANDS.sub(lambda found: repr(found[0])[1:-1], text)


def is_unicode(text: str) -> bool:
    """Return whether the text can be written as UTF-8; the name of a file can hold bytes that are none."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def drawable(text: str) -> str:
    """Return the text with what cannot be drawn as one letter (control characters, stray bytes) escaped."""
    return "".join(letter if is_shown(letter) else _escaped(letter) for letter in text)


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


def legible(text: str) -> str:
    """Return the text as `drawable`, and the letters that no font here has as their numbers, escaped."""
    shown = drawable(text)
    _, missing = font_families([shown])
    numbers = {ord(letter): ascii(letter)[1:-1] for letter in missing}
    return shown.translate(numbers)


def without_font(texts: Iterable[str], instead: str) -> str:
    """Return a line that says which letters no font here has and what is drawn instead; empty if none."""
    _, missing = font_families(drawable(text) for text in texts)
    if not missing:
        return ""
    shown = missing[:_MOST_SHOWN] + "..." * (len(missing) > _MOST_SHOWN)
    return f"no font of this system has {shown}: {instead}; one such as Noto Sans CJK, installed, is used"


@contextlib.contextmanager
def boxes_in_silence() -> Iterator[None]:
    """Draw a box for a letter that no font has, without a warning for each, or for a weight it lacks."""
    import logging  # not for every command that only prints

    log = logging.getLogger("matplotlib.font_manager")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with _glyphs_in_silence():
            yield
    finally:
        log.setLevel(before)


@contextlib.contextmanager
def _glyphs_in_silence() -> Iterator[None]:
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


def shorter(words: str, most: int = 60) -> str:
    """Return a text with its middle left out if it is long."""
    if len(words) <= most:
        return words
    half = (most - 1) // 2
    return f"{words[:half]}…{words[-half:]}"


def letters_of(encoding: str | None, terminal: str = "") -> Letters:
    """Return the letters to draw with: Braille if the encoding has it, and the terminal shows it.

    Args:
        encoding: Of the stream; one of texts, such as io.StringIO, has none and takes all.
        terminal: Its kind, the variable TERM; the console of Linux has 512 letters, and Braille is none.
    """
    try:
        _DRAWN.encode(encoding or "utf-8")
    except (UnicodeError, LookupError):
        return "ascii"
    return "ascii" if terminal == "linux" else "braille"
