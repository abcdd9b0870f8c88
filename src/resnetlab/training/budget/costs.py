"""What the parts of a run take here: its own steps on its own images, made for a moment and thrown away."""

import time
from collections.abc import Callable
from dataclasses import replace

from torch import nn

from resnetlab.base.machine.rates import synchronise
from resnetlab.base.units import Duration
from resnetlab.data.batches.loader import PREFETCHED, count_workers
from resnetlab.evaluation.scoring import EvaluationSet, score
from resnetlab.recipe.schedule import LearningRate
from resnetlab.recipe.settings import override
from resnetlab.training.budget.lengths import Costs
from resnetlab.training.ending.answering import MOST_SECONDS
from resnetlab.training.planning import RunPlan
from resnetlab.training.recorded.programs import StepProgram, step_program
from resnetlab.training.session import Parts, unrecorded
from resnetlab.training.step.device import leaving_as_found

_STEPS = 10_000
"""Of the run whose steps are timed: it does not end meanwhile, and each size of images has its share."""

_WARM, _FEWEST = 2, 3
_TELLING_SECONDS = 1.0  # a call that takes so long tells enough by its first time
_OPENING_SECONDS = 1.0  # the run's directory, its samples; 0.3 to 0.8 s were seen
_PAGE_SECONDS = 2.0  # to write it, beside what its pictures take
_BYTES_PER_SECOND = 2e8  # to a disk that is not quick, with the hash: an assumption
_SYNC_SECONDS = 0.05  # until a checkpoint's files are on the disk: likewise


@leaving_as_found()
def measure_costs(plan: RunPlan, seconds: float) -> Costs:
    """Return what the parts of a planned run take on this machine, as it is now.

    Args:
        plan: Of any length; `compile` is decided.
        seconds: For which steps are timed, at least.

    Raises:
        DataError: If its images cannot be read.
    """
    still = {"schedule": "constant", "lr": 1e-3, "lr_batch": 0, "warmup": Duration(0, "st")}
    tried = replace(plan, recipe=override(plan.recipe, still | {"length": Duration(_STEPS, "st")}))
    began = time.perf_counter()
    parts = unrecorded(tried)
    built = time.perf_counter() - began
    try:
        step, first = _steps(tried, parts, seconds)
        evaluation = _evaluation(parts.state.model, parts.watched, tried)
        own_test = parts.watched.name == "test"
        ending = evaluation if own_test else evaluation + _of_test(parts, evaluation)
    finally:
        parts.batches.close()
    stored = sum(t.nbytes for named in parts.state.tensors().values() for t in named.values())
    is_begun_anew = plan.reads_files or plan.recipe.execution.compile == "on"
    saving = _SYNC_SECONDS + stored / _BYTES_PER_SECOND
    page = MOST_SECONDS + _PAGE_SECONDS if plan.recipe.run.report else 0.0
    return Costs(
        step=step,
        evaluation=evaluation,
        checkpoint=saving,
        beginning=built + _OPENING_SECONDS + (max(first - step, 0.0) if is_begun_anew else 0.0),
        ending=ending + saving + page,
    )


def _of_test(parts: Parts, evaluation: float) -> float:
    """Return what the test set takes, by what the validation samples do."""
    return evaluation * parts.test().size / max(parts.watched.size, 1)


def _steps(plan: RunPlan, parts: Parts, seconds: float) -> tuple[float, float]:
    """Return the seconds of a step, the mean over the run, and of the very first one."""
    state, rate = parts.state, LearningRate(plan.recipe.schedule, plan.timeline)
    program = step_program(plan.spec, parts.batches, rate, state, parts.step_function)
    workers = count_workers(plan.workers, plan.device) if plan.reads_files else 0
    mean, first, before = 0.0, 0.0, 0.0
    shares = plan.training_sizes.values()
    for share in shares:
        if len(shares) > 1:
            state.step = int((before + share / 2) * plan.timeline.num_steps)
        before += share
        began = _timed(plan, program)
        first = first or began
        # what was read ahead while the first step was compiled is no measure of reading
        for _ in range(_WARM + workers * PREFETCHED if began < _TELLING_SECONDS else workers):
            _timed(plan, program)
        mean += share * _mean(lambda: _timed(plan, program), seconds * share)
    return mean, first


def _timed(plan: RunPlan, program: StepProgram) -> float:
    """Return the seconds of a step, of as many as are asked for at once."""
    synchronise(plan.device)
    started = time.perf_counter()
    program.run(program.longest)
    synchronise(plan.device)
    return (time.perf_counter() - started) / program.longest


def _mean(timed: Callable[[], float], seconds: float) -> float:
    """Return the mean of calls, of so many seconds of them or a few."""
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < _FEWEST or time.perf_counter() - began < seconds:
        times.append(timed())
    return sum(times) / len(times)


def _evaluation(model: nn.Module, watched: EvaluationSet, plan: RunPlan) -> float:
    """Return the seconds of an evaluation, by one or two of its batches."""
    one = replace(watched, size=min(watched.size, watched.batch))

    def timed() -> float:
        started = time.perf_counter()
        score(model, one, num_classes=plan.spec.classes, device=plan.device)
        synchronise(plan.device)
        return time.perf_counter() - started

    took = timed()
    took = took if took > _TELLING_SECONDS else timed()
    return took * watched.size / one.size
