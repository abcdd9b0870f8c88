"""The curves of report.json as charts: errors with the rate below them, and losses."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resnetlab.reporting.axes import FEW, SEEN_FROM, Axis, step_axis, value_axis
from resnetlab.reporting.page.line_chart import Chart, Series
from resnetlab.reporting.page.parts import table, text
from resnetlab.runs.journal import KINDS

_BAND = "Lines are means over seeds, with a band from the lowest to the highest."
_MOST_ROWS = 60


def charts_of(panels: Sequence[Mapping[str, Any]]) -> list[tuple[Chart, str]]:
    """Return the charts, each with a note below it."""
    found = []
    for index, panel in enumerate(panels):
        name = f"{index}" if len(panels) > 1 else ""
        where = f", {panel['data']}" if len(panels) > 1 else ""
        if lines := [*_series(panel, "error")]:
            found.append((_error_chart(panel, lines, f"error{name}", f"Error{where}"), _note(panel, lines)))
        if lines := [*_series(panel, "loss")]:
            every = [point[1] for line in lines for point in line.points]
            chart = Chart(
                name=f"loss{name}",
                title=f"Loss{where}",
                x=_steps(panel),
                y=value_axis(_tail(lines), every, is_short=_is_short(lines)),
                series=lines,
                x_title="steps",
                y_title="cross-entropy, nats",
                marks=_marks(panel),
                per_epoch=panel.get("steps_per_epoch"),
            )
            found.append((chart, _BAND if any(line.band for line in lines) else ""))
    return found


def _series(panel: Mapping[str, Any], of: str) -> Iterator[Series]:
    those = [each for each in panel["series"] if each["of"] == of and each["points"]]
    names = {each["name"] for each in those}
    for each in those:
        kind = KINDS.get(each["kind"], each["kind"])
        what = {"error": "", "loss": " loss"}.get(of, "")
        name = f"{kind}{what}" if len(names) == 1 else f"{each['name']}, {kind}"
        is_beside = bool(each["open"]) and any(
            other["is_mean"] for other in those if other["color"] == each["color"]
        )
        yield Series(
            name=name + (" (unfinished)" if is_beside and not each["is_mean"] else ""),
            points=each["points"],
            band=each["band"],
            color=each["color"],
            is_thin=each["kind"] == "train",
            is_beside=is_beside and not each["is_mean"],
            unit="\N{NO-BREAK SPACE}%" if of == "error" else "",
            digits=2 if of == "error" else 4,
        )


def _steps(panel: Mapping[str, Any]) -> Axis:
    lasts = [each["points"][-1][0] for each in panel["series"] if each["points"]]
    return step_axis(max(lasts))


def _tail(lines: Sequence[Series]) -> list[float]:
    """Return the values that must be seen: the last 45 % of each line, its band too."""
    found = []
    for line in lines:
        start = SEEN_FROM * line.points[-1][0]
        found += [value for step, value in line.points if step >= start]
        found += [high for step, _, high in line.band if step >= start]
    return found


def _is_short(lines: Sequence[Series]) -> bool:
    """Return whether the evaluations are so few that each is looked at."""
    return max((len(line.points) for line in lines if not line.is_thin), default=0) <= FEW


def _error_chart(panel: Mapping[str, Any], lines: Sequence[Series], name: str, title: str) -> Chart:
    every = [value for line in lines for _, value in line.points]
    rates = next((each for each in panel["series"] if each["of"] == "rate"), None)
    strip = None
    if rates and len(rates["points"]) > 1:
        strip = Series(name="learning rate", points=rates["points"], color=0, digits=4, is_rate=True)
    top = max((point[1] for point in rates["points"]), default=0.0) if rates and strip else 0.0
    return Chart(
        name=name,
        title=title,
        x=_steps(panel),
        y=value_axis(_tail(lines), every, most=100, is_short=_is_short(lines)),
        series=lines,
        x_title="steps",
        y_title="error, %",
        strip=strip if top > 0 else None,
        strip_axis=Axis(low=0.0, high=top) if top > 0 else None,
        marks=_marks(panel),
        per_epoch=panel.get("steps_per_epoch"),
    )


def _marks(panel: Mapping[str, Any]) -> list[tuple[float, str]]:
    resumed = [(float(step), "resumed" if index == 0 else "") for index, step in enumerate(panel["resumed"])]
    return [*resumed, *((float(step), f"rate {rate:g}") for step, rate in panel["drops"])]


def _note(panel: Mapping[str, Any], lines: Sequence[Series]) -> str:
    parts = []
    if any(line.band for line in lines):
        parts.append(_BAND)
    if any(line.is_thin for line in lines):
        parts.append("Training errors (dashed) are of augmented images, as they were trained on.")
    if panel.get("planned") and panel["steps"] < panel["planned"]:
        parts.append(f"{panel['steps']:,} of {panel['planned']:,} steps are made.")
    return " ".join(parts)


def numbers_of(panel: Mapping[str, Any]) -> str:
    """Return the errors of a panel as a table, thinned where they are many."""
    lines = [line for line in _series(panel, "error") if not line.is_thin]
    if not lines:
        return ""
    steps = sorted({point[0] for line in lines for point in line.points})
    every = -(-len(steps) // _MOST_ROWS)
    shown = steps[::-1][::every][::-1]
    values = [{point[0]: point[1] for point in line.points} for line in lines]
    epoch = panel.get("steps_per_epoch")
    header = ["step", *(["epoch"] if epoch else []), *(f"{line.name}, error" for line in lines)]
    rows = [
        [
            f"{step:,.0f}",
            *([f"{step / epoch:.2f}"] if epoch else []),
            *(
                text(line.told(found[step])) if step in found else ""
                for line, found in zip(lines, values, strict=True)
            ),
        ]
        for step in shown
    ]
    caption = "Errors by step" + (f", one of {every}" if every > 1 else "")
    return table(caption, header, rows, kind="narrow-table")
