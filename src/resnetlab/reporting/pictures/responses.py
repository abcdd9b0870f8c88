"""Layer responses as a picture: above in the layers' order, below by their size (He et al., 2015, Fig. 7)."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from resnetlab.reporting.axes import Axis, value_axis
from resnetlab.reporting.axes import number as told
from resnetlab.reporting.curves import Band, ResponseCurve
from resnetlab.reporting.pictures.sheet import (
    INCH,
    SIZE,
    SMALL,
    font_of,
    in_our_style,
    line_color,
    make_quiet,
    saved,
    write_title,
)
from resnetlab.show.drawing.theme import THEMES, Theme, ThemeName

_WIDTH, _HEIGHT = 500.0, 150.0  # of a panel, in points
_LEFT, _RIGHT, _TITLE = 46.0, 14.0, 22.0
_BELOW, _GAP = 36.0, 22.0  # for the axis' name; from there to the next panel's title
_LEGEND = 14.0
_PANELS = (
    ("layers", "in the network's order", "3x3 layer"),
    ("ranked", "in descending order", "3x3 layer, by its deviation"),
)


def draw_responses(
    curves: Sequence[ResponseCurve], kind: str, *, theme: ThemeName = "light", title: str = ""
) -> bytes:
    """Return the picture as svg, pdf or png; plain networks are dashed. The same curves give the same bytes.

    Args:
        curves: At least one.
        kind: svg, pdf or png.
        theme: Colours; print has greys.
        title: A line above.
    """
    with in_our_style():
        return saved(_figure(curves, THEMES[theme], title), kind, theme=theme, title=title)


def _figure(curves: Sequence[ResponseCurve], theme: Theme, title: str) -> Figure:
    above, below = 12 + _TITLE * bool(title), _BELOW + _LEGEND
    panel = 16 + _HEIGHT
    whole = above + panel + _BELOW + _GAP + panel + below
    size = _LEFT + _WIDTH + _RIGHT
    figure = Figure(figsize=(size / INCH, whole / INCH), dpi=200)
    for number, (what, name, label) in enumerate(_PANELS):
        bottom = below + (1 - number) * (panel + _BELOW + _GAP)
        box = (_LEFT / size, bottom / whole, _WIDTH / size, _HEIGHT / whole)
        axes: Any = figure.add_axes(box, facecolor=theme.background)
        bands = [getattr(curve, what) for curve in curves]
        _prepare(axes, bands, theme)
        axes.set_xlabel(label, color=theme.faint, size=SIZE)
        axes.set_title(name, loc="left", pad=6, fontproperties=font_of(name), size=SIZE, color=theme.ink)
        for curve, band in zip(curves, bands, strict=True):
            _draw(axes, curve, band, theme)
    write_title(figure, title, theme, x=_LEFT / size, y=1 - 10 / whole)
    _write_legend(figure, curves, theme, x=_LEFT / size, y=4 / whole)
    return figure


def _prepare(axes: Any, bands: Sequence[Band], theme: Theme) -> None:
    axis = _axis(bands)
    if axis.is_log:
        axes.set_yscale("log", nonpositive="clip")
    axes.set_xlim(0, max(len(band.mean) for band in bands) + 1)
    axes.set_ylim(axis.low, axis.high)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True))
    axes.yaxis.set_major_locator(FixedLocator(axis.ticks(5)))
    axes.yaxis.set_minor_locator(FixedLocator([]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: told(value)))
    axes.set_ylabel("standard deviation", color=theme.faint, size=SIZE)
    make_quiet(axes, theme)


def _axis(bands: Sequence[Band]) -> Axis:
    every = [value for band in bands for value in (*band.mean, *band.high)]
    return value_axis(every, every, is_short=True)


def _stroke(curve: ResponseCurve) -> dict[str, Any]:
    return {"lw": 1.2, "ls": (0, (4, 2))} if curve.is_plain else {"lw": 1.7, "ls": "-"}


def _draw(axes: Any, curve: ResponseCurve, band: Band, theme: Theme) -> None:
    color, places = line_color(theme, curve.color), range(1, len(band.mean) + 1)
    axes.plot(places, band.mean, color=color, solid_joinstyle="round", zorder=3, **_stroke(curve))
    if band.low != band.high:
        axes.fill_between(places, band.low, band.high, color=color, alpha=0.2, lw=0, zorder=2)


def _write_legend(
    figure: Figure, curves: Sequence[ResponseCurve], theme: Theme, *, x: float, y: float
) -> None:
    handles = [
        Line2D([], [], color=line_color(theme, curve.color), label=curve.name, **_stroke(curve))
        for curve in curves
    ]
    found = figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(x, y), ncols=len(handles),
        frameon=False, borderaxespad=0, borderpad=0, handlelength=2.4, columnspacing=1.6,
    )  # fmt: skip
    for text in found.get_texts():
        text.set(color=theme.ink, size=SMALL, fontproperties=font_of(text.get_text()))
