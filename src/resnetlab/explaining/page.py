"""The page of a study of shortcuts, a pure function of its JSON: no network, no torch, no runs."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from resnetlab.base.pages.frame import html_page, read_asset, text
from resnetlab.errors import DataError
from resnetlab.explaining.charts import around_chart, between_chart, error_chart, start_charts
from resnetlab.explaining.contents import FORMAT, VERSION
from resnetlab.explaining.papers import IN_THE_PAPERS, SOURCES
from resnetlab.network.spec import ModelSpec
from resnetlab.reporting.page.inside import in_both_themes
from resnetlab.reporting.page.line_chart import Chart, figure
from resnetlab.reporting.page.look import charts_data, script, style
from resnetlab.reporting.page.parts import code, facts, fold, items, paragraph, percent, section, table
from resnetlab.show.drawing.scene import Scene
from resnetlab.show.drawing.theme import ThemeName
from resnetlab.show.picture import draw

_CHAPTERS = {
    "networks": "The networks",
    "errors": "While they learn",
    "start": "Before the first step",
    "around": "Around the end",
    "between": "From start to end",
    "made": "How it was made",
}


def render(contents: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        contents: What `contents.contents_of` returns, or residual.json holds.

    Raises:
        DataError: If it is none, or one of another version.
    """
    if contents.get("format") != FORMAT or contents.get("version") != VERSION:
        raise DataError(
            f"no explanation of version {VERSION}: format {contents.get('format')!r},"
            f" version {contents.get('version')!r}"
        )
    charts: list[Chart] = []

    def drawn(*found: tuple[Chart, str]) -> str:
        charts.extend(chart for chart, _ in found)
        return "\n".join(figure(chart, note=note) for chart, note in found)

    networks, words = contents["networks"], contents["words"]
    inside = {
        "errors": drawn(error_chart(contents)),
        "start": drawn(*start_charts(networks)),
        "around": drawn(around_chart(networks)),
        "between": drawn(between_chart(networks)),
    }
    sections = [
        section("networks", _CHAPTERS["networks"], _drawings(networks, words["networks"])),
        *(section(name, _CHAPTERS[name], _beside(name, words[name]), each) for name, each in inside.items()),
    ]
    body = "\n".join(
        [
            _header(contents),
            _verdict(contents),
            _navigation(),
            f"<main>{chr(10).join(sections)}\n{_made(contents, charts)}</main>",
            f'<footer class="faint">Made by {text(contents["program"])}.</footer>',
            charts_data(charts),
        ]
    )
    own = read_asset(Path(__file__).parent, "page.css")
    return html_page(title=contents["title"], body=body, style=style() + own, script=script())


def _header(contents: Mapping[str, Any]) -> str:
    parts = [f"{len(contents['networks'])} runs", f"seed {contents['seed']}", contents["data"]["name"]]
    about = " <span aria-hidden=true>·</span> ".join(f"<span>{text(part)}</span>" for part in parts)
    return (
        '<header><div><p class="kind">resnetlab explain residual</p>'
        f'<h1>{text(contents["title"])}</h1><p class="faint about">{about}</p></div>'
        '<button type="button" class="theme" hidden>Dark</button></header>'
    )


def _verdict(contents: Mapping[str, Any]) -> str:
    tiles = "".join(
        f"<div><dt>{text(each['name'])}</dt><dd><strong>{_error(each['train'] or each['test'])}</strong>"
        f"{_below(each)}</dd></div>"
        for each in contents["networks"]
    )
    lead, *others = contents["words"]["verdict"]
    return (
        f'<section id="verdict" aria-label="Result"><dl class="tiles four">{tiles}</dl>'
        f"{paragraph(lead, 'lead')}{''.join(map(paragraph, others))}</section>"
    )


def _error(share: Mapping[str, Any]) -> str:
    return percent(share["wrong"] / share["seen"], 1)


def _below(network: Mapping[str, Any]) -> str:
    if not network["train"]:
        return '<span class="faint">test error</span>'
    return f'<span class="faint">training error, last epoch<br>test {_error(network["test"])}</span>'


def _navigation() -> str:
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title in _CHAPTERS.items())
    return f'<nav aria-label="On this page"><ul>{links}</ul></nav>'


def _beside(name: str, seen: Sequence[str]) -> str:
    """Return what is seen in a picture, and where it stands in the papers, beside each other."""
    return f'<div class="told">{_seen(seen)}{_paper(name)}</div>'


def _seen(words: Sequence[str]) -> str:
    return f"<div><h3>In these runs</h3>{''.join(map(paragraph, words))}</div>"


def _paper(name: str) -> str:
    return (
        f'<aside class="paper"><h3>In the papers</h3>{"".join(map(paragraph, IN_THE_PAPERS[name]))}</aside>'
    )


def _drawings(networks: Sequence[Mapping[str, Any]], words: Sequence[str]) -> str:
    """Return the shallow networks whole with their words beside them, and units of the deep ones large."""
    shallow, deep = (
        [ModelSpec.from_json(each["spec"]) for each in networks if each["depth"] == depth]
        for depth in (least(networks), greatest(networks))
    )
    whole = in_both_themes("both", lambda theme: draw(shallow, style="overview", theme=theme)[0])
    units = in_both_themes("broad", lambda theme: draw(deep, style="unit", theme=theme)[0])
    units += "".join(in_both_themes("slim", partial(_unit, spec)) for spec in deep)
    beside = f"{_seen(words)}{_paper('networks')}"
    return (
        f'<div class="drawn-beside"><div>{whole}</div><div>{beside}</div></div>'
        f"{fold(f'Units of the networks of {greatest(networks)} layers, operation by operation', units)}"
    )


def least(networks: Sequence[Mapping[str, Any]]) -> int:
    """Return the depth of the shallower networks."""
    return min(int(each["depth"]) for each in networks)


def greatest(networks: Sequence[Mapping[str, Any]]) -> int:
    """Return the depth of the deeper ones."""
    return max(int(each["depth"]) for each in networks)


def _unit(spec: ModelSpec, theme: ThemeName) -> Scene:
    return draw([spec], style="unit", theme=theme)[0]


def _made(contents: Mapping[str, Any], charts: Sequence[Chart]) -> str:
    tables = "".join(map(_numbers, charts))
    return section(
        "made",
        _CHAPTERS["made"],
        facts((name, text(value)) for name, value in contents["conditions"]),
        code(contents["command"], "The command that makes this page"),
        fold("The numbers", tables),
        "<h3>Sources</h3>" + items(map(text, SOURCES)),
    )


def _numbers(chart: Chart) -> str:
    """Return the values of a chart's whole lines as a table."""
    lines = [line for line in chart.series if not line.is_thin]
    values = [{point[0]: point[1] for point in line.points} for line in lines]
    places = sorted({place for line in lines for place, _ in line.points})
    header = [chart.x_word, *(line.name for line in lines)]
    rows = [
        [
            f"{place:,.{chart.x_digits}f}",
            *(
                text(line.told(own[place])) if place in own else ""
                for line, own in zip(lines, values, strict=True)
            ),
        ]
        for place in places
    ]
    return table(f"{chart.title}: {chart.y_title}", header, rows, kind="narrow-table")
