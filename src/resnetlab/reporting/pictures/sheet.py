"""What pictures of lines have in common: letters, colours, quiet axes, and how they are saved."""

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from resnetlab.base.lettering import boxes_in_silence, drawable, font_families, legible
from resnetlab.show.drawing.raster import font, our_settings
from resnetlab.show.drawing.theme import THEMES, Theme, ThemeName

INCH = 72  # points
SIZE, SMALL = 9.0, 8.0
_LARGE = 10.5
_STROKES = (0, 4, 3, None, 2, 1, 5)
"""The theme's stages whose strokes are lines, None for its ink: the first differ most to all readers."""
_GREYS = ("#000000", "#6e6e6e", "#3a3a3a", "#767676", "#555555", "#222222")


@contextlib.contextmanager
def in_our_style() -> Iterator[None]:
    """Draw with matplotlib's defaults, whatever the user's file says, and in the font of our pictures."""
    with our_settings(), boxes_in_silence():
        matplotlib.rcdefaults()
        settings: dict[Any, Any] = {
            "svg.hashsalt": "resnetlab", "svg.fonttype": "path", "pdf.fonttype": 42,
            "font.family": "DejaVu Sans", "font.size": SMALL, "axes.linewidth": 0.8, "text.usetex": False,
        }  # fmt: skip
        matplotlib.rcParams.update(settings)
        yield


def saved(figure: Figure, kind: str, *, theme: ThemeName, title: str) -> bytes:
    """Return a figure as svg, pdf or png; the same figure gives the same bytes."""
    stream, title = io.BytesIO(), drawable(title)
    about = {"svg": {"Date": None, "Title": title}, "pdf": {"CreationDate": None, "Title": title}}
    figure.savefig(
        stream, format=kind, dpi=200, facecolor=THEMES[theme].background,
        metadata=about.get(kind, {"Software": None}),
    )  # fmt: skip
    return stream.getvalue()


def write_title(figure: Figure, title: str, theme: Theme, *, x: float, y: float) -> None:
    """Write the line above all; its upper left corner lies at this share of the figure."""
    if title:
        figure.text(
            x, y, legible(title), va="top", fontproperties=font_of(title), size=_LARGE, color=theme.ink,
            parse_math=False,
        )  # fmt: skip


def line_color(theme: Theme, number: int) -> str:
    """Return the colour of the line of that number; they come round again."""
    if theme.name == "print":
        return _GREYS[number % len(_GREYS)]
    stage = _STROKES[number % len(_STROKES)]
    return theme.ink if stage is None else theme.stages[stage].stroke


def make_quiet(axes: Any, theme: Theme) -> None:
    """Leave of a panel's frame the lower edge and lines across, so that what is drawn is seen first."""
    axes.tick_params(length=0, pad=5, colors=theme.faint, labelsize=SMALL)
    axes.grid(axis="y", color=theme.neutral.fill, lw=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(theme.neutral.stroke)


def font_of(text: str, *, bold: bool = False) -> FontProperties:
    """Return the font of our pictures, with others of the system behind it for letters that it lacks."""
    families, _ = font_families([drawable(text)])
    if len(families) == 1:
        return font(bold)
    return FontProperties(family=families, weight="bold" if bold else "normal")
