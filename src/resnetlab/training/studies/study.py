"""The ways to make a study: a new one, the rest of an interrupted one, whichever of these is due."""

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from resnetlab.data.batches.loader import count_workers
from resnetlab.data.open import reopen_source
from resnetlab.data.sources.choices import LEFT_OPEN, Choices
from resnetlab.data.sources.encoded import AnySource
from resnetlab.data.sources.leftovers import refuse_within
from resnetlab.errors import DataError, Interrupted, UsageError
from resnetlab.runs.directory import RunDirectory, is_run, lock_run
from resnetlab.training.observer import Interrupt, Observer
from resnetlab.training.planning import RunPlan, plan_from_records, plan_of
from resnetlab.training.recorded.capturing import is_small_step
from resnetlab.training.run import Result, read_result, resume_plan, train_plan
from resnetlab.training.step.device import leaving_as_found, pick_device
from resnetlab.training.studies.observer import StudyObserver
from resnetlab.training.studies.rows import (
    RowRecord,
    Sources,
    claim_study,
    is_study,
    read_rows_of,
    refuse_other_rows,
)
from resnetlab.training.studies.together import Crew, Work

_AT_ONCE_ON_CUDA = 8
"""Runs of small networks at once on a GPU if nothing else is asked for. An estimate; not yet measured."""

_MOST_ON_CUDA = 16
"""Each has two streams, and torch has 32."""


def train_study(
    rows: Mapping[str, RunPlan], out: Path, observer: StudyObserver, *, at_once: int = 0
) -> dict[str, Result]:
    """Make the planned runs in the new directory `out` and return how each ended, by name.

    Args:
        rows: The plans by name, as `plan_rows` returns them, all on one device.
        out: The study's directory, new or empty.
        observer: Who watches.
        at_once: Runs at once; 0 takes one on a CPU, and on a GPU several of small networks.

    Raises:
        UsageError: If `out` holds anything already, or would become a part of the data.
        Interrupted: If a signal came: all is saved, and `resume_study` goes on.
        ResnetlabError: If runs failed, when the others have ended.
    """
    at_once = choose_at_once(rows.values(), at_once)
    for plan in rows.values():
        refuse_within(plan.source.folders, out)
    shared = share_workers(rows, at_once)
    work: dict[str, Work] = {name: partial(_begin, plan, out / name) for name, plan in shared.items()}
    with claim_study(out, rows):
        return _make(work, rows, out, observer, at_once)


def resume_study(
    path: Path,
    observer: StudyObserver,
    *,
    data: str | None = None,
    device: str = "auto",
    workers: int = -1,
    at_once: int = 0,
    choices: Choices = LEFT_OPEN,
) -> dict[str, Result]:
    """Make what is left of the study at `path`: finished runs stay, begun ones go on, others begin.

    Args:
        path: The study's directory.
        observer: Who watches.
        data: Where its data lies now, if not where it was.
        device: auto, cpu, cuda or mps.
        workers: Processes that read image files, -1 for as many as suit the machine.
        at_once: As `train_study`.
        choices: What to read differently than the study recorded.

    Raises:
        UsageError: If there is none.
        DataError: If its data is gone or changed.
        Interrupted, ResnetlabError: As `train_study`.
    """
    if not is_study(path):
        raise UsageError(f"no study at {path}", hint="A run is gone on with by `resnetlab resume RUN`.")
    with lock_run(path) as lock:
        RunDirectory(path, lock).remove_leftovers()
        sources = Sources(lambda recorded: reopen_source(recorded, data, choices))

        def plan(record: RowRecord, run: RunDirectory) -> RunPlan:
            return _plan_again(record, run, sources.of(record.data), pick_device(device), workers)

        return _make_the_rest(path, read_rows_of(path), plan, observer, at_once)


def train_or_resume_study(
    rows: Mapping[str, RunPlan], out: Path, observer: StudyObserver, *, at_once: int = 0
) -> dict[str, Result]:
    """Make the planned runs at `out`, or what is left of them if they were begun there.

    Raises:
        UsageError: If `out` holds anything but this study, with what differs.
        LockedError: If another process is using it.
        DataError, Interrupted, ResnetlabError: As `resume_study`.
    """
    if not is_study(out):
        return train_study(rows, out, observer, at_once=at_once)
    with lock_run(out) as lock:
        records = read_rows_of(out)
        refuse_other_rows(out, records, rows)
        RunDirectory(out, lock).remove_leftovers()

        def plan(record: RowRecord, run: RunDirectory) -> RunPlan:
            asked = rows[record.name]
            return _plan_again(record, run, asked.source, asked.device, asked.workers)

        return _make_the_rest(out, records, plan, observer, at_once)


def _make_the_rest(
    path: Path,
    records: Sequence[RowRecord],
    plan: Callable[[RowRecord, RunDirectory], RunPlan],
    observer: StudyObserver,
    at_once: int,
) -> dict[str, Result]:
    """Make the runs that are not finished; return how all ended."""
    plans, done = {}, dict[str, Result]()
    for record in records:
        run = RunDirectory(path / record.name)
        if run.is_finished:
            done[record.name] = read_result(run)
        else:
            plans[record.name] = plan(record, run)
    for name, result in done.items():
        observer.ended(name, result)
    if plans:
        at_once = choose_at_once(plans.values(), at_once)
        shared = share_workers(plans, at_once)
        work: dict[str, Work] = {
            name: partial(_go_on, plan, RunDirectory(path / name)) for name, plan in shared.items()
        }
        done |= _make(work, plans, path, observer, at_once)
    return {record.name: done[record.name] for record in records}


def _plan_again(
    record: RowRecord, run: RunDirectory, source: AnySource, device: torch.device, workers: int
) -> RunPlan:
    if is_run(run.path):
        try:
            return plan_of(run, source, device, workers)
        except DataError as error:
            error.hint = error.hint or f"Move {shlex.quote(str(run.path))} away to have that run made anew."
            raise
    described = record.spec, record.recipe, record.data
    return plan_from_records(run.path, *described, source, device, workers)


def _begin(plan: RunPlan, out: Path, observer: Observer, interrupt: Interrupt) -> Result:
    return train_plan(plan, out, observer, interrupt=interrupt)


def _go_on(plan: RunPlan, run: RunDirectory, observer: Observer, interrupt: Interrupt) -> Result:
    if not is_run(run.path):
        return _begin(plan, run.path, observer, interrupt)
    with lock_run(run.path) as lock:
        return resume_plan(plan, replace(run, lock=lock), observer, interrupt=interrupt)


@leaving_as_found()
def _make(
    work: Mapping[str, Work], plans: Mapping[str, RunPlan], out: Path, observer: StudyObserver, at_once: int
) -> dict[str, Result]:
    observer.begin({name: plan.timeline.num_steps for name, plan in plans.items()}, at_once=at_once)
    device = next(iter(plans.values())).device
    try:
        return Crew(work, observer, device, at_once=at_once).make_all()
    except Interrupted as error:
        error.hint = f"Go on with: resnetlab resume {shlex.quote(str(out))}"
        raise


def share_workers(plans: Mapping[str, RunPlan], at_once: int) -> dict[str, RunPlan]:
    """Return the plans, those of at most `at_once` runs sharing the processes that read images.

    A number that was asked for is one run's own. Whoever read the images, they are the same.
    """
    shares = min(at_once, len(plans))

    def shared(plan: RunPlan) -> RunPlan:
        count = count_workers(plan.workers, plan.device)
        if plan.workers >= 0 or shares < 2 or not count:
            return plan
        return replace(plan, workers=max(1, count // shares))

    return {name: shared(plan) for name, plan in plans.items()}


def choose_at_once(plans: Collection[RunPlan], wanted: int) -> int:
    """Return how many of these runs are made at once.

    Raises:
        UsageError: If the wish cannot be met.
    """
    if wanted < 0:
        raise UsageError(f"at least one run is made at once, got {wanted}", hint="0 chooses by the device.")
    on_cuda = next(iter(plans)).device.type == "cuda"
    if on_cuda and wanted > _MOST_ON_CUDA:
        raise UsageError(f"on a GPU at most {_MOST_ON_CUDA} runs are made at once, got {wanted}")
    is_small = all(
        plan.recipe.execution.capture == "on" and is_small_step(plan.step_operations) for plan in plans
    )
    return wanted or (_AT_ONCE_ON_CUDA if is_small and on_cuda else 1)
