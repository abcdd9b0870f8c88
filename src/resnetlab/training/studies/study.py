"""The ways to make a study: a new one, the rest of an interrupted one, whichever of these is due."""

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping
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
from resnetlab.runs.directory import RunDirectory, is_run
from resnetlab.runs.records import read_records
from resnetlab.training.observer import Interrupt, Observer
from resnetlab.training.planning import RunPlan, plan_from_records, plan_of
from resnetlab.training.recorded.capturing import is_small_step
from resnetlab.training.run import Result, begin_plan, read_result, resume_plan
from resnetlab.training.step.device import leaving_as_found, pick_device
from resnetlab.training.studies.observer import StudyObserver
from resnetlab.training.studies.rows import RowRecord, Sources, claim_study, is_study
from resnetlab.training.studies.sharing import begin_study, claim_row, open_study
from resnetlab.training.studies.together import Crew, Work

_AT_ONCE_ON_CUDA = 8
"""Runs of small networks at once on a GPU if nothing else is asked for. An estimate; not yet measured."""

_MOST_ON_CUDA = 16
"""Each has two streams, and torch has 32."""


def train_study(
    rows: Mapping[str, RunPlan], out: Path, observer: StudyObserver, *, at_once: int = 0
) -> dict[str, Result]:
    """Make the planned runs in the new directory `out` and return how each ended, by name.

    Other processes may take part by `resume_study` or `train_or_resume_study`: each run is made once, by
    whoever takes it first. Runs that others still make when nothing else is left are not returned.

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
    choose_at_once(rows.values(), at_once)
    for plan in rows.values():
        refuse_within(plan.source.folders, out)
    claim_study(out, rows).release()
    return _share(out, rows, partial(_asked_or_begun, rows, out), observer, at_once)


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

    Several processes may do so at the same time; see `train_study`.

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
    records = {record.name: record for record in open_study(path)}
    sources = Sources(lambda recorded: reopen_source(recorded, data, choices))

    def plan(name: str) -> RunPlan:
        source = sources.of(records[name].data)
        return _recorded(records[name], RunDirectory(path / name), source, pick_device(device), workers)

    return _share(path, records, plan, observer, at_once)


def train_or_resume_study(
    rows: Mapping[str, RunPlan], out: Path, observer: StudyObserver, *, at_once: int = 0
) -> dict[str, Result]:
    """Make the planned runs at `out`, or what is left of them if they were begun there.

    Several processes may do so at the same time; see `train_study`.

    Raises:
        UsageError: If `out` holds anything but this study, with what differs.
        LockedError: If another process that shares no studies is using it.
        DataError, Interrupted, ResnetlabError: As `resume_study`.
    """
    choose_at_once(rows.values(), at_once)
    for each in rows.values():
        refuse_within(each.source.folders, out)
    if begin_study(out, rows):
        return _share(out, rows, partial(_asked_or_begun, rows, out), observer, at_once)
    records = {record.name: record for record in open_study(out, rows)}

    def plan(name: str) -> RunPlan:
        asked = rows[name]
        return _recorded(records[name], RunDirectory(out / name), asked.source, asked.device, asked.workers)

    return _share(out, records, plan, observer, at_once)


def _share(
    path: Path,
    names: Iterable[str],
    plan: Callable[[str], RunPlan],
    observer: StudyObserver,
    at_once: int,
) -> dict[str, Result]:
    """Make the runs that are not finished and that no other process makes; return how the finished ended."""
    plans, done, names = {}, dict[str, Result](), list(names)
    for name in names:
        run = RunDirectory(path / name)
        if run.is_finished:
            done[name] = read_result(run)
        else:
            plans[name] = plan(name)
    for name, result in done.items():
        observer.ended(name, result)
    if plans:
        at_once = choose_at_once(plans.values(), at_once)
        work: dict[str, Work] = {
            name: partial(_make_row, RunDirectory(path / name), each, partial(plan, name))
            for name, each in share_workers(plans, at_once).items()
        }
        done |= _make(work, plans, path, observer, at_once)
    return {name: done[name] for name in names if name in done}


def _asked_or_begun(rows: Mapping[str, RunPlan], out: Path, name: str) -> RunPlan:
    """Return the plan of a run that was asked for, or as it was begun."""
    asked, run = rows[name], RunDirectory(out / name)
    return (
        plan_of(read_records(run), asked.source, asked.device, asked.workers) if is_run(run.path) else asked
    )


def _recorded(
    record: RowRecord, run: RunDirectory, source: AnySource, device: torch.device, workers: int
) -> RunPlan:
    """Return the plan of a run as it was begun, or as study.json has it."""
    if is_run(run.path):
        try:
            return plan_of(read_records(run), source, device, workers)
        except DataError as error:
            error.hint = error.hint or f"Move {shlex.quote(str(run.path))} away to have that run made anew."
            raise
    described = record.spec, record.recipe, record.data
    return plan_from_records(run.path, *described, source, device, workers)


def _make_row(
    run: RunDirectory,
    planned: RunPlan,
    plan_again: Callable[[], RunPlan],
    observer: Observer,
    interrupt: Interrupt,
) -> Result:
    """Begin a run or go on with it; what other processes did since it was planned is looked at anew."""
    if not is_run(run.path):
        refuse_within(planned.source.folders, run.path)
    with claim_row(run.path) as lock:
        run = replace(run, lock=lock)
        if run.is_finished:
            return read_result(run)
        if not is_run(run.path):
            return begin_plan(planned, run, observer, interrupt=interrupt)
        plan = replace(plan_again(), workers=planned.workers)
        return resume_plan(plan, run, observer, interrupt=interrupt)


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
