"""The pictures of the page as charts, each with the note below it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resnetlab.reporting.axes import Axis, step_axis, value_axis
from resnetlab.reporting.page.line_chart import Chart, Series

_COLORS = {("plain", False): 5, ("plain", True): 1, ("residual", False): 4, ("residual", True): 0}
"""By kind, and whether it is the deeper one: warm without shortcuts, cool with them."""

_PERCENT = "\N{NO-BREAK SPACE}%"

Network = Mapping[str, Any]


def _color(network: Network, networks: Sequence[Network]) -> int:
    return _COLORS[network["kind"], network["depth"] == max(each["depth"] for each in networks)]


def error_chart(contents: Mapping[str, Any]) -> tuple[Chart, str]:
    """Return errors over steps, of test and training images, of all four."""
    networks = contents["networks"]
    series = [
        Series(
            name=f"{each['name']}, {word}",
            points=each["curves"][kind],
            color=_color(each, networks),
            is_thin=kind == "train",
            unit=_PERCENT,
            digits=1,
        )
        for each in networks
        for kind, word in (("test", "test"), ("train", "training"))
        if each["curves"][kind]
    ]
    values = [value for line in series for _, value in line.points]
    is_high = max(values, default=0.0) > 50
    chart = Chart(
        name="errors",
        title="Error by step",
        x=step_axis(max((line.points[-1][0] for line in series), default=1.0)),
        y=Axis(low=0.0, high=100.0) if is_high else value_axis(values, values, most=100),
        series=series,
        x_title="steps",
        y_title="error, %",
        per_epoch=contents["steps_per_epoch"],
    )
    return chart, (
        "Training errors (dashed) are of augmented images, as they were trained on, each point of a few"
        " steps."
    )


def start_charts(networks: Sequence[Network]) -> Iterator[tuple[Chart, str]]:
    """Yield the gradient and the signal by layer, before training."""
    note = (
        f"After the stem and after each unit, of {networks[0]['images']:,} training images and the seed's"
        " first weights: the gradient of the summed loss by the values there, of each image its norm, and"
        " of these the root mean square. BN normalises with these images, as in a training step."
    )
    first = float(networks[0]["start"][0]["depth"])
    yield (
        _by_layer("gradient", "The gradient, which comes back", "norm of the gradient", networks, first),
        note,
    )
    note = "At the same places, the root mean square of all values."
    yield _by_layer("signal", "The signal, which goes forward", "root mean square", networks, None), note


def _by_layer(name: str, title: str, y_title: str, networks: Sequence[Network], rest: float | None) -> Chart:
    series = [
        Series(
            name=each["name"],
            points=[[row["depth"], row[name]] for row in each["start"]],
            color=_color(each, networks),
        )
        for each in sorted(networks, key=lambda each: -int(each["depth"]))  # the longest leads the pointer
    ]
    values = [value for line in series for _, value in line.points]
    return Chart(
        name=name,
        title=title,
        x=Axis(low=0.0, high=float(max(each["depth"] for each in networks))),
        y=value_axis(values, values),
        series=series,
        x_title="layers with weights, from the image",
        y_title=y_title,
        x_word="layer",
        is_bounded=True,
        rest=rest,
    )


def around_chart(networks: Sequence[Network]) -> tuple[Chart, str]:
    """Return the loss along random directions around the end of training."""
    lines = [each["around"] for each in networks]
    note = (
        f"Means of {len(lines[0]['losses'])} directions, with a band from the lowest to the highest. A"
        " direction is of normally distributed numbers, of which each filter (each neuron of the classifier)"
        " is brought to the norm of the network's own; biases, and what BN multiplies by and adds, stay. At 1"
        f" and −1 each filter is moved by its own length. The loss is of {networks[0]['images']:,} training"
        " images without augmentation; BN normalises with these very images, and running statistics have no"
        " part in it."
    )
    title, x_title = "Loss on lines through the end of training", "distance, in lengths of a filter"
    return _of_losses("around", title, x_title, networks, lines, 0.0), note


def between_chart(networks: Sequence[Network]) -> tuple[Chart, str]:
    """Return the loss on the straight way from the first weights to the last."""
    lines = [dict(each["between"], losses=[each["between"]["losses"]]) for each in networks]
    note = (
        "All weights, what BN multiplies by and adds too, are mixed in this share. The same images as above,"
        " with which BN normalises here too."
    )
    title = "Loss on the straight way from the first weights to the last"
    return _of_losses("between", title, "share of the way", networks, lines, None), note


def _of_losses(
    name: str,
    title: str,
    x_title: str,
    networks: Sequence[Network],
    lines: Sequence[Mapping[str, Any]],
    rest: float | None,
) -> Chart:
    series = [_bundle(each, line, networks) for each, line in zip(networks, lines, strict=True)]
    values = [high for line in lines for losses in line["losses"] for high in losses]
    places = lines[0]["places"]
    return Chart(
        name=name,
        title=title,
        x=Axis(low=min(places), high=max(places)),
        y=Axis(low=0.0, high=value_axis(values, values).high),
        series=series,
        x_title=x_title,
        y_title="cross-entropy, nats",
        x_word="at",
        x_digits=2,
        rest=rest,
    )


def _bundle(network: Network, line: Mapping[str, Any], networks: Sequence[Network]) -> Series:
    """Return the mean over all directions, with a band if there are several."""
    rows = [*zip(line["places"], *line["losses"], strict=True)]
    return Series(
        name=network["name"],
        points=[[place, sum(values) / len(values)] for place, *values in rows],
        band=[[place, min(values), max(values)] for place, *values in rows]
        if len(line["losses"]) > 1
        else (),
        color=_color(network, networks),
        digits=3,
    )
