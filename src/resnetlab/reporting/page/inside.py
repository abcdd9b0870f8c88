"""What goes on in the network, on the page: filters, responses and norms by layer, the drawing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from resnetlab.network.spec import ModelSpec
from resnetlab.reporting.axes import Axis, value_axis
from resnetlab.reporting.page.line_chart import Chart, Series
from resnetlab.reporting.page.parts import format_count, image, paragraph, section
from resnetlab.show.drawing.scene import Scene
from resnetlab.show.drawing.svg import to_svg
from resnetlab.show.drawing.theme import ThemeName
from resnetlab.show.picture import draw

_THEMES: tuple[ThemeName, ...] = ("light", "dark")


def charts_inside(insights: Mapping[str, Any]) -> Iterator[tuple[Chart, str]]:
    """Yield the charts over the layers, each with a note below it."""
    over = f" Over {images:,} images." if (images := insights.get("images")) else ""
    if len(rows := insights["responses"]) > 1:
        lines = [_layers("standard deviation", rows, "deviation", 0)]
        yield (
            _by_layer("responses", "Responses by layer", rows, lines, "standard deviation of the output"),
            "Of each convolution's output behind its BN, if one follows, and before what is not linear"
            f" (He et al., 2015, Fig. 7).{over}",
        )
    if len(rows := insights["depth"]) > 1:
        lines = [_layers("signal", rows, "signal", 0), _layers("gradient", rows, "gradient", 1)]
        yield (
            _by_layer("depth", "Signal and gradient by depth", rows, lines, "norm", of="stem and units"),
            "From the image (left) to the answer (right): what each unit passes on, and the gradient of the"
            f" loss there.{over}",
        )


def _layers(name: str, rows: Sequence[Mapping[str, Any]], value: str, color: int) -> Series:
    points = [[float(index), float(row[value])] for index, row in enumerate(rows)]
    return Series(name=name, points=points, color=color, digits=3)


def _by_layer(
    name: str,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    lines: Sequence[Series],
    what: str,
    *,
    of: str = "layer",
) -> Chart:
    values = [point[1] for line in lines for point in line.points]
    return Chart(
        name=name,
        title=title,
        x=Axis(low=0.0, high=float(len(rows) - 1)),
        y=value_axis(values, values),
        series=lines,
        x_title=of,
        y_title=what,
        x_word="",
        x_names=[str(row["layer"]) for row in rows],
    )


def filters_section(insights: Mapping[str, Any] | None, charts: str) -> str:
    """Return the first layer's filters, and the charts over the layers."""
    filters = ""
    if insights and insights["filters"] is not None:
        picture = image(
            insights["pictures"][insights["filters"]],
            "The filters of the first layer",
            insights["filters"],
            set(),
        )
        words = paragraph("Each is scaled to its own range.", "faint note")
        title = "<figcaption><h3>Filters of the first layer</h3></figcaption>"
        filters = f'<figure class="filters">{title}{picture}{words}</figure>'
    return section("inside", "Inside the network", filters, charts)


def drawing_section(detail: Mapping[str, Any]) -> str:
    """Return the network's drawing, drawn anew from its specification: on a phone in one column."""
    network, spec = detail["network"], ModelSpec.from_json(detail["drawing"])
    height, width, _ = network["input"]
    try:
        parts = [
            in_both_themes(kind, partial(_schematic, spec, height, width, columns))
            for kind, columns in (("broad", None), ("slim", 1))
        ]
    except Exception as error:  # a network of others' making that cannot be drawn costs no page
        return section("drawing", "The network", paragraph(f"It could not be drawn: {error}", "faint"))
    words = (
        f"{network['name']}: {network['depth']} layers with weights, {format_count(network['parameters'])}"
        f" parameters, {format_count(network['multiply_adds'])} multiply-adds for an image of"
        f" {spec.input_size} × {spec.input_size}."
    )
    source = f"Source: {network['source']}." if network["source"] else ""
    return section("drawing", "The network", paragraph(words), paragraph(source, "faint"), *parts)


def _schematic(spec: ModelSpec, height: int, width: int, columns: int | None, theme: ThemeName) -> Scene:
    return draw([spec], theme=theme, height=height, width=width, columns=columns)[0]


def in_both_themes(kind: str, drawn: Callable[[ThemeName], Scene]) -> str:
    """Return a drawing twice, of which the page shows the one in its colours.

    Args:
        kind: broad, on wide screens and on paper, or slim, on a phone.
        drawn: Draws it.
    """
    parts = []
    for theme in _THEMES:
        svg = to_svg(drawn(theme)).replace("<svg ", '<svg class="drawn" ', 1)
        parts.append(f'<div class="drawing {kind} in-{theme}">{svg}</div>')
    return "".join(parts)
