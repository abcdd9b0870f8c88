"""The ways to make a study: a new one, the rest of an interrupted one, whichever of these is due."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from resnetlab.base.paths import as_word
from resnetlab.data.batches.loader import count_workers
from resnetlab.data.open import reopen_source
from resnetlab.data.sources.choices import LEFT_OPEN, Choices
from resnetlab.data.sources.encoded import AnySource
from resnetlab.data.sources.leftovers import refuse_within
from resnetlab.errors import DataError, Interrupted, UsageError
from resnetlab.parallel.world import ALONE, World
from resnetlab.runs.directory import RunDirectory, is_run
from resnetlab.runs.records import RunRecords, read_records
from resnetlab.training.observer import Interrupt, Observer
from resnetlab.training.planning import RunPlan, plan_from_records, plan_of, refuse_differing
from resnetlab.training.recorded.capturing import is_small_step
from resnetlab.training.run import Result, begin_plan, read_result, resume_plan
from resnetlab.training.step.device import leaving_as_found, pick_device
from resnetlab.training.studies.observer import AsideOfStudy, StudyObserver
from resnetlab.training.studies.rows import (
    RowRecord,
    Sources,
    claim_study,
    is_study,
    read_rows_of,
    refuse_no_study,
    refuse_other_rows,
)
from resnetlab.training.studies.sharing import begin_study, finds_study, held_row, open_study
from resnetlab.training.studies.together import Crew, Work

_AT_ONCE_ON_CUDA = 8
"""Runs of small networks at once on a GPU if nothing else is asked for. An estimate; not yet measured."""

_MOST_ON_CUDA = 16
"""Each has two streams, and torch has 32."""


def train_study(
    rows: Mapping[str, RunPlan],
    out: Path,
    observer: StudyObserver,
    *,
    at_once: int = 0,
    world: World = ALONE,
) -> dict[str, Result]:
    """Make the planned runs in the new directory `out` and return how each ended, by name.

    Other processes may take part by `resume_study` or `train_or_resume_study`: each run is made once, by
    whoever takes it first. Runs that others still make when nothing else is left are not returned.

    Args:
        rows: The plans by name, as `plan_rows` returns them, all on one device.
        out: The study's directory, new or empty.
        observer: Who watches.
        at_once: Runs at once; 0 takes one on a CPU, and on a GPU several of small networks.
        world: The processes that make each of the runs together, one run after another.

    Raises:
        UsageError: If `out` holds anything already, or would become a part of the data.
        Interrupted: If a signal came: all is saved, and `resume_study` goes on.
        ResnetlabError: If runs failed, when the others have ended.
    """
    _refuse(rows, out, at_once, world)
    world.from_first(lambda: claim_study(out, rows).release())
    return _share(out, rows, partial(_asked_or_begun, rows, out, world), observer, at_once, world)


def is_study_begun_at(
    out: Path,
    rows: Mapping[str, RunPlan],
    world: World = ALONE,
    *,
    at_once: int = 0,
    resume_if_begun: bool = False,
    grows: bool = False,
    by_minutes: bool = False,
) -> bool:
    """Return whether the planned runs were begun at `out`, and refuse a study that can be neither.

    Changes nothing, so that it can be asked before anything is measured.

    Args:
        out: Where.
        rows: The plans by name.
        world: As `train_study`.
        at_once: As `train_study`.
        resume_if_begun: Whether they may have been begun there.
        grows: As `train_or_resume_study`.
        by_minutes: Whether their lengths are yet to be measured.

    Raises:
        UsageError, LockedError, WriteError: As `train_study` or `train_or_resume_study`.
    """
    _refuse(rows, out, at_once, world, by_minutes=by_minutes)

    def look() -> bool:
        if not resume_if_begun:
            refuse_no_study(out)
            return False
        if found := finds_study(out):
            refuse_other_rows(out, read_rows_of(out), rows, grows=grows)
        return found

    return world.from_first(look)


def _refuse(
    rows: Mapping[str, RunPlan], out: Path, at_once: int, world: World, *, by_minutes: bool = False
) -> None:
    """Refuse a study that cannot be: too much at once, processes that differ, within its own data."""
    choose_at_once(rows.values(), at_once, world.size, by_minutes=by_minutes)
    for plan in rows.values():
        refuse_differing(plan, world)

    def refuse_place() -> None:
        for plan in rows.values():
            refuse_within(plan.source.folders, out)

    world.from_first(refuse_place)


def resume_study(
    path: Path,
    observer: StudyObserver,
    *,
    data: str | None = None,
    device: str = "auto",
    workers: int = -1,
    at_once: int = 0,
    choices: Choices = LEFT_OPEN,
    world: World = ALONE,
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
        world: As `train_study`.

    Raises:
        UsageError: If there is none.
        DataError: If its data is gone or changed.
        Interrupted, ResnetlabError: As `train_study`.
    """

    def opened() -> list[RowRecord]:
        if not is_study(path):
            raise UsageError(f"no study at {path}", hint="A run is gone on with by `resnetlab resume RUN`.")
        return open_study(path)

    records = {record.name: record for record in world.from_first(opened)}
    sources = Sources(lambda recorded: reopen_source(recorded, data, choices))

    def plan(name: str) -> RunPlan:
        begun = _records_of(path / name, world)

        def planned() -> RunPlan:
            source = sources.of(records[name].data)
            return _recorded(records[name], path / name, begun, source, pick_device(device), workers)

        return world.together(planned)

    return _share(path, records, plan, observer, at_once, world)


def train_or_resume_study(
    rows: Mapping[str, RunPlan],
    out: Path,
    observer: StudyObserver,
    *,
    at_once: int = 0,
    grows: bool = False,
    world: World = ALONE,
) -> dict[str, Result]:
    """Make the planned runs at `out`, or what is left of them if they were begun there.

    Several processes may do so at the same time; see `train_study`.

    Args:
        rows: As `train_study`.
        out: The study's directory.
        observer: As `train_study`.
        at_once: As `train_study`.
        grows: Whether the study may have other runs too, which are not made here, and gets those of the
            planned ones that it lacks.
        world: As `train_study`.

    Raises:
        UsageError: If `out` holds anything but this study, with what differs.
        LockedError: If another process that shares no studies is using it.
        DataError, Interrupted, ResnetlabError: As `resume_study`.
    """
    _refuse(rows, out, at_once, world)
    if world.from_first(lambda: begin_study(out, rows)):
        return _share(out, rows, partial(_asked_or_begun, rows, out, world), observer, at_once, world)
    found = world.from_first(lambda: open_study(out, rows, grows=grows))
    records = {record.name: record for record in found if record.name in rows}

    def plan(name: str) -> RunPlan:
        asked, begun = rows[name], _records_of(out / name, world)
        return _recorded(records[name], out / name, begun, asked.source, asked.device, asked.workers)

    return _share(out, records, plan, observer, at_once, world)


def _share(
    path: Path,
    names: Iterable[str],
    plan: Callable[[str], RunPlan],
    observer: StudyObserver,
    at_once: int,
    world: World,
) -> dict[str, Result]:
    """Make the runs that are not finished and that no other process makes; return how the finished ended."""
    plans, done, names = {}, dict[str, Result](), list(names)
    observer = observer if world.is_first else AsideOfStudy(observer)
    for name in names:
        if ended := _end_of(RunDirectory(path / name), world):
            done[name] = ended
        else:
            plans[name] = plan(name)
    for name, result in done.items():
        observer.ended(name, result)
    if plans:
        at_once = choose_at_once(plans.values(), at_once, world.size)
        work: dict[str, Work] = {
            name: partial(_make_row, RunDirectory(path / name), each, partial(plan, name), world)
            for name, each in share_workers(plans, at_once).items()
        }
        done |= _make(work, plans, path, observer, at_once, world)
    return {name: done[name] for name in names if name in done}


def _end_of(run: RunDirectory, world: World) -> Result | None:
    return world.from_first(lambda: read_result(run) if run.is_finished else None)


def _records_of(path: Path, world: World) -> RunRecords | None:
    """Return what is recorded of the run in a directory, if one was begun there."""

    def read() -> RunRecords | None:
        with _saying_what_to_do(path):
            return read_records(RunDirectory(path)) if is_run(path) else None

    return world.from_first(read)


@contextlib.contextmanager
def _saying_what_to_do(path: Path) -> Iterator[None]:
    """Say of a run that cannot be gone on with how the study can."""
    try:
        yield
    except DataError as error:
        error.hint = error.hint or f"Move {as_word(path)} away to have that run made anew."
        raise


def _asked_or_begun(rows: Mapping[str, RunPlan], out: Path, world: World, name: str) -> RunPlan:
    """Return the plan of a run that was asked for, or as it was begun."""
    asked, begun = rows[name], _records_of(out / name, world)
    return plan_of(begun, asked.source, asked.device, asked.workers) if begun else asked


def _recorded(
    record: RowRecord,
    path: Path,
    begun: RunRecords | None,
    source: AnySource,
    device: torch.device,
    workers: int,
) -> RunPlan:
    """Return the plan of a run as it was begun, or as study.json has it."""
    if begun:
        with _saying_what_to_do(path):
            return plan_of(begun, source, device, workers)
    described = record.spec, record.recipe, record.data
    return plan_from_records(path, *described, source, device, workers)


def _make_row(
    run: RunDirectory,
    planned: RunPlan,
    plan_again: Callable[[], RunPlan],
    world: World,
    observer: Observer,
    interrupt: Interrupt,
) -> Result:
    """Begin a run or go on with it; what other processes did since it was planned is looked at anew."""
    refuse_differing(planned, world)
    with held_row(run, planned.source.folders, world) as run:
        if ended := _end_of(run, world):
            return ended
        if not world.from_first(lambda: is_run(run.path)):
            return begin_plan(planned, run, observer, interrupt=interrupt, world=world)
        plan = replace(plan_again(), workers=planned.workers)
        return resume_plan(plan, run, observer, interrupt=interrupt, world=world)


@leaving_as_found()
def _make(
    work: Mapping[str, Work],
    plans: Mapping[str, RunPlan],
    out: Path,
    observer: StudyObserver,
    at_once: int,
    world: World,
) -> dict[str, Result]:
    observer.begin({name: plan.timeline.num_steps for name, plan in plans.items()}, at_once=at_once)
    device = next(iter(plans.values())).device
    try:
        return Crew(work, observer, device, at_once=at_once, world=world).make_all()
    except Interrupted as error:
        error.hint = f"Go on with: resnetlab resume {as_word(out)}"
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


def choose_at_once(
    plans: Collection[RunPlan], wanted: int, devices: int = 1, *, by_minutes: bool = False
) -> int:
    """Return how many of these runs are made at once: one, if several devices make each of them together.

    Args:
        plans: The runs.
        wanted: How many are asked for; 0 leaves it open.
        devices: That make each of them.
        by_minutes: Whether their lengths are yet to be measured.

    Raises:
        UsageError: If the wish cannot be met.
    """
    if wanted < 0:
        raise UsageError(f"at least one run is made at once, got {wanted}", hint="0 chooses by the device.")
    if devices > 1:
        if wanted > 1:
            raise UsageError(
                f"each run is made by all {devices} devices, so one at once, not {wanted}",
                hint="Leave out --at-once; or start a process for each device, all with the same --out.",
            )
        return 1
    if by_minutes or any(plan.said() for plan in plans):
        if wanted > 1:
            raise UsageError(
                f"minutes are of runs one after another, and {wanted} at once were asked for",
                hint="Leave out --at-once.",
            )
        return 1
    on_cuda = next(iter(plans)).device.type == "cuda"
    if on_cuda and wanted > _MOST_ON_CUDA:
        raise UsageError(f"on a GPU at most {_MOST_ON_CUDA} runs are made at once, got {wanted}")
    is_small = all(
        plan.recipe.execution.capture == "on" and is_small_step(plan.step_operations) for plan in plans
    )
    return wanted or (_AT_ONCE_ON_CUDA if is_small and on_cuda else 1)
