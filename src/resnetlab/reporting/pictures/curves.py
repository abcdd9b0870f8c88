"""The curves of a report as a picture, by matplotlib's objects."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.textpath import TextPath
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from resnetlab.base.lettering import legible, literal
from resnetlab.reporting.axes import Axis
from resnetlab.reporting.axes import number as told
from resnetlab.reporting.curves import Curve, Line, Points, error_axis
from resnetlab.reporting.pictures.labels import Label, off_the_lines, spread
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
from resnetlab.show.drawing.raster import font
from resnetlab.show.drawing.theme import THEMES, Theme, ThemeName

_HEIGHT = 230.0  # of a panel, in points
_WIDTHS = {1: 360.0, 2: 262.0}  # of a panel, by their number
_LEFT, _RIGHT, _TITLE, _LINE = 46.0, 10.0, 22.0, 13.0
_GAP = 20.0  # between the names of one panel and the axis of the next
_OFFSET = 7.0  # from the end of a line to its name
_NEAR_THE_RIGHT = 0.75
"""Share of a panel's width; a name of a line that ends there would lie on lines that go on."""
_NAME_LETTERS = 26
_FEW = 40  # evaluations that are still marked one by one
_MARKS = ("o", "s", "^", "D", "v", "P")
_WATCHED = {"test": "test error", "val": "validation error"}


@dataclass(frozen=True, kw_only=True)
class _Style:
    theme: Theme
    unit: int
    """Steps in one of the axis."""
    is_lone: bool
    """Whether the picture has one curve."""

    def color(self, curve: Curve) -> str:
        return line_color(self.theme, curve.color)

    def mark(self, curve: Curve) -> str:
        return _MARKS[curve.color % len(_MARKS)] if self.theme.name == "print" else "o"


def draw_curves(
    curves: Sequence[Curve],
    kind: str,
    *,
    theme: ThemeName = "light",
    title: str = "",
    resumed: Sequence[int] = (),
) -> bytes:
    """Return the curves as svg, pdf or png: plain networks and residual ones in panels with the same axis.

    The same curves give the same bytes.

    Args:
        curves: What to draw.
        kind: svg, pdf or png.
        theme: Colours; print has greys and marks.
        title: A line above.
        resumed: Steps after which the one run of the picture was begun again.
    """
    with in_our_style():
        return saved(_figure(curves, THEMES[theme], title, resumed), kind, theme=theme, title=title)


def _figure(curves: Sequence[Curve], theme: Theme, title: str, resumed: Sequence[int]) -> Figure:
    ends = [part[-1][0] for curve in curves for line in (curve.test, curve.train) for part in line.points]
    last, axis = max(ends), error_axis(curves)
    style = _Style(theme=theme, unit=10_000 if last > 10_000 else 1, is_lone=len(curves) == 1)
    panels = _panels(curves)
    width, legend = _WIDTHS[len(panels)], _legend(curves, theme)
    margins = [_margin(panel, width, last, style) for panel in panels]
    margins[:-1] = [margin + _GAP for margin in margins[:-1]]
    size = _LEFT + sum(width + margin for margin in margins) + _RIGHT
    above = 12 + _TITLE * bool(title) + 16 * (len(panels) > 1)
    below = 40 + _LINE + 6
    whole = above + _HEIGHT + below
    figure = Figure(figsize=(size / INCH, whole / INCH), dpi=200)
    x = _LEFT
    for panel, margin in zip(panels, margins, strict=True):
        box = (x / size, below / whole, width / size, _HEIGHT / whole)
        axes: Any = figure.add_axes(box, facecolor=theme.background)
        _prepare(axes, last, axis, style, is_first=x == _LEFT)
        for curve in panel:
            _draw_curve(axes, curve, style)
        _draw_labels(axes, panel, width, last, axis, style)
        for number, step in enumerate(resumed if style.is_lone else ()):
            _draw_resume(axes, step / style.unit, style.theme, is_told=number == 0)
        if len(panels) > 1:
            name = "plain networks" if panel[0].is_plain else "residual networks"
            axes.set_title(name, loc="left", pad=6, fontproperties=font(False), size=SIZE, color=theme.ink)
        x += width + margin
    write_title(figure, title, theme, x=_LEFT / size, y=1 - 10 / whole)
    found = figure.legend(
        handles=legend, loc="lower left", bbox_to_anchor=(_LEFT / size, 4 / whole), ncols=len(legend),
        frameon=False, borderaxespad=0, borderpad=0, handlelength=2.4, columnspacing=1.6,
    )  # fmt: skip
    for text in found.get_texts():
        text.set(color=theme.faint, size=SMALL)
    return figure


def _panels(curves: Sequence[Curve]) -> list[list[Curve]]:
    """Return plain networks and residual ones apart; one of each in one panel: the gap is seen at once."""
    kinds = [[curve for curve in curves if curve.is_plain == is_plain] for is_plain in (True, False)]
    if [len(kind) for kind in kinds] == [1, 1]:
        return [[replace(curve, color=color) for color, (curve,) in enumerate(kinds)]]
    return [kind for kind in kinds if kind]


def _legend(curves: Sequence[Curve], theme: Theme) -> list[Any]:
    """Return what the kinds of lines mean; the networks' names stand at their ends."""
    watched = [_WATCHED[each] for each in ("test", "val") if any(c.watched == each for c in curves)]
    found: list[Any] = [Line2D([], [], color=theme.faint, lw=2, label=" or ".join(watched))]
    if any(_is_line(curve.train) for curve in curves):
        found.append(Line2D([], [], color=theme.faint, lw=0.9, ls=(0, (4, 2)), label="training error"))
    if any(len(curve.test.band) > 1 for curve in curves):
        found.append(Patch(facecolor=theme.faint, alpha=0.25, lw=0, label="lowest to highest seed"))
    if any(curve.open_ends for curve in curves):
        found.append(
            Line2D([], [], color=theme.faint, ls="", marker="o", mfc="none", ms=5, label="unfinished")
        )
    return found


def _is_line(line: Line) -> bool:
    return any(len(part) > 1 for part in line.points)


def _prepare(axes: Any, last: float, axis: Axis, style: _Style, *, is_first: bool) -> None:
    theme = style.theme
    axes.set_xlim(0, last / style.unit)
    if axis.is_log:
        axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(axis.low, axis.high)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10], integer=style.unit == 1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.yaxis.set_major_locator(FixedLocator(axis.ticks(5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: told(value)))
    axes.set_xlabel("steps (× 1e4)" if style.unit > 1 else "steps", color=theme.faint, size=SIZE)
    if is_first:
        axes.set_ylabel("error, %", color=theme.faint, size=SIZE)
    make_quiet(axes, theme)


def _draw_curve(axes: Any, curve: Curve, style: _Style) -> None:
    color = style.color(curve)

    def plot(points: Points, **how: Any) -> None:
        axes.plot([s / style.unit for s, _ in points], [e for _, e in points], color=color, **how)

    for points in (curve.train.mean, *curve.train.alone):
        plot(points, lw=0.9, ls=(0, (4, 2)), alpha=0.9, zorder=2)
        if len(points) == 1:
            plot(points, ls="", marker="_", ms=7, zorder=2, clip_on=False)
    if len(curve.test.band) == 1:
        ((step, least, most),) = curve.test.band
        axes.vlines(step / style.unit, least, most, color=color, alpha=0.4, lw=2, zorder=2.5, clip_on=False)
    elif curve.test.band:
        steps, low, high = zip(*curve.test.band, strict=True)
        axes.fill_between(
            [s / style.unit for s in steps], low, high, color=color, alpha=0.2, lw=0, zorder=2.5
        )
    for points in curve.test.alone:
        plot(points, lw=1.8 if not curve.test.mean else 1.1, zorder=3)
    plot(curve.test.mean, lw=1.8, zorder=4, solid_joinstyle="round")
    every = 1 if len(curve.test.mean) <= _FEW else max(1, len(curve.test.mean) // 9)
    if every == 1 or style.theme.name == "print":
        seen = tuple(point for point in curve.test.mean[every - 1 :: every] if point[1] <= axes.get_ylim()[1])
        plot(seen, ls="", marker=style.mark(curve), ms=3.5, zorder=4, clip_on=False)
    plot(curve.open_ends, ls="", marker="o", mfc=style.theme.background, ms=5, zorder=5, clip_on=False)


def _draw_resume(axes: Any, x: float, theme: Theme, *, is_told: bool) -> None:
    axes.axvline(x, color=theme.line, lw=0.9, ls=(0, (3, 3)), zorder=1.5)
    if is_told:
        axes.annotate(
            "resumed", (x, 1), xycoords=("data", "axes fraction"), xytext=(4, -2), va="top",
            textcoords="offset points", color=theme.faint, size=SMALL,
            bbox=_ground(theme),
        )  # fmt: skip


def _ground(theme: Theme) -> dict[str, Any]:
    """Return what lies under a text, so that it can be read where lines cross it."""
    return {"facecolor": theme.background, "edgecolor": "none", "pad": 0.6, "alpha": 0.8}


@dataclass(frozen=True, kw_only=True)
class _Name:
    """A text at the end of a line."""

    curve: Curve
    lines: tuple[str, ...]
    end: tuple[float, float]
    is_bold: bool = True

    @property
    def width(self) -> float:
        return max(_text_width(line, bold=self.is_bold) for line in self.lines)

    @property
    def height(self) -> float:
        return 12.0 * len(self.lines)


def _names(panel: Sequence[Curve], style: _Style) -> list[_Name]:
    names = []
    for curve in panel:
        end = curve.test.end
        lines = wrap(legible(curve.name), _NAME_LETTERS, break_long_words=False, break_on_hyphens=False)
        if style.is_lone:
            lines = [curve.watched.replace("val", "validation")]
        if len({each.watched for each in panel}) > 1 and curve.watched == "val":
            lines[-1] += " (val.)"
        lines[-1] += f"  {end[1]:.2f} %"
        names.append(_Name(curve=curve, lines=tuple(lines), end=end))
        if style.is_lone and curve.train.points:
            end = curve.train.end
            names.append(_Name(curve=curve, lines=(f"training  {end[1]:.2f} %",), end=end, is_bold=False))
    return names


def _text_width(text: str, *, bold: bool) -> float:
    path = TextPath((0, 0), literal(text), size=SIZE, prop=font_of(text, bold=bold))
    return float(path.get_extents().width)


def _margin(panel: Sequence[Curve], width: float, last: float, style: _Style) -> float:
    """Return how far the names reach beyond the panel, and some air."""
    reaches = [_start(name, width, last) + name.width for name in _names(panel, style)]
    return max(0.0, max(reaches) - width) + 14


def _start(name: _Name, width: float, last: float) -> float:
    """Return where a name begins: behind its line's end; all that end near the right begin in one column."""
    end = width * name.end[0] / last
    return (width if end > _NEAR_THE_RIGHT * width else end) + _OFFSET


def _draw_labels(
    axes: Any, panel: Sequence[Curve], width: float, last: float, axis: Axis, style: _Style
) -> None:
    """Write the names, each in its line's colour, with a thin line to it where it had to move."""
    names = _names(panel, style)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return width * point[0] / last, _HEIGHT * min(1.0, max(0.0, axis.place(point[1])))

    lines = [[*map(place, part)] for c in panel for line in (c.test, c.train) for part in line.points]
    wished = [
        Label(x=_start(name, width, last), y=place(name.end)[1], width=name.width, height=name.height)
        for name in names
    ]
    apart = [off_the_lines(label, lines, _HEIGHT) for label in wished]
    for name, label in zip(names, spread(apart, -4, math.inf), strict=True):
        color = style.color(name.curve)
        x, y = label.x / width, label.y / _HEIGHT
        end = place(name.end)
        if abs(label.y - end[1]) > 2 or label.x - end[0] > _OFFSET + 2:
            axes.plot([(end[0] + 1.5) / width, x - 1.5 / width], [end[1] / _HEIGHT, y], color=color, lw=0.6,
                      alpha=0.7, transform=axes.transAxes, clip_on=False, zorder=5)  # fmt: skip
        axes.text(
            x, y, "\n".join(name.lines), transform=axes.transAxes, va="center_baseline", ha="left",
            fontproperties=font_of("".join(name.lines), bold=name.is_bold), size=SIZE, color=color, zorder=6,
            linespacing=1.1,
            bbox=_ground(style.theme), parse_math=False,
        )  # fmt: skip
