"""What the runs of a reproduction take on this machine, by steps of their own that are made for a moment."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from resnetlab.reproducing.planning import PlannedRun
from resnetlab.runs.checkpoint import list_checkpoints
from resnetlab.runs.directory import RunDirectory
from resnetlab.training.budget.costs import measure_costs
from resnetlab.training.budget.lengths import Costs, total_seconds
from resnetlab.training.choosing.choosing import Tell
from resnetlab.training.planning import RunPlan

_SECONDS = 1.0
"""For which steps of a network are timed."""

_SHORT = 300.0
"""Seconds of all runs, by `_RATE`, below which only the quickest network is timed, and the others reckoned by
their arithmetic: measuring each would take longer than it is worth."""

_RATE = 1e11
"""Floating-point operations a second and thread, as `training.choosing.ways` has them."""


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """What one run takes."""

    step: int
    """The step from which it goes on."""
    num_steps: int
    seconds: float
    """What is left of it takes so long here."""
    is_measured: bool
    """Whether its own network's steps were timed."""


def done_steps(run: Path) -> int:
    """Return the step of the newest checkpoint in a run's directory; 0 if there is none."""
    found = list_checkpoints(RunDirectory(run).checkpoints)
    return found[-1][0] if found else 0


def costs_here(runs: Mapping[str, PlannedRun], out: Path, tell: Tell) -> dict[str, RunCost]:
    """Return what each of these runs, or the rest of it, takes alone on this machine as it is now.

    Args:
        runs: Those that are not finished, by the names of their directories.
        out: The folder of the directories.
        tell: Is told what takes some seconds.

    Raises:
        DataError: If images cannot be read.
    """
    rows = {each.row.name: each.plan for each in runs.values()}
    if not rows:
        return {}
    work = {name: _operations(plan) for name, plan in rows.items()}
    whole = sum(work[each.row.name] for each in runs.values())
    timed = [*rows]
    if whole < _SHORT * _RATE * torch.get_num_threads():
        timed = [min(rows, key=lambda name: rows[name].step_operations)]
    tell(f"timing steps of {', '.join(timed)} ...")
    measured = {name: measure_costs(rows[name], _SECONDS) for name in timed}
    costs = {name: measured.get(name) or _scaled(measured[timed[0]], rows, timed[0], name) for name in rows}
    return {name: _cost(each, costs[each.row.name], out / name, timed) for name, each in runs.items()}


def _operations(plan: RunPlan) -> float:
    return plan.step_operations * plan.timeline.num_steps


def _scaled(costs: Costs, rows: Mapping[str, RunPlan], of: str, name: str) -> Costs:
    """Return the costs of one network by those of another."""
    ratio = rows[name].step_operations / rows[of].step_operations
    return replace(costs, step=ratio * costs.step, evaluation=ratio * costs.evaluation)


def _cost(run: PlannedRun, costs: Costs, path: Path, timed: list[str]) -> RunCost:
    timeline, done = run.plan.timeline, done_steps(path)
    seconds = total_seconds(timeline.num_steps - done, costs, run.plan.recipe.run, timeline.num_samples)
    return RunCost(
        step=done,
        num_steps=timeline.num_steps,
        seconds=seconds,
        is_measured=run.row.name in timed,
    )
