"""A chart of lines as SVG, in three widths of which a page shows the one that fits, and its legend.

The legend says each line's value: at its end, or where the pointer is. Which that is finds page.js, from the
data that `Chart.data` returns: it knows the axes and the points, and draws nothing but the marks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from resnetlab.reporting.axes import Axis, number
from resnetlab.reporting.page.parts import paragraph, svg_text, text

COLORS = 7
"""Series with a colour of their own; the next ones have the same with another mark."""

_SIZES = (("wide", 1040, 380), ("medium", 680, 340), ("narrow", 350, 280))
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 26.0, 38.0
_AIR = 14  # beside a picture of its own: numbers reach into it
_STRIP = 46.0
_STRIP_GAP = 30.0
_FEW = 40  # points that are still marked one by one
_MARKS = (
    "M-3.5,0a3.5,3.5 0 1,0 7,0a3.5,3.5 0 1,0 -7,0Z", "M-3,-3H3V3H-3Z", "M0,-4L4,3H-4Z",
    "M0,-4.3L4.3,0L0,4.3L-4.3,0Z", "M0,4L4,-3H-4Z", "M-1.3,-4H1.3V-1.3H4V1.3H1.3V4H-1.3V1.3H-4V-1.3H-1.3Z",
    "M-3.6,0L-1.8,-3.4H1.8L3.6,0L1.8,3.4H-1.8Z",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Series:
    """A line."""

    name: str
    points: Sequence[Sequence[float]]
    color: int
    is_thin: bool = False
    """Dashed and thin: of the training images."""
    is_beside: bool = False
    """No part of the mean: a run that is not at its end."""
    is_rate: bool = False
    """The learning rate: in no colour of its own."""
    band: Sequence[Sequence[float]] = ()
    unit: str = ""
    digits: int = 2

    @property
    def look(self) -> str:
        """Its classes."""
        kinds = ("thin" if self.is_thin else "", "beside" if self.is_beside else "")
        color = "rate" if self.is_rate else f"s{self.color % COLORS}"
        return " ".join(("line", color, *(kind for kind in kinds if kind)))

    def told(self, value: float) -> str:
        """Return a value as the legend says it."""
        shown = (
            f"{value:.{self.digits}f}" if abs(value) >= 10.0**-self.digits or not value else f"{value:.2g}"
        )
        return f"{shown}{self.unit}"


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Lines over a common axis, and below them a strip with one more line."""

    name: str
    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    x_title: str
    y_title: str
    strip: Series | None = None
    strip_axis: Axis | None = None
    marks: Sequence[tuple[float, str]] = ()
    """Vertical lines with a word each, which may be empty."""
    x_word: str = "step"
    x_digits: int = 0
    """Of a place, as the pointer names it."""
    is_bounded: bool = False
    """Whether a line has no value where it is not drawn; else its nearest one is told."""
    rest: float | None = None
    """The place whose values the legend tells while nobody points; None: each line's end."""
    per_epoch: float | None = None
    x_names: Sequence[str] = field(default=())
    """What the places 0, 1, 2 ... are called, where they are no numbers."""

    @property
    def lines(self) -> list[Series]:
        """All its lines."""
        return [*self.series, *([self.strip] if self.strip else [])]

    def data(self) -> dict[str, Any]:
        """Return what the script knows of the chart."""
        return {
            "x": _axis_data(self.x),
            "y": _axis_data(self.y),
            "strip": _axis_data(self.strip_axis) if self.strip_axis else None,
            "word": self.x_word,
            "digits": self.x_digits,
            "bounded": self.is_bounded,
            "names": [*self.x_names],
            "epoch": self.per_epoch,
            "series": [
                {
                    "points": [[*p] for p in s.points],
                    "unit": s.unit,
                    "digits": s.digits,
                    "strip": s is self.strip,
                }
                for s in self.lines
            ],
        }


def _axis_data(axis: Axis) -> list[Any]:
    return [axis.low, axis.high, axis.is_log]


def figure(chart: Chart, *, note: str = "") -> str:
    """Return the chart with its title, its legend and, in three sizes, its picture."""
    label = text(_described(chart))
    pictures = "".join(_picture(chart, kind, width, height) for kind, width, height in _SIZES)
    keys = "".join(_key(index, series, chart.rest) for index, series in enumerate(chart.lines))
    where = "&nbsp;" if chart.rest is None else text(f"{chart.x_word} {chart.rest:.{chart.x_digits}f}")
    return (
        f'<figure class="chart" id="chart-{chart.name}" data-chart="{chart.name}">'
        f"<figcaption><h3>{text(chart.title)}</h3>"
        f'<p class="where" aria-hidden="true">{where}</p></figcaption><ul class="legend">{keys}</ul>'
        f'<div class="plot" tabindex="0" role="img" aria-label="{label}">{pictures}</div>'
        f'<p class="spoken" aria-live="polite"></p>{paragraph(note, "faint note")}</figure>'
    )


def _described(chart: Chart) -> str:
    ends = ", ".join(
        f"{series.name} ends at {series.told(series.points[-1][1])}"
        for series in chart.lines[:12]
        if series.points
    )
    return (
        f"{chart.title}: {chart.y_title} over {chart.x_title}. {ends}. Left and right arrow keys read values."
    )


def _key(index: int, series: Series, rest: float | None) -> str:
    mark = (
        ""
        if series.is_thin or series.is_rate
        else f'<path class="mark" d="{_MARKS[series.color % len(_MARKS)]}" transform="translate(14 6)"/>'
    )
    value = ""
    if series.points:
        told = (
            min(series.points, key=lambda point: abs(point[0] - rest))
            if rest is not None
            else series.points[-1]
        )
        value = text(series.told(told[1]))
    return (
        f'<li><svg class="key {series.look}" width="28" height="12" aria-hidden="true"><path d="M1,6H27"/>'
        f"{mark}</svg>"
        f'<span>{text(series.name)}</span> <b data-series="{index}">{value}</b></li>'
    )


@dataclass(frozen=True, kw_only=True)
class _Plot:
    """Where things lie in one of the pictures."""

    chart: Chart
    width: float
    height: float
    bottom: float

    @property
    def wide(self) -> float:
        return self.width - _LEFT - _RIGHT

    @property
    def high(self) -> float:
        return self.bottom - _TOP

    def x(self, value: float) -> float:
        return _LEFT + self.wide * self.chart.x.place(value)

    def y(self, value: float) -> float:
        return self.bottom - self.high * self.chart.y.place(value)

    def strip_y(self, value: float) -> float:
        axis = self.chart.strip_axis or self.chart.y
        return self.height - _BOTTOM - _STRIP * axis.place(value)


def lone_picture(chart: Chart, style: str) -> str:
    """Return the chart in its middle size as an SVG document of its own, in which this style is."""
    _, width, _ = size = _SIZES[1]
    opening, _, inside = _picture(chart, *size).partition(">")
    opening = opening.replace(f'viewBox="0 0 {width}', f'viewBox="{-_AIR} 0 {width + _AIR}')
    about = f'xmlns="http://www.w3.org/2000/svg" width="{width + _AIR}"'
    return f"{opening} {about}><style>{style}</style>{inside}"


def _picture(chart: Chart, kind: str, width: int, height: int) -> str:
    strip = (_STRIP + _STRIP_GAP) if chart.strip else 0.0
    plot = _Plot(chart=chart, width=width, height=height + strip, bottom=height - _BOTTOM)
    clip = f"clip-{chart.name}-{kind}"
    box = f'x="{_LEFT - 4:g}" y="{_TOP - 4:g}" width="{plot.wide + 8:g}" height="{plot.high + 8:g}"'
    parts = [
        f'<clipPath id="{clip}"><rect {box}/></clipPath>',
        _grid(plot, 5 if kind == "narrow" else 8),
        *(_mark(plot, place, word, index) for index, (place, word) in enumerate(chart.marks)),
        f'<g clip-path="url(#{clip})">',
        *(_band(plot, series) for series in chart.series if series.band),
        *(_line(plot, series) for series in sorted(chart.series, key=lambda each: not each.is_thin)),
        "</g>",
        _strip(plot, chart.strip) if chart.strip else "",
        '<g class="pointer"></g>',
    ]
    return (
        f'<svg class="{kind}" viewBox="0 0 {plot.width:g} {plot.height:g}" aria-hidden="true" '
        f'data-plot="{_LEFT:g} {_TOP:g} {plot.wide:g} {plot.high:g} {plot.height - _BOTTOM:g} {_STRIP:g}">'
        + "".join(parts)
        + "</svg>"
    )


def _grid(plot: _Plot, most: int) -> str:
    chart, parts = plot.chart, []
    foot = plot.height - _BOTTOM
    for value in chart.y.ticks(5):
        y = plot.y(value)
        parts.append(f'<path class="grid" d="M{_LEFT:g},{y:.1f}H{plot.width - _RIGHT:g}"/>')
        parts.append(f'<text x="{_LEFT - 7:g}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>')
    for value in chart.x.ticks(most):
        x = plot.x(value)
        word = number(value)
        if chart.x_names:
            if value != int(value) or not 0 <= int(value) < len(chart.x_names):
                continue
            word = text(number(value + 1))
        anchor = "end" if x > plot.width - 26 else "middle"
        parts.append(f'<path class="tick" d="M{x:.1f},{foot:g}v4"/>')
        parts.append(f'<text x="{x:.1f}" y="{foot + 17:g}" text-anchor="{anchor}">{word}</text>')
    parts.append(f'<path class="base" d="M{_LEFT:g},{foot:g}H{plot.width - _RIGHT:g}"/>')
    parts.append(svg_text(plot.width - _RIGHT, plot.height - 6, chart.x_title, "end"))
    parts.append(f'<text x="{_LEFT - 38:g}" y="{_TOP - 14:g}">{text(chart.y_title)}</text>')
    return "".join(parts)


def _mark(plot: _Plot, place: float, word: str, index: int) -> str:
    x, y = plot.x(place), _TOP + 4 + 13 * (index % 3)
    is_right = x > plot.width - 110
    label = svg_text(x - 5 if is_right else x + 5, y + 5, word, "end" if is_right else "") if word else ""
    return f'<path class="vertical" d="M{x:.1f},{_TOP:g}V{plot.height - _BOTTOM:g}"/>{label}'


def _points(places: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _line(plot: _Plot, series: Series) -> str:
    places = [(plot.x(x), plot.y(y)) for x, y in series.points]
    if not places:
        return ""
    marked = places if len(places) <= _FEW else places[:: max(1, len(places) // 9)]
    if series.is_thin and len(places) > 1:
        marked = []
    shape = _MARKS[series.color % len(_MARKS)]
    marks = "".join(
        f'<path class="mark" d="{shape}" transform="translate({x:.1f} {y:.1f})"/>' for x, y in marked
    )
    return f'<g class="{series.look}"><path d="M{_points(places)}"/>{marks}</g>'


def _band(plot: _Plot, series: Series) -> str:
    low = [(plot.x(x), plot.y(below)) for x, below, _ in series.band]
    high = [(plot.x(x), plot.y(above)) for x, _, above in series.band]
    return f'<path class="band s{series.color % COLORS}" d="M{_points([*low, *reversed(high)])}Z"/>'


def _strip(plot: _Plot, series: Series) -> str:
    foot = plot.height - _BOTTOM
    places = [(plot.x(x), plot.strip_y(y)) for x, y in series.points]
    top = plot.chart.strip_axis.high if plot.chart.strip_axis else 0.0
    return (
        f'<path class="grid" d="M{_LEFT:g},{foot - _STRIP:g}H{plot.width - _RIGHT:g}"/>'
        f'<text x="{_LEFT - 7:g}" y="{foot - _STRIP + 4:g}" text-anchor="end">{top:.3g}</text>'
        f'<text x="{_LEFT - 7:g}" y="{foot + 4:g}" text-anchor="end">0</text>'
        f'<text x="{_LEFT:g}" y="{foot - _STRIP - 6:g}">{text(series.name)}</text>'
        f'<g class="{series.look}"><path d="M{_points(places)}"/></g>'
    )
