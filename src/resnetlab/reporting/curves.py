"""Training and test error over the steps, drawn as He et al., 2015, draw them in Figures 4 and 6."""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resnetlab.drawing.theme import THEMES, Theme, ThemeName
from resnetlab.reporting.groups import Group, labels
from resnetlab.reporting.records import RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Numbers = npt.NDArray[np.float64]

_POINTS = 160
"""Most points of a training curve: rows are averaged, or their noise hides the curve."""

_PANEL_INCHES = 5.0
_LONGEST_LABEL = 32

_SMALLEST_GAP = 0.045
"""Distance of two labels, as a share of the axis."""


@dataclass(frozen=True)
class Curve:
    """Error in % over steps: mean, lowest and highest of several runs."""

    steps: Numbers
    mean: Numbers
    low: Numbers
    high: Numbers


def draw_curves(groups: Sequence[Group], kind: str, *, theme: ThemeName = "light", title: str = "") -> bytes:
    """Return a picture of the groups' curves: test (or validation) error bold, training error dashed.

    Plain networks stand in a panel of their own, to the left, where there are residual ones too. Several
    seeds are their mean, in a band from the lowest to the highest. The vertical axis ends where the
    second half of every curve can be seen.

    Args:
        groups: The groups, as `group_runs` returns them.
        kind: "svg", "pdf" or "png".
        theme: Its colours.
        title: Above the picture.
    """
    from matplotlib import rc_context

    stream = io.BytesIO()
    undated: dict[str, Any] = {
        "svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None},
    }  # fmt: skip
    with rc_context({"svg.hashsalt": "resnetlab", "svg.fonttype": "none", "font.family": "sans-serif"}):
        _figure(groups, THEMES[theme], title).savefig(stream, format=kind, metadata=undated[kind])
    return stream.getvalue()


def _figure(groups: Sequence[Group], colors: Theme, title: str) -> "Figure":
    from matplotlib.figure import Figure

    plain = [group for group in groups if group.spec.shortcut == "none"]
    residual = [group for group in groups if group.spec.shortcut != "none"]
    panels = [panel for panel in (plain, residual) if panel]
    largest = max(1, *(run.last_step for group in groups for run in group.runs))
    unit = 1e4 if largest >= 10_000 else 1.0
    size = (1.0 + _PANEL_INCHES * len(panels), 4.6)
    figure = Figure(size, dpi=130, layout="constrained", facecolor=colors.background)
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    top = _top([curve for group in groups for curve in (_tested(group), _trained(group)) if curve])
    for axes, panel in zip(all_axes, panels, strict=True):
        _dress(axes, colors, "steps (1e4)" if unit > 1 else "steps")
        axes.set_ylim(0, top)
        axes.set_yticks(range(0, int(top) + 1, 5 if top <= 40 else 10))
        longest = max(len(_short(label)) for label in labels(panel)) + len("  10.00")
        axes.set_xlim(0, largest / unit / (0.95 - _share_of("x" * longest)))
        axes.set_xticks([tick for tick in axes.get_xticks() if tick <= largest / unit])
        _draw_panel(axes, panel, colors, unit, top)
        if len(panels) > 1:
            name = "plain" if panel is plain else "residual"
            axes.set_title(name, loc="left", color=colors.faint, fontsize=11)
    all_axes[0].set_ylabel("error (%)", color=colors.faint)
    if title:
        figure.suptitle(title, x=0.01, ha="left", color=colors.ink, fontsize=12)
    kinds = {row["kind"] for group in groups for run in group.shown for row in run.scored}
    names = {"test": "test", "val": "validation"}
    _explain(all_axes[0], colors, " or ".join(names[kind] for kind in sorted(kinds)))
    return figure


def _draw_panel(axes: "Axes", groups: Sequence[Group], colors: Theme, unit: float, top: float) -> None:
    ends: list[tuple[float, float, str, str]] = []
    for index, (group, label) in enumerate(zip(groups, labels(groups), strict=True)):
        color, style = _pen(index, colors)
        trained, tested = _trained(group), _tested(group)
        if trained:
            axes.plot(trained.steps / unit, trained.mean, color=color, lw=0.9, ls=(0, (4, 2)), alpha=0.85)
        if tested:
            mark = "o" if len(tested.steps) == 1 else ""  # evaluated at the end alone
            axes.plot(tested.steps / unit, tested.mean, color=color, lw=2.2, ls=style, marker=mark, ms=4)
            if len(group.shown) > 1:
                axes.fill_between(tested.steps / unit, tested.low, tested.high, color=color, alpha=0.18, lw=0)
            last = float(tested.mean[-1])
            ends.append((tested.steps[-1] / unit, last, f"{_short(label)}  {last:.2f}", color))
    heights = spread([height for _, height, _, _ in ends], _SMALLEST_GAP * top, top)
    longest = max((_share_of(text) for _, _, text, _ in ends), default=0.0)
    place = axes.get_xlim()[1] * (1 - longest)
    for (x, height, text, color), at in zip(ends, heights, strict=True):
        note = axes.annotate(
            text, (x, min(height, top)), xytext=(place, at), textcoords="data",
            color=color, va="center", fontsize=9, fontweight="bold", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "lw": 0.6, "shrinkA": 1, "shrinkB": 1,
                        "relpos": (0, 0.5)},
        )  # fmt: skip
        note.set_in_layout(False)


def _pen(index: int, colors: Theme) -> tuple[str, Any]:
    """Return the colour and the dashes of a curve: a new colour each, in print new dashes each."""
    dashes = ("-", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
    if colors.name == "print":
        return "#000000", dashes[index % len(dashes)]
    return colors.stage(index).stroke, dashes[index // len(colors.stages) % len(dashes)]


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…"


def _share_of(text: str) -> float:
    """Return the share of a panel's width that a label takes: 0.075 inches a character of 9 points, bold."""
    return 0.075 * len(text) / _PANEL_INCHES


def _dress(axes: "Axes", colors: Theme, word: str) -> None:
    axes.set_facecolor(colors.background)
    axes.set_xlabel(word, color=colors.faint)
    axes.grid(axis="y", color=colors.line, alpha=0.25)
    axes.set_axisbelow(True)
    axes.tick_params(colors=colors.faint, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(colors.line)


def _explain(axes: "Axes", colors: Theme, scored: str) -> None:
    from matplotlib.lines import Line2D

    bold = Line2D([], [], color=colors.faint, lw=2.2, label=scored)
    dashed = Line2D([], [], color=colors.faint, lw=0.9, ls=(0, (4, 2)), label="training")
    axes.legend(handles=[bold, dashed], loc="upper right", frameon=False, labelcolor=colors.faint, fontsize=9)


def spread(heights: Sequence[float], gap: float, top: float) -> list[float]:
    """Return heights at least `gap` apart, in the same order, as near to the given ones as that allows."""
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    placed: list[float] = []
    for index in order:
        lowest = placed[-1] + gap if placed else gap / 2
        placed.append(max(heights[index], lowest))
    if placed and placed[-1] > top:
        shift = placed[-1] - top
        placed = [max(height - shift, gap * number) for number, height in enumerate(placed)]
    return [placed[order.index(index)] for index in range(len(heights))]


def _top(curves: Sequence[Curve]) -> float:
    """Return where the vertical axis ends: the second half of every curve is below, in whole fives."""
    highest = [curve.high[len(curve.high) // 2 :].max() for curve in curves]
    return float(min(100.0, 5 * math.ceil(max([*highest, 5.0]) * 1.02 / 5)))


def _tested(group: Group) -> Curve | None:
    return _together(group.shown, _test_curve)


def _trained(group: Group) -> Curve | None:
    return _together(group.shown, _training_curve)


def _together(
    runs: Sequence[RunRecord], curve: Callable[[RunRecord], tuple[Numbers, Numbers]]
) -> Curve | None:
    """Return mean and range at the steps that all runs have; if they share none, the first run's."""
    found = [pair for pair in map(curve, runs) if len(pair[0])]
    if not found:
        return None
    shared = found[0][0]
    for steps, _ in found[1:]:
        shared = np.intersect1d(shared, steps)
    if not len(shared):
        found, shared = found[:1], found[0][0]
    values = np.stack([errors[np.isin(steps, shared)] for steps, errors in found])
    return Curve(shared, values.mean(0), values.min(0), values.max(0))


def _test_curve(run: RunRecord) -> tuple[Numbers, Numbers]:
    """Return steps and errors in % of the evaluations."""
    rows = run.scored
    return np.array([row["step"] for row in rows], float), np.array(
        [100 - 100 * row["accuracy"] for row in rows]
    )


def _training_curve(run: RunRecord) -> tuple[Numbers, Numbers]:
    """Return steps and errors in % of the training batches, as they were while the network learnt.

    Each point is the mean over some rows; the last rows that do not fill one are left out.
    """
    rows = [row for row in run.rows if row["kind"] == "train"]
    size = max(1, len(rows) // _POINTS)
    count = len(rows) // size * size
    steps = np.array([row["step"] for row in rows[:count]], float).reshape(-1, size)
    errors = np.array([100 - 100 * row["train_accuracy"] for row in rows[:count]]).reshape(-1, size)
    return steps[:, -1] if count else np.array([]), errors.mean(1) if count else np.array([])
