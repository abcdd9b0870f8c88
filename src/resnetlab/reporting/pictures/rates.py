"""A learning-rate range test as a picture: the loss over the rate, and the rate that it suggests."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from resnetlab.reporting.axes import number as told
from resnetlab.reporting.curves import RateCurve
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

_WIDTH, _HEIGHT = 400.0, 220.0  # of the panel, in points
_LEFT, _RIGHT, _TITLE, _BELOW = 46.0, 16.0, 22.0, 40.0
_ABOVE = 26.0  # the panel: for the suggested rate


def draw_rates(curve: RateCurve, kind: str, *, theme: ThemeName = "light", title: str = "") -> bytes:
    """Return the loss over the rate as svg, pdf or png; the same curve gives the same bytes.

    Args:
        curve: What was seen.
        kind: svg, pdf or png.
        theme: Colours.
        title: A line above.
    """
    with in_our_style():
        return saved(_figure(curve, THEMES[theme], title), kind, theme=theme, title=title)


def _figure(curve: RateCurve, theme: Theme, title: str) -> Figure:
    above = _ABOVE + _TITLE * bool(title)
    size, whole = _LEFT + _WIDTH + _RIGHT, above + _HEIGHT + _BELOW
    figure = Figure(figsize=(size / INCH, whole / INCH), dpi=200)
    box = (_LEFT / size, _BELOW / whole, _WIDTH / size, _HEIGHT / whole)
    axes: Any = figure.add_axes(box, facecolor=theme.background)
    _prepare(axes, curve, theme)
    color = line_color(theme, 0)
    axes.plot(curve.rates, curve.losses, color=color, lw=0.7, alpha=0.4, zorder=2)
    axes.plot(curve.rates, curve.smoothed, color=color, lw=1.8, zorder=3, solid_joinstyle="round")
    _name_lines(axes, curve, theme)
    if curve.diverges:
        _shade(axes, curve, theme)
    if curve.suggested:
        _mark(axes, curve, theme)
    write_title(figure, title, theme, x=_LEFT / size, y=1 - 10 / whole)
    return figure


def _prepare(axes: Any, curve: RateCurve, theme: Theme) -> None:
    x, y = curve.x, curve.y
    if x.is_log:
        axes.set_xscale("log")
    if y.is_log:
        axes.set_yscale("log", nonpositive="clip")
    axes.set_xlim(x.low, x.high)
    axes.set_ylim(y.low, y.high)
    for axis, ticks in ((axes.xaxis, x.ticks()), (axes.yaxis, y.ticks(5))):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: told(value)))
    axes.set_xlabel("learning rate", color=theme.faint, size=SIZE)
    axes.set_ylabel("training loss, nats", color=theme.faint, size=SIZE)
    make_quiet(axes, theme)


def _name_lines(axes: Any, curve: RateCurve, theme: Theme) -> None:
    """Say in the lower left corner, where the loss has not fallen yet, which line is what."""
    for row, (text, width, alpha) in enumerate((("each batch", 0.7, 0.4), ("smoothed", 1.8, 1.0))):
        y = (10 + 13 * row) / _HEIGHT
        color = line_color(theme, 0)
        axes.plot([8 / _WIDTH, 28 / _WIDTH], [y, y], color=color, lw=width, alpha=alpha,
                  transform=axes.transAxes, zorder=4)  # fmt: skip
        axes.text(34 / _WIDTH, y, text, transform=axes.transAxes, va="center_baseline", color=theme.faint,
                  size=SMALL, fontproperties=font_of(text), zorder=4)  # fmt: skip


def _shade(axes: Any, curve: RateCurve, theme: Theme) -> None:
    """Shade the rates behind the one at which the loss is back where it began."""
    if curve.diverges is None or curve.diverges >= curve.high:
        return
    axes.axvspan(curve.diverges, curve.high, color=theme.faint, alpha=0.14, lw=0, zorder=1)
    text = "diverges"
    room = (1 - curve.x.place(curve.diverges)) * _WIDTH
    if room > 48:
        axes.text(1 - 5 / _WIDTH, 6 / _HEIGHT, text, transform=axes.transAxes, va="bottom", ha="right",
                  color=theme.faint, size=SMALL, fontproperties=font_of(text), zorder=4)  # fmt: skip


def _mark(axes: Any, curve: RateCurve, theme: Theme) -> None:
    """Draw a line at the suggested rate, with its number above the panel."""
    rate = curve.suggested or 0.0
    color = line_color(theme, 1)
    axes.axvline(rate, color=color, lw=1.2, zorder=3.5)
    text = f"{rate:g}"
    place = curve.x.place(rate)
    align = "left" if place < 0.08 else "right" if place > 0.92 else "center"
    axes.text(place, 1 + 5 / _HEIGHT, text, transform=axes.transAxes, va="bottom", ha=align, color=color,
              size=SIZE, fontproperties=font_of(text, bold=True), zorder=5)  # fmt: skip
