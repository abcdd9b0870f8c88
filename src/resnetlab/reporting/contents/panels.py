"""The curves of runs as plain data: one panel for each kind of data, with errors, losses and the rate."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from resnetlab.reporting.contents.thinning import Point, rounded, thinned
from resnetlab.reporting.curves import Curve, Line, curves_of, is_evaluated, losses_of
from resnetlab.reporting.groups import Group
from resnetlab.reporting.reading import RecordedRun
from resnetlab.reporting.values import is_number

_MOST_DROPS = 8


def panels_of(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Return a panel for each kind of data of which anything was evaluated or trained."""
    by_data: dict[tuple[str, int], list[Group]] = defaultdict(list)
    for group in groups:
        data = group.runs[0].data
        by_data[str(data["name"]), len(data["class_names"])].append(group)
    return [panel for those in by_data.values() if (panel := _panel(those))]


def _panel(groups: Sequence[Group]) -> dict[str, Any] | None:
    runs = [run for group in groups for run in group.runs]
    if not any(run.rows for run in runs):
        return None
    groups = sorted(groups, key=lambda group: not is_evaluated(group))  # those with curves of errors first
    curves = curves_of(groups) if is_evaluated(groups[0]) else []
    series = [each for index, curve in enumerate(curves) for each in _errors(curve, index)]
    lone = runs[0] if len(runs) == 1 else None
    if lone and not curves:
        series += _training_alone(lone)
    for index, losses in enumerate(losses_of(groups)):
        name = curves[index].name if index < len(curves) else losses.name
        series += _parts(name, losses.watched, "loss", losses.test, index, losses.is_open)
        series += _parts(name, "train", "loss", losses.train, index, losses.is_open)
    series += _rates(lone) if lone else []
    return {
        "data": groups[0].data,
        "watched": next((curve.watched for curve in curves), "test"),
        "steps": max(run.step for run in runs),
        "planned": lone.num_steps if lone else None,
        "steps_per_epoch": _steps_per_epoch(runs),
        "resumed": list(lone.resumed_at[-50:]) if lone else [],
        "drops": _drops(lone) if lone else [],
        "series": series,
    }


def _errors(curve: Curve, index: int) -> Iterator[dict[str, Any]]:
    is_open = bool(curve.open_ends)
    yield from _parts(curve.name, curve.watched, "error", curve.test, index, is_open)
    yield from _parts(curve.name, "train", "error", curve.train, index, is_open)


def _parts(name: str, kind: str, of: str, line: Line, index: int, is_open: bool) -> Iterator[dict[str, Any]]:
    for number, points in enumerate(line.points):
        is_mean = number == 0 and bool(line.mean)
        band = _thin_band(line.band) if is_mean else []
        yield _series(name, kind, of, index, points) | {
            "band": rounded(band), "is_mean": bool(line.band) and is_mean, "open": is_open,
        }  # fmt: skip


def _thin_band(band: Sequence[tuple[float, float, float]], most: int = 200) -> list[tuple[float, ...]]:
    step = max(1, math.ceil(len(band) / most))
    kept = [*band[::step]]
    return [*kept, *([band[-1]] if band and kept[-1] != band[-1] else [])]


def _series(name: str, kind: str, of: str, color: int, points: Sequence[Point]) -> dict[str, Any]:
    return {
        "name": name, "kind": kind, "of": of, "color": color, "points": rounded(thinned(points)), "band": [],
        "is_mean": False, "open": False,
    }  # fmt: skip


def _training_alone(run: RecordedRun) -> Iterator[dict[str, Any]]:
    """Yield the errors of training of a run that has evaluated nothing yet."""
    points = [(row["step"], 100 * (1 - row["train_accuracy"])) for row in run.rows if row["kind"] == "train"]
    if points:
        yield _series(run.spec.name, "train", "error", 0, points) | {"open": True}


def _rates(run: RecordedRun) -> Iterator[dict[str, Any]]:
    if points := _rate_points(run):
        yield _series(run.spec.name, "train", "rate", 0, points)


def _rate_points(run: RecordedRun) -> list[Point]:
    rows = [row for row in run.rows if is_number(row.get("learning_rate"))]
    those = [row for row in rows if row["kind"] == "train"] or rows
    return [(row["step"], row["learning_rate"]) for row in those]


def _drops(run: RecordedRun) -> list[list[float]]:
    """Return after which step the rate falls at once, and to what; nothing for a rate that glides."""
    if run.recipe.schedule.schedule not in ("pieces", "plateau"):
        return []
    points = _rate_points(run)
    found = [[step, rate] for (step, before), (_, rate) in itertools.pairwise(points) if 0 < rate < before]
    return found[:_MOST_DROPS]


def _steps_per_epoch(runs: Sequence[RecordedRun]) -> float | None:
    """Return the steps of an epoch, if they are the same for all."""
    found = {
        round(row["step"] / row["epoch"], 2)
        for run in runs
        for row in run.evaluations[-1:]
        if row.get("epoch")
    }
    return found.pop() if len(found) == 1 else None
