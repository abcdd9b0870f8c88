"""The whole page, a pure function of report.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resnetlab.base.pages.frame import data_block, html_page, text
from resnetlab.errors import DataError
from resnetlab.evaluation.views import SINGLE
from resnetlab.reporting.page.calibration import calibration_section
from resnetlab.reporting.page.comparisons import comparisons_section
from resnetlab.reporting.page.conditions import (
    data_section,
    machine_section,
    missing_section,
    recipe_section,
    usage_section,
)
from resnetlab.reporting.page.curves import charts_of, numbers_of
from resnetlab.reporting.page.inside import charts_inside, drawing_section, filters_section
from resnetlab.reporting.page.line_chart import Chart, figure
from resnetlab.reporting.page.look import charts_data, script, style
from resnetlab.reporting.page.overview import header, runs_section, seeds_section, verdict_section
from resnetlab.reporting.page.parts import fold, paragraph, section
from resnetlab.reporting.page.scores import (
    cells_data,
    classes_section,
    confusion_section,
    doubtful_section,
    mistakes_section,
)

_FORMAT, _VERSION = "resnetlab report", 1
_CHAPTERS = {
    "curves": "Curves",
    "seeds": "Over seeds",
    "comparisons": "Comparisons",
    "runs": "Runs",
    "confusion": "Confusions",
    "classes": "Classes",
    "mistakes": "Mistakes",
    "doubtful": "Doubtful labels",
    "calibration": "Calibration",
    "use": "Use it",
    "inside": "Inside",
    "drawing": "Network",
    "recipe": "Recipe",
    "data": "Data",
    "machine": "Speed",
    "missing": "Missing",
}


@dataclass(frozen=True, kw_only=True)
class Served:
    """What a page has beside the report where a server gives it."""

    above: str
    """Markup."""
    style: str
    script: str


def render(contents: Mapping[str, Any], served: Served | None = None) -> str:
    """Return the page of a report.

    Args:
        contents: What `reporting.contents` returns, or report.json holds.
        served: What else is on it, of a page that is no file.

    Raises:
        DataError: If it is no report, or one of a later version.
    """
    if contents.get("format") != _FORMAT or contents.get("version") != _VERSION:
        raise DataError(
            f"no report of version {_VERSION}: format {contents.get('format')!r},"
            f" version {contents.get('version')!r}"
        )
    charts: list[Chart] = []

    def drawn(found: Sequence[tuple[Chart, str]]) -> str:
        charts.extend(chart for chart, _ in found)
        return "\n".join(figure(chart, note=note) for chart, note in found)

    detail = contents["detail"]
    curves = drawn(charts_of(contents["curves"]))
    numbers = "".join(map(numbers_of, contents["curves"]))
    nothing = paragraph("There is no curve yet: nothing was written down of a step.", "faint")
    sections = [
        section("curves", "Curves", curves or nothing, fold("The numbers", numbers) if numbers else ""),
        *(_of_several(contents) if detail is None else _of_one(detail, drawn)),
    ]
    first = verdict_section(contents["runs"][0]) if detail is not None else ""
    sections = [part for part in sections if part]
    data: dict[str, Any] = {}
    if detail and detail["evaluation"]:
        data = {
            "cells": cells_data(detail["evaluation"], detail["insights"]),
            "pictures": _unseen(detail["insights"]),
        }
    body = "\n".join(
        [
            *([served.above] if served else []),
            header(contents),
            first,
            _navigation(sections),
            f"<main>{chr(10).join(sections)}</main>",
            '<dialog id="cell" aria-labelledby="cell-title"></dialog>',
            f'<footer class="faint">Made by {text(contents["program"])}.</footer>',
            charts_data(charts),
            data_block("report", data),
        ]
    )
    return html_page(
        title=contents["title"],
        body=body,
        style=style() + (served.style if served else ""),
        script=script() + script("cells.js") + (served.script if served else ""),
        is_served=served is not None,
    )


def _of_several(contents: Mapping[str, Any]) -> list[str]:
    return [
        seeds_section(contents),
        comparisons_section(contents["comparisons"], contents["not_compared"]),
        runs_section(contents),
    ]


def _of_one(detail: Mapping[str, Any], drawn: Any) -> list[str]:
    evaluation, insights = detail["evaluation"], detail["insights"]
    found = []
    if evaluation:
        weights = evaluation.get("weights") or "weights"
        which = f"{weights} of step {evaluation['step']:,}"
        title = f"{detail['network']['name']}, {which}, {evaluation['split']} images of {evaluation['data']}"
        title += "" if (views := evaluation.get("views", SINGLE)) == SINGLE else f", {views}"
        found = [
            confusion_section(evaluation, title),
            classes_section(evaluation),
            mistakes_section(evaluation, insights),
            doubtful_section(evaluation, insights),
            calibration_section(evaluation),
        ]
    return [
        *found,
        usage_section(detail),
        filters_section(insights, drawn([*charts_inside(insights)]) if insights else ""),
        drawing_section(detail),
        recipe_section(detail),
        data_section(detail),
        machine_section(detail),
        missing_section(detail),
    ]


def _unseen(insights: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the pictures that only cells show; the others are on the page already."""
    if not insights:
        return {}
    seen = {
        row[name] for kind in ("worst", "doubtful") for row in insights[kind] for name in ("image", "cam")
    }
    wanted = {each["image"] for cell in insights["cells"].values() for each in cell} - seen
    return {str(number): insights["pictures"][number] for number in sorted(wanted)}


def _navigation(sections: Sequence[str]) -> str:
    whole = "\n".join(sections)
    links = "".join(
        f'<li><a href="#{name}">{title}</a></li>'
        for name, title in _CHAPTERS.items()
        if f'<section id="{name}"' in whole
    )
    return f'<nav aria-label="On this page"><ul>{links}</ul></nav>'
