"""What a page with charts and drawings has beside its body: style, colours, scripts, the charts' numbers."""

from collections.abc import Iterable
from pathlib import Path

from resnetlab.base.pages.frame import data_block, read_asset
from resnetlab.reporting.page.line_chart import COLORS, Chart
from resnetlab.show.drawing.theme import THEMES, Theme

_HERE = Path(__file__).parent
_STROKES = (0, 4, 3, None, 2, 1, 5)
"""The theme's stages whose strokes are lines, None for its ink; see `reporting.pictures`."""


def style() -> str:
    """Return the style of reports, with the colours of lines in both themes, those of our pictures."""
    light, dark = (_lines(THEMES[name]) for name in ("light", "dark"))
    colors = (
        f":root {{ {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ {dark} }} }}\n"
        f"@media screen {{ :root[data-theme=dark] {{ {dark} }} }}"
    )
    return read_asset(_HERE, "page.css").replace("/* colours */", colors)


def script(name: str = "page.js") -> str:
    """Return a script of reports: page.js is of all pages with charts, which `charts_data` has to be on.

    copy.js is of pages with code and no charts, which call `offerCopies`.
    """
    return (read_asset(_HERE, "copy.js") if name == "page.js" else "") + read_asset(_HERE, name)


def charts_data(charts: Iterable[Chart]) -> str:
    """Return what page.js knows of the charts of a page."""
    return data_block("charts", {chart.name: chart.data() for chart in charts})


def _lines(theme: Theme) -> str:
    colors = [theme.ink if stage is None else theme.stages[stage].stroke for stage in _STROKES]
    assert len(colors) == COLORS
    return " ".join(f"--s{index}: {color};" for index, color in enumerate(colors))
