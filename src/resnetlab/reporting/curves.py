"""The curves of a report as plain data: error in % over the steps, as in He et al., 2015, Fig. 6."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from resnetlab.errors import UsageError
from resnetlab.reporting.axes import FEW, SEEN_FROM, Axis, value_axis
from resnetlab.reporting.groups import Group, names_apart
from resnetlab.reporting.growing import Row
from resnetlab.reporting.reading import RecordedRun
from resnetlab.reporting.values import is_number

Points = tuple[tuple[float, float], ...]
"""(step, error in %), by step."""

_MOST_WINDOWS = 160
"""Points of a training curve, about one an epoch of the papers' runs: noise in dashes reads as dots."""

_ABOVE_FIRST = 1.15
"""Multiple of a range test's first loss up to which it is drawn."""

_TOPS = (1, 2, 5, 10, 20, 30, 40, 60, 80, 100)


@dataclass(frozen=True, kw_only=True)
class Line:
    """The errors of several runs: their mean with its band, and what a single run has alone."""

    mean: Points = ()
    band: tuple[tuple[float, float, float], ...] = ()
    """(step, lowest, highest), where there are several runs."""
    alone: tuple[Points, ...] = ()
    """Unfinished runs beside finished ones, and the rest of runs that are longer than others."""

    @property
    def points(self) -> tuple[Points, ...]:
        """All its parts."""
        return tuple(part for part in (self.mean, *self.alone) if part)

    @property
    def end(self) -> tuple[float, float]:
        """Its last point."""
        return max((part[-1] for part in self.points), key=lambda point: point[0])


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What one row of the table shows over its training."""

    name: str
    is_plain: bool
    color: int
    """Equal for networks of the same depth in two panels."""
    test: Line
    train: Line
    watched: str
    """What `test` is of: test, or val."""
    open_ends: Points
    """Where unfinished runs are."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """A value at each of several places: its means over the runs, and from the lowest to the highest."""

    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class ResponseCurve:
    """The standard deviations of a network's layer responses, as in He et al., 2015, Fig. 7."""

    name: str
    is_plain: bool
    color: int
    layers: Band
    """In the network's order."""
    ranked: Band
    """In descending order."""


@dataclass(frozen=True, kw_only=True)
class RateCurve:
    """The losses of a learning-rate range test, in nats, over the rates of its steps."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    """Of each step's batch, before its update."""
    smoothed: tuple[float, ...]
    suggested: float | None
    diverges: float | None
    """The rate at which the loss is back where it began; None if that was not seen."""
    high: float
    """The end of the axis: the highest rate that there was to be, or that was come to."""
    is_log: bool
    """Whether rates rise by equal factors, and stand so on the axis."""

    @property
    def x(self) -> Axis:
        """The axis of rates."""
        return Axis(low=self.rates[0], high=self.high, is_log=self.is_log)

    @property
    def y(self) -> Axis:
        """The axis of losses before they diverge, little higher than the first: a passing rise is cut off."""
        top = _ABOVE_FIRST * self.smoothed[0]
        calm = [
            min(loss, top)
            for rate, loss in zip(self.rates, self.smoothed, strict=True)
            if self.diverges is None or rate < self.diverges
        ]
        return value_axis(calm or [top], calm or [top], is_short=True)

    @property
    def places(self) -> list[float]:
        """Where the rates lie on their axis, in [0, 1]."""
        return [self.x.place(rate) for rate in self.rates]


def curves_of(groups: Sequence[Group]) -> list[Curve]:
    """Return the curves of all groups that have any.

    The test error is that of the evaluations, on the validation samples if the run has any. The training
    error is that of the rows of kind train, if there are as many: these cover a few steps each, where a row
    of an evaluation covers all since the last one, so that the drop at a milestone falls where the rate does.
    They are pooled in windows of equal numbers of steps, and stand in the middle of theirs.

    Raises:
        UsageError: If there is nothing to draw yet, or the runs are of different data.
    """
    groups = [group for group in groups if is_evaluated(group)]
    if not groups:
        raise UsageError("no curve to draw: none of the runs has been evaluated yet")
    data = {(str(g.runs[0].data["name"]), len(g.runs[0].data["class_names"])) for g in groups}
    if len(data) > 1:
        told = ", ".join(f"{name} ({classes} classes)" for name, classes in sorted(data))
        raise UsageError(f"errors on different data in one picture: {told}", hint="Name runs of one of them.")
    colors = colors_of([(group.is_plain, group.depth) for group in groups])
    return [
        Curve(
            name=name,
            is_plain=group.is_plain,
            color=color,
            test=_line(group, {run.path: _test_points(run) for run in group.runs}),
            train=_line(group, _train_points(group, _train_error)),
            watched=next(run.watched for run in group.runs if run.evaluations),
            open_ends=tuple(_test_points(run)[-1] for run in group.unfinished if run.evaluations),
        )
        for group, name, color in zip(groups, names_apart(groups), colors, strict=True)
    ]


def is_evaluated(group: Group) -> bool:
    """Return whether a run of the group has an evaluation."""
    return any(run.evaluations for run in group.runs)


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The cross-entropies of what one row of the table shows over its training, in nats."""

    name: str
    test: Line
    train: Line
    watched: str
    """What `test` is of: test, or val."""
    is_open: bool
    """Whether one of the runs is not at its end."""


def losses_of(groups: Sequence[Group]) -> list[Losses]:
    """Return the losses of all groups, made of their rows as `curves_of` makes the errors."""
    return [
        Losses(
            name=name,
            test=_line(group, {run.path: _test_losses(run) for run in group.runs}),
            train=_line(group, _train_points(group, _train_loss)),
            watched=next((run.watched for run in group.runs if run.evaluations), "test"),
            is_open=bool(group.unfinished),
        )
        for group, name in zip(groups, names_apart(groups), strict=True)
    ]


def colors_of(networks: Sequence[tuple[bool, int]]) -> list[int]:
    """Return the same number for the same depth in both panels, as the paper has it.

    Args:
        networks: Of each curve whether its network is a plain one, and its depth.
    """
    keys, counts = [], dict[tuple[bool, int], int]()
    for network in networks:
        counts[network] = counts.get(network, -1) + 1
        keys.append((network[1], counts[network]))
    order = sorted(set(keys))
    return [order.index(key) for key in keys]


def _test_points(run: RecordedRun) -> Points:
    return tuple((row["step"], 100 * (1 - row["accuracy"])) for row in run.evaluations)


def _test_losses(run: RecordedRun) -> Points:
    return tuple((row["step"], row["loss"]) for row in run.evaluations if is_number(row.get("loss")))


Value = Callable[[Row], float | None]
"""What a row of training says, if it says that."""


def _train_error(row: Row) -> float:
    return 100 * (1 - float(row["train_accuracy"]))


def _train_loss(row: Row) -> float | None:
    loss = row.get("train_loss")
    return loss if is_number(loss) else None


def _train_points(group: Group, value: Value) -> dict[Path, Points]:
    tell = [row["kind"] for run in group.runs for row in training_rows(run.rows)[:1]]
    every = group.runs[0].recipe.run.log_every if {*tell} <= {"train"} else 1
    longest = max(run.step for run in group.runs)
    window = every * max(1, math.ceil(longest / _MOST_WINDOWS / every))
    return {run.path: _pooled(run, window, value) for run in group.runs}


def _pooled(run: RecordedRun, window: int, value: Value) -> Points:
    """Return the values of the training rows, those of `window` steps in one point."""
    windows: dict[int, list[tuple[int, int, float]]] = defaultdict(list)
    before = 0
    for row in training_rows(run.rows):
        if row["step"] > before:
            step = int(row["step"])
            if (found := value(row)) is not None:
                windows[(step - 1) // window].append((before, step, found))
            before = step
    points = []
    for rows in windows.values():
        first, last, steps = rows[0][0], rows[-1][1], sum(stop - start for start, stop, _ in rows)
        mean = math.fsum((stop - start) * each for start, stop, each in rows) / steps
        points.append(((first + last) / 2, mean))
    return tuple(points)


def training_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that tell the training error: each of the steps since the one before.

    They are those of kind train; where these are fewer than the evaluations, as in short runs, the
    evaluations, which tell it too.
    """
    trained = [row for row in rows if row["kind"] == "train"]
    beside = [row for row in rows if row["kind"] != "train" and "train_accuracy" in row]
    return beside if len(beside) > len(trained) else trained


def _line(group: Group, by_path: Mapping[Path, Points]) -> Line:
    """Return the mean of the finished runs, or of all if none is, as far as all of them go."""
    those = group.finished or group.runs
    parts = [points for run in those if (points := by_path[run.path])]
    beside = [points for run in group.runs if run not in those and (points := by_path[run.path])]
    return line_of(parts, beside)


def line_of(parts: Sequence[Points], beside: Sequence[Points] = ()) -> Line:
    """Return the mean of several runs' errors at the steps that all of them have, with its band.

    Args:
        parts: Of each run.
        beside: Of runs that do not count in the mean.
    """
    steps = sorted(set.intersection(*({step for step, _ in points} for points in parts))) if parts else []
    if not steps:
        return Line(alone=(*parts, *beside))
    found = [dict(points) for points in parts]
    rows = [(step, [errors[step] for errors in found]) for step in steps]
    rests = [tuple(point for point in points if point[0] >= steps[-1]) for points in parts]
    return Line(
        mean=tuple((step, math.fsum(errors) / len(errors)) for step, errors in rows),
        band=tuple((step, min(errors), max(errors)) for step, errors in rows) if len(parts) > 1 else (),
        alone=(*(rest for rest in rests if len(rest) > 1), *beside),
    )


def error_axis(curves: Sequence[Curve]) -> Axis:
    """Return the axis of errors in %: of short runs all is seen, of long ones what `top_error` says."""
    if all(len(part) <= FEW for curve in curves for part in curve.test.points):
        parts = [part for curve in curves for part in (*curve.test.points, *curve.train.points)]
        every = [error for part in parts for _, error in part]
        every += [high for curve in curves for _, _, high in curve.test.band]
        return value_axis(every, every, most=100, is_short=True)
    return Axis(low=0.0, high=top_error(curves))


def top_error(curves: Sequence[Curve]) -> float:
    """Return the upper end of the axis in %: the last 45 % of each curve, its band too, lies well below it.

    For the papers' runs, whose rate falls after half of the steps, that is their 20 %; the evaluation just
    after that fall is not the end of anything yet.
    """
    found = [0.0]
    for curve in curves:
        for part in (*curve.test.points, *curve.train.points):
            found += [error for step, error in part if step > SEEN_FROM * part[-1][0]]
        found += [high for step, _, high in curve.test.band if step > SEEN_FROM * curve.test.end[0]]
    return float(next((top for top in _TOPS if 1.2 * max(found) <= top), 100))
