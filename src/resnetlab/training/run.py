"""The ways to train: a new run, the rest of one, whichever of these is due, a longer one from another."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from resnetlab.base import files
from resnetlab.base.machine.memory import telling_of_memory
from resnetlab.base.machine.signals import Terminated
from resnetlab.base.paths import as_word
from resnetlab.base.units import Duration
from resnetlab.data.open import reopen_source
from resnetlab.data.sources.choices import LEFT_OPEN, Choices
from resnetlab.data.sources.encoded import AnySource
from resnetlab.data.sources.leftovers import refuse_within
from resnetlab.errors import DataError, Interrupted, ResnetlabError, UsageError
from resnetlab.parallel.world import ALONE, World
from resnetlab.recipe.settings import recipe_from_json
from resnetlab.reporting.at_the_end import leaving_a_page
from resnetlab.reporting.growing import GrowingRows
from resnetlab.runs.checkpoint import Checkpoint
from resnetlab.runs.directory import (
    CONTINUES,
    RunDirectory,
    claim_new,
    elsewhere,
    is_run,
    lock_run,
    not_taken,
    open_run,
    refuse_taken,
)
from resnetlab.runs.journal import Journal
from resnetlab.runs.records import RunRecords, read_records
from resnetlab.training.ending.result import Result, read_result, result_of
from resnetlab.training.ending.sampling import leave_samples
from resnetlab.training.facts import describe_plan
from resnetlab.training.first_weights import beginning_difference
from resnetlab.training.longer import longer_out, newest_checkpoint, plan_longer, write_longer
from resnetlab.training.observer import Interrupt, Observer, as_seen_by
from resnetlab.training.planning import (
    RunPlan,
    differences_from_records,
    plan_of,
    refuse_differing,
    share_workers_here,
)
from resnetlab.training.session import LESS_MEMORY, resume, start
from resnetlab.training.step.device import leaving_as_found, pick_device
from resnetlab.training.timing.in_a_run import leaving_a_profile
from resnetlab.training.trainer import Trainer


def train_plan(
    plan: RunPlan,
    out: Path,
    observer: Observer,
    *,
    interrupt: Interrupt | None = None,
    world: World = ALONE,
) -> Result:
    """Train what is planned in the new directory `out`.

    Args:
        plan: What.
        out: The run's directory.
        observer: Who watches.
        interrupt: Who hears signals, if the run shares it with others.
        world: The processes that make the run together, all of which call this with the same plan. Only the
            first needs to see `out`; all return the result.

    Raises:
        UsageError: If `out` holds anything already, or would become a part of the data; or if the processes
            differ in what they are to train, or do not divide its shards.
        LockedError: If another process is using it.
        Interrupted, DivergedError, OutOfMemory, WriteError: As training ends before its end.
    """
    refuse_differing(plan, world)

    def claim() -> files.DirectoryLock:
        refuse_within(plan.source.folders, out)
        return claim_new(out)

    with held(claim, world) as lock:
        return begin_plan(plan, RunDirectory(out, lock), observer, interrupt=interrupt, world=world)


def is_begun_at(out: Path, plan: RunPlan, world: World = ALONE, *, resume_if_begun: bool = False) -> bool:
    """Return whether what is planned was begun at `out`, and refuse a place where it can be neither.

    Changes nothing, so that it can be asked before anything is measured.

    Args:
        out: Where.
        plan: What.
        world: The processes that are to make it together.
        resume_if_begun: Whether it may have been begun there.

    Raises:
        UsageError, LockedError, WriteError: As `train_plan` or `train_or_resume`.
    """
    refuse_differing(plan, world)

    def look() -> bool:
        if resume_if_begun and is_run(out):
            refuse_another(read_records(RunDirectory(out)), plan)
            return True
        refuse_within(plan.source.folders, out)
        refuse_taken(out)
        return False

    return world.from_first(look)


@contextlib.contextmanager
def held(take: Callable[[], files.DirectoryLock], world: World) -> Iterator[files.DirectoryLock | None]:
    """Hold a lock inside, which the first process takes; to the others it is None, and its error theirs."""
    locks: list[files.DirectoryLock] = []
    world.from_first(lambda: locks.append(take()))
    with contextlib.ExitStack() as stack:
        yield stack.enter_context(locks[0]) if locks else None


@leaving_as_found()
def begin_plan(
    plan: RunPlan,
    run: RunDirectory,
    observer: Observer,
    *,
    interrupt: Interrupt | None = None,
    world: World = ALONE,
) -> Result:
    """Train what is planned in a new directory, whose lock the caller holds; see `train_plan`."""
    return _train_from(
        lambda plan, observer: start(plan, run, observer, world), plan, run, observer, interrupt, world
    )


@leaving_as_found()
def resume_run(
    path: Path,
    observer: Observer,
    *,
    length: Duration | None = None,
    out: Path | None = None,
    data: str | None = None,
    device: str = "auto",
    workers: int = -1,
    choices: Choices = LEFT_OPEN,
    world: World = ALONE,
) -> Result:
    """Go on with the run at `path` from its newest checkpoint: to its end, or to another one in a new run.

    Args:
        path: The run's directory.
        observer: Who watches.
        length: Of the whole, the steps that are made already included, if it is not to be the run's own. The
            run, finished or not, stays as it is, and a new one goes on from it; see `longer`.
        out: That one's directory, new or empty; None is beside the other: RUN-30ep.
        data: Where the run's data lies now, if not where it was.
        device: auto, cpu, cuda or mps.
        workers: Processes that read image files, -1 for as many as suit the machine.
        choices: What to read differently than the run recorded.
        world: As `train_plan`; they may be another number than before.

    Raises:
        UsageError: If there is no run at `path`, it is that long already, or `out` holds anything already or
            is given without a length; or as `train_plan`.
        DataError: If its data is gone or changed.
        CheckpointError: If no checkpoint can be used.
        LockedError: If another process is using one of the two.
    """
    if out is not None and length is None:
        raise UsageError("out is of a run that trains for longer", hint="Give its epochs or steps too.")
    run = world.from_first(lambda: open_run(path))

    def reopened(records: RunRecords) -> AnySource:
        return reopen_source(records.read("data"), data, choices)

    if length is not None:

        def longer(records: RunRecords, step: int) -> RunPlan:
            source = reopened(records)
            return plan_longer(records, step, length, source, data, pick_device(device), workers)

        return _train_longer(run, longer, out or longer_out(run, length), observer, world)
    with held(lambda: lock_run(path), world) as lock:
        run = replace(run, lock=lock)
        records = world.from_first(lambda: read_records(run))
        if not records.is_finished:
            plan = world.together(lambda: plan_of(records, reopened(records), pick_device(device), workers))
            return resume_plan(plan, run, observer, world=world)
    return _as_it_ended(run, observer, world)


def _train_longer(
    run: RunDirectory,
    plan_from: Callable[[RunRecords, int], RunPlan],
    out: Path,
    observer: Observer,
    world: World,
) -> Result:
    """Go on from a run's newest checkpoint in a new run, planned from its records and that one's step."""
    newest: list[Checkpoint] = []  # of the first process

    def look() -> tuple[RunRecords, int]:
        files.refuse_locked(run.path)
        newest.append(newest_checkpoint(run))
        return read_records(run), newest[0].step

    records, step = world.from_first(look)
    plan = world.together(lambda: plan_from(records, step))
    refuse_differing(plan, world, is_begun=True)
    with held(lambda: claim_new(out), world) as lock:
        new = RunDirectory(out, lock)
        world.from_first(lambda: write_longer(run, newest[0], plan, new))
        return resume_plan(plan, new, observer, world=world)


def train_or_resume(plan: RunPlan, out: Path, observer: Observer, *, world: World = ALONE) -> Result:
    """Train what is planned at `out`: go on with it if it was begun there, and return its end if it has one.

    So a job that is started again and again, whatever ended it, ends with the run that it was to make.

    Args:
        plan: What.
        out: The run's directory, which may not be there.
        observer: Who watches.
        world: As `train_plan`.

    Raises:
        UsageError: If `out` holds anything but this run, with what differs; or as `train_plan`.
        CheckpointError: If it was begun, and no checkpoint can be used.
        LockedError: If another process is using it.
        Interrupted, DivergedError, OutOfMemory, WriteError: As training ends before its end.
    """
    if not world.from_first(lambda: is_run(out)):
        return train_plan(plan, out, observer, world=world)
    with held(lambda: lock_run(out), world) as lock:
        run = RunDirectory(out, lock)
        records = world.from_first(lambda: read_records(run))
        world.together(lambda: refuse_another(records, plan))
        if not records.is_finished:
            again = plan_of(records, plan.source, plan.device, plan.workers)
            again = replace(again, profile_steps=plan.profile_steps, threads=plan.threads)
            return resume_plan(again, run, observer, world=world)
    return _as_it_ended(run, observer, world)


def refuse_another(run: RunRecords, plan: RunPlan) -> None:
    """Refuse a run that is not what is planned.

    Raises:
        UsageError: If it is another one, with every difference.
    """
    records = run.read("spec"), run.read("recipe"), run.read("data")
    told = differences_from_records(plan, *records, "the run")
    told.append(beginning_difference(run, plan.beginning))
    if run.continues:
        told.append(f"The run goes on from another one: {run.read(CONTINUES).get('text')}.")
    if told := [text for text in told if text]:
        raise UsageError(
            f"{run.path} holds another run than is asked for.\n" + "\n".join(told),
            hint=f"`resnetlab resume {as_word(run.path)}` goes on with that one; " + elsewhere(run.path),
        )


def _as_it_ended(run: RunDirectory, observer: Observer, world: World) -> Result:
    """Say that a run is finished, and return how it ended."""
    whole = recipe_from_json(world.from_first(lambda: run.read("recipe"))).run.length
    as_seen_by(observer, world).note(
        f"{run.path} is finished after {whole}; there is nothing to resume. To train on from it, for N "
        f"epochs in all, in a new run: resnetlab resume {as_word(run.path)} --epochs N"
    )
    result = world.from_first(lambda: read_result(run))
    world.note_finished(is_finished=True)
    return result


@leaving_as_found()
def resume_plan(
    plan: RunPlan,
    run: RunDirectory,
    observer: Observer,
    *,
    interrupt: Interrupt | None = None,
    world: World = ALONE,
) -> Result:
    """Go on with an unfinished run, whose lock the caller holds, to its end; see `train_plan`."""
    return _train_from(
        lambda plan, observer: resume(run, plan, observer, world), plan, run, observer, interrupt, world
    )


def _train_from(
    begin: Callable[[RunPlan, Observer], Trainer],
    plan: RunPlan,
    run: RunDirectory,
    observer: Observer,
    interrupt: Interrupt | None,
    world: World,
) -> Result:
    """Train to the end with the trainer that `begin` makes, heeding signals from the first moment on."""
    plan, observer = share_workers_here(plan, world), as_seen_by(observer, world)
    interrupt = interrupt or Interrupt()
    with contextlib.ExitStack() as hearing:
        with telling_of_memory(LESS_MEMORY), _leaving_before_the_first_step(run, interrupt, world):
            trainer = begin(plan, observer)
            trainer.interrupt = hearing.enter_context(interrupt)
        return _train_to_the_end(trainer, plan)


@contextlib.contextmanager
def _leaving_before_the_first_step(run: RunDirectory, interrupt: Interrupt, world: World) -> Iterator[None]:
    """Say how to go on with a run that a signal ends inside, where nothing is made that could be lost."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if interrupt.is_requested or not is_run(run.path):  # a second one; or nothing has begun
            raise
        if world.is_first:
            _note_interruption(run, stop.number if isinstance(stop, Terminated) else signal.SIGINT)
        raise Interrupted(
            "stopped by a signal before the first step; nothing is lost",
            hint=f"Go on with: resnetlab resume {as_word(run.path)}",
        ) from stop


def _note_interruption(run: RunDirectory, number: int) -> None:
    with contextlib.suppress(ResnetlabError), contextlib.closing(Journal(run.events)) as events:
        name = signal.Signals(number).name
        events.add({"time": time.time(), "event": "interrupted", "signal": name})


def _train_to_the_end(trainer: Trainer, plan: RunPlan) -> Result:
    state, record, world = trainer.state, trainer.record, trainer.world
    world.note_finished(is_finished=False)  # one before it in the same process may have been
    facts = describe_plan(plan, world.size) | {"run": str(record.path)}
    trainer.observer.begin(facts, step=state.step, num_steps=trainer.timeline.num_steps)
    if state.step and world.is_first:
        with contextlib.suppress(DataError):  # what was before is for the eye alone
            trainer.observer.past(GrowingRows(RunDirectory(record.path).metrics).read())
    is_page_due = plan.recipe.run.report and world.is_first
    page = leaving_a_page(record.path, trainer.observer.note) if is_page_due else contextlib.nullcontext()
    with page, leaving_a_profile(trainer, plan):
        if is_page_due:
            leave_samples(record.path, plan.source, trainer.observer.note)
        return _trained(trainer, plan)


def _trained(trainer: Trainer, plan: RunPlan) -> Result:
    """Train to the end, and write down how that was, good or bad."""
    state, record, world = trainer.state, trainer.record, trainer.world
    try:
        with telling_of_memory(LESS_MEMORY):
            trainer.train()
            result = result_of(trainer, plan)
            world.from_first(lambda: record.finish(asdict(result)))  # a signal now comes too late to leave
            world.note_finished(is_finished=True)
    except Exception as error:
        with contextlib.suppress(ResnetlabError):  # the disk may be full; the first error counts
            record.add_event("stopped", step=state.step, error=str(error) or repr(error))
        trainer.observer.stopped(error)
        raise
    finally:
        with contextlib.suppress(ResnetlabError):
            trainer.close()
    trainer.observer.ended(asdict(result))  # whoever watches may fail: the run has ended all the same
    return result


def default_out(plan: RunPlan, parent: Path = Path("runs")) -> Path:
    """Return a name for a new run that is not taken: runs/MODEL-DATA-RECIPE-DATE-TIME."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return not_taken(parent / f"{plan.spec.name}-{plan.source.name}-{plan.recipe.name}-{stamp}")


__all__ = ["Result", "RunPlan", "default_out", "read_result", "resume_run", "train_or_resume", "train_plan"]
