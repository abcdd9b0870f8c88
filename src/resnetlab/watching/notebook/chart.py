"""The curves of runs as a picture with its legend in a cell of a notebook, light or dark."""

from collections.abc import Sequence
from pathlib import Path

from resnetlab.base.pages import cell
from resnetlab.reporting import report
from resnetlab.reporting.contents.panels import panels_of
from resnetlab.reporting.page.curves import charts_of
from resnetlab.reporting.page.line_chart import Chart, Series, lone_picture

CHART_SHARE = 0.02
"""Share of the time that may go into drawing curves."""

_WIDTH = 680
_COLORS = (cell.BLUE, cell.ORANGE, cell.GREEN, "#7b8591", "#b0679f", "#a38100", "#2f9aa5")
"""Each is read on white as on black."""

_STYLE = "".join(
    (
        "text{font:12px system-ui,-apple-system,'Segoe UI',Arial,sans-serif;fill:#7b8591}",
        ".grid{stroke:#7b8591;stroke-opacity:.3;fill:none}.base,.tick,.vertical{stroke:#7b8591;fill:none}",
        ".vertical{stroke-dasharray:3 3}.line path{fill:none;stroke-width:2;stroke-linejoin:round}",
        ".line.thin path{stroke-width:1.25;stroke-dasharray:5 3.5}.line.beside path{stroke-width:1.25}",
        ".line.rate path{stroke:#7b8591;stroke-width:1.5}.line path.mark{stroke:none}",
        ".band{opacity:.18;stroke:none}",
        *(
            f".s{n} > path{{stroke:{color}}}.s{n} > .mark,.band.s{n}{{fill:{color}}}"
            for n, color in enumerate(_COLORS)
        ),
    )
)


def error_chart(paths: Sequence[Path]) -> str:
    """Return the errors of the runs at and below these paths as markup; nothing while there are none.

    What cannot be drawn has no picture, whatever the cause: the runs go on, and their pages say what it is.
    """
    try:
        charts = charts_of(panels_of(report([*paths]).groups))
        return "".join(_shown(chart) for chart, _ in charts if chart.y_title.startswith("error"))
    except Exception:
        return ""


def _shown(chart: Chart) -> str:
    picture = cell.picture(
        lone_picture(chart, _STYLE).encode(), f"{chart.title}: {chart.y_title}", width=_WIDTH
    )
    keys = "".join(_key(series) for series in chart.series if series.points)
    return f'<div style="margin:.5em 0 0">{keys}</div>{picture}'


def _key(series: Series) -> str:
    dash = "dashed" if series.is_thin else "solid"
    color = _COLORS[series.color % len(_COLORS)]
    line = f"display:inline-block;width:1.6em;border-top:2px {dash} {color};margin:0 .4em .25em 0"
    told = f"{cell.text(series.name)} <b>{cell.text(series.told(series.points[-1][1]))}</b>"
    place = "display:inline-block;margin-right:1.4em"
    return f'<span style="{place}"><span style="{line}"></span>{told}</span>'
