"""From a plan to a trainer in a new run directory; and from a run directory back to one."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from resnetlab.base import files
from resnetlab.base.machine.memory import telling_of_memory
from resnetlab.base.paths import as_word
from resnetlab.base.plaindata import to_plain
from resnetlab.base.share import Share
from resnetlab.data.batches.batches import Batches
from resnetlab.data.batches.loaded import BadSamples, LoadedBatches, WaitShare
from resnetlab.data.batches.preprocessing import Preprocessing
from resnetlab.data.batches.waiting import Patience
from resnetlab.data.feeding import Reading, fit
from resnetlab.data.sources.encoded import AnySource, AnySplit
from resnetlab.data.sources.source import broken_image
from resnetlab.data.sources.split import hold_out
from resnetlab.errors import CheckpointError, DataError, UsageError
from resnetlab.evaluation.metrics import Tally
from resnetlab.evaluation.scoring import EvaluationSet
from resnetlab.models import build, put_tensors
from resnetlab.network.spec import ModelSpec
from resnetlab.parallel.world import ALONE, World
from resnetlab.recipe import Recipe
from resnetlab.recipe.due import Due
from resnetlab.recipe.schedule import LearningRate
from resnetlab.recipe.settings import recipe_from_json
from resnetlab.runs.checkpoint import Checkpoint, is_own, list_checkpoints, load_newest, set_aside
from resnetlab.runs.directory import BAD_SAMPLE, CONTINUES, RunDirectory, broken_images, processes_before
from resnetlab.runs.edited import as_begun, refuse_edited
from resnetlab.runs.environment import binding_differences, recorded_threads
from resnetlab.runs.journal import refuse_changed
from resnetlab.runs.record import Record, RunRecord
from resnetlab.runs.records import RunRecords, read_records
from resnetlab.training.first_weights import Beginning, read_beginning, write_beginning
from resnetlab.training.observer import Observer
from resnetlab.training.parts import rate_shares, still_norms
from resnetlab.training.planning import RunPlan, environment_of, refuse_differing, source_record
from resnetlab.training.recorded.deciding import why_slow
from resnetlab.training.recorded.programs import step_program
from resnetlab.training.step.averages import Lookahead, WeightAverage
from resnetlab.training.step.device import apply_switches
from resnetlab.training.step.optim import build_optimizer
from resnetlab.training.step.shards import Reduce, alone
from resnetlab.training.step.state import TrainState
from resnetlab.training.step.steps import TrainStep
from resnetlab.training.telling.speed import Speedometer
from resnetlab.training.telling.telling import Telling
from resnetlab.training.trainer import Trainer

LESS_MEMORY = (
    "A new run needs less with --set accumulate=2 (the batch in two parts), "
    "--set checkpoint_activations=true, --set precision=bf16 or a smaller --batch. "
    "What was saved stays: resume goes on where there is more memory."
)


Known = dict[tuple[str, int], str]
"""The broken images that were met, by part and sample."""


def start(plan: RunPlan, run: RunDirectory, observer: Observer, world: World = ALONE) -> Trainer:
    """Write what defines the run into its claimed directory and return a trainer at step 0.

    Of several processes the first writes, and alone needs to see the directory.
    """
    data = world.from_first(lambda: _measure(plan))
    known = world.from_first(lambda: broken_images(run))
    parts = _build_together(plan, data, known, world)  # what cannot be built leaves no run behind
    environment = environment_of(plan)
    world.from_first(lambda: _write_new(run, plan, data, environment, observer))
    trainer = _assemble(run, plan, parts, observer, world)
    budget = {"budget": said} if (said := plan.said()) else {}
    what = {"environment": environment, "dataset": plan.source.name, "steps": plan.steps_text}
    what["begun"] = world.from_first(lambda: as_begun(run))
    facts = what | budget | _processes(world)
    trainer.record.add_event("start", **facts)
    return trainer


def _measure(plan: RunPlan) -> dict[str, Any]:
    """Return the content of data.json: what is trained on, what is held out, how images are prepared."""
    kept, held_out = hold_out(plan.source.train, plan.recipe.run.val, plan.recipe.run.seed)
    training = plan.source.train.take(kept) if len(held_out) else plan.source.train
    try:
        preprocessing = fit(training, plan.recipe, plan.image_shape[2])
    except DataError as error:  # one of the images that are measured, and none may be broken
        if error.hint:
            raise
        raise broken_image(plan.source, str(error.args[0])) from error
    if plan.beginning and plan.beginning.normaliser:
        preprocessing = replace(preprocessing, normaliser=plan.beginning.normaliser)
    return source_record(plan) | {
        "begins_trained": plan.beginning is not None,
        "preprocessing": preprocessing.to_json(),
        "val_indices": held_out.tolist(),
    }


def _write_new(
    run: RunDirectory, plan: RunPlan, data: dict[str, Any], environment: dict[str, Any], observer: Observer
) -> None:
    """Write what defines a run."""
    for problem in run.remove_leftovers():
        observer.note(problem)
    run.write("spec", plan.spec.to_json())
    run.write("data", data)
    run.write("environment", environment)
    write_beginning(run, plan.beginning)
    if run.continues:  # of a process that was killed while it began another run here
        files.remove_file(run.path / f"{CONTINUES}.json")
    run.write("recipe", to_plain(plan.recipe))  # last: its presence makes the directory a run
    files.make_directory(run.checkpoints)


def resume(run: RunDirectory, plan: RunPlan, observer: Observer, world: World = ALONE) -> Trainer:
    """Return a trainer at the newest checkpoint that verifies, its metrics cut back to there.

    The caller, of several processes the first of them, holds the run's lock.

    Raises:
        UsageError: If the processes differ in what they are to train, or do not divide its shards.
        CheckpointError: If there are checkpoints and none can be used.
    """
    records = world.from_first(lambda: read_records(run))
    then = records.read("environment")
    if plan.device.type == "cpu" and (threads := recorded_threads(then)):
        torch.set_num_threads(threads)
        if plan.threads not in (0, threads):
            observer.note(f"The run goes on with {threads} threads, as it was begun, not {plan.threads}.")
    refuse_differing(plan, world, is_begun=True)
    beginning, known = world.from_first(lambda: _look_at(run, observer))
    before = world.from_first(lambda: processes_before(run))
    plan = replace(plan, beginning=beginning)
    now = environment_of(plan)
    parts = _build_together(plan, records.read("data"), known, world)
    newest = world.from_first(lambda: _go_to_newest(run, parts.state, observer))
    if newest and not world.is_first:
        parts.state.load(dict(newest.tensors), dict(newest.state))
    trainer = _assemble(run, plan, parts, observer, world, newest)
    decoders = ("pillow",) if plan.reads_files else ()
    binding = binding_differences(then, now, decoders)
    differing = [*binding, *_switched(records, plan), *_otherwise(plan, before, world)]
    facts = {"environment": now, "differing": differing, **_processes(world)}
    trainer.record.add_event("resume", step=trainer.state.step, **facts)
    if differing:
        told = "; ".join(differing)
        observer.note(f"The run goes on, but perhaps not bit for bit as it would have: {told}.")
    return trainer


def _look_at(run: RunDirectory, observer: Observer) -> tuple[Beginning | None, Known]:
    """Return the weights that a run begins with, if it is there yet, and its known broken images.

    What killed processes left in its directory is removed.
    """
    for journal in (run.metrics, run.events):  # before anything is read through a link
        files.refuse_foreign(journal)
    files.make_directory(run.checkpoints)
    for problem in run.remove_leftovers():
        observer.note(problem)
    begins = not list_checkpoints(run.checkpoints)  # stopped before the first one
    return read_beginning(run) if begins else None, broken_images(run)


def _go_to_newest(run: RunDirectory, state: TrainState, observer: Observer) -> Checkpoint | None:
    """Have the state become the newest checkpoint that can be used, and return it; None is step 0.

    Raises:
        UsageError: If the run was edited, so that its checkpoints are another one's.
        CheckpointError: If there are checkpoints and none can be used.
    """
    checkpoint, problems = load_newest(
        run.checkpoints, identity=run.identity(), take=lambda each: _take(run, state, each)
    )
    for problem in problems:
        observer.note(f"A checkpoint cannot be used. {problem}")
    if checkpoint is None and problems:
        refuse_edited(run)
    if checkpoint is None and run.continues:  # killed while it was made, or all are damaged
        source = as_word(run.read(CONTINUES).get("from"))
        raise CheckpointError(
            f"{run.path} goes on from another run, and has no checkpoint that can be used",
            hint=f"Remove it, and begin it again by `resnetlab resume {source} --epochs N --out ...`.",
        )
    if problems and checkpoint is None:
        raise CheckpointError(
            f"no checkpoint in {run.checkpoints} can be used",
            hint=f"To begin again at step 0, move {run.checkpoints} away and resume.",
        )
    for step, path in list_checkpoints(run.checkpoints):
        if checkpoint and step > checkpoint.step and is_own(path, run.identity()):  # it is made anew
            set_aside(path)
    return checkpoint


def _take(run: RunDirectory, state: TrainState, checkpoint: Checkpoint) -> None:
    """Become what a checkpoint holds, which the run's metrics must still begin with.

    Raises:
        CheckpointError: If the one or the other does not fit.
    """
    state.load(dict(checkpoint.tensors), dict(checkpoint.state))
    refuse_changed(run.metrics, length=state.metrics_length, digest=state.metrics_digest)


def _switched(run: RunRecords, plan: RunPlan) -> list[str]:
    """Return a sentence for each switch that is not as the run began."""
    began, now = recipe_from_json(run.read("recipe")).execution, plan.recipe.execution
    why = {"compile": plan.compile_reason, "capture": plan.capture_reason}
    return [
        f"{name} is {getattr(now, name)} ({why[name]})"
        for name in why
        if getattr(now, name) != getattr(began, name)
    ]


def _otherwise(plan: RunPlan, before: int, world: World) -> list[str]:
    """Return a sentence if the shards are added in another order than by so many processes before."""
    shards = plan.recipe.execution.shards
    if before in (0, world.size) or shards & (shards - 1) == 0:
        return []
    order = f"in another order by {world.size} processes than by {before}"
    return [f"{shards} shards, no power of two, are added {order}"]


_LONG_PATIENCE = 10.0
"""Seconds for which images are waited for after a signal where others would lose the step in hand."""


@dataclass(frozen=True)
class Parts:
    """What trains, before it is tied to a directory."""

    batches: Batches | LoadedBatches
    bad: BadSamples
    patience: Patience
    watched: EvaluationSet
    test: Callable[[], EvaluationSet]
    state: TrainState
    step_function: TrainStep


def _build_together(plan: RunPlan, data: dict[str, Any], known: Known, world: World) -> Parts:
    """Build this process's part of what trains; what fails in one process fails in all."""

    def build() -> Parts:
        with telling_of_memory(LESS_MEMORY):
            return _build_parts(plan, data, known, world)

    return world.together(build)


def _build_parts(plan: RunPlan, data: dict[str, Any], known: Known, world: World) -> Parts:
    """Build what trains from a plan and the content of data.json."""
    recipe, device = plan.recipe, plan.device
    apply_switches(device, recipe.execution)
    share = world.share_of(recipe.execution.shards)
    try:
        preprocessing = Preprocessing.from_json(data["preprocessing"])
    except UsageError as error:
        raise DataError(f"data.json: {error.args[0]}", hint=error.hint) from error
    reading = Reading(
        preprocessing=preprocessing,
        recipe=recipe,
        device=device,
        size=plan.image_shape[:2],
        workers=plan.workers,
        origin=plan.source.origin,
        known=known,
        patience=Patience() if world.size == 1 else Patience(when_asked=_LONG_PATIENCE),
        share=share,
    )
    training, (name, watched) = _splits(plan.source, data["val_indices"])
    shown = reading.evaluation_set(name, watched)

    @functools.cache  # one set of workers, one copy on the device, one list of broken images
    def test() -> EvaluationSet:
        return shown if name == "test" else reading.evaluation_set("test", plan.source.test)

    return Parts(
        reading.training_batches(training, plan.timeline),
        reading.bad,
        reading.patience,
        shown,
        test,
        *build_state(
            plan.spec,
            recipe,
            device,
            begin_with=plan.beginning.tensors if plan.beginning else None,
            class_weights=_class_weights(training, plan) if recipe.run.balance == "loss" else None,
            share=share,
            reduce=functools.partial(world.add_tree, exact=recipe.execution.deterministic),
        ),
    )


def unrecorded(plan: RunPlan, world: World = ALONE) -> Parts:
    """Return what would train in this process, one of these, tied to no directory: to be timed, say."""
    return _build_together(plan, world.from_first(lambda: _measure(plan)), {}, world)


def _assemble(
    run: RunDirectory,
    plan: RunPlan,
    parts: Parts,
    observer: Observer,
    world: World,
    newest: Checkpoint | None = None,
) -> Trainer:
    state, batches = parts.state, parts.batches
    rate = LearningRate(plan.recipe.schedule, plan.timeline)
    if world.is_first and (why := why_slow(plan.recipe.execution.precision, plan.device)):
        observer.note(f"{why[0].upper()}{why[1:]}: --set precision=auto takes what is fastest.")
    record = _record(run, plan, state) if world.is_first else Record(run.path)
    trainer = Trainer(
        record=record,
        recipe=plan.recipe,
        num_classes=plan.spec.classes,
        device=plan.device,
        timeline=plan.timeline,
        rate=rate,
        batches=batches,
        watched=parts.watched,
        test=parts.test,
        step_function=parts.step_function,
        program=step_program(plan.spec, batches, rate, state, parts.step_function, observer.note, world),
        state=state,
        observer=observer,
        telling=Telling(
            record,
            Speedometer(record, Due(plan.recipe.run, plan.timeline), plan.device, state.step),
            functools.partial(_first_images, batches, state.step),
        ),
        world=world,
        last_saved=newest.step if newest else -1,
        waiting=WaitShare(batches, state.seconds) if isinstance(batches, LoadedBatches) else None,
    )

    def tell(part: str, sample: int, problem: str) -> None:
        trainer.record.add_event(BAD_SAMPLE, part=part, sample=sample, problem=problem)
        observer.note(f"Left out, a broken {part} image: {problem}")

    def tell_uncompiled(text: str) -> None:
        trainer.record.add_event("not compiled", step=trainer.state.step, problem=text)
        observer.own_note(text)

    parts.bad.tell = tell
    parts.patience.is_asked_to_leave = lambda: trainer.interrupt.is_requested
    if parts.step_function.compiler:
        parts.step_function.compiler.tell = tell_uncompiled
    return trainer


def _first_images(batches: Batches | LoadedBatches, step: int) -> Tensor | None:
    """Return images of the batch that the update after `step` updates was made with, which is made."""
    return batches.take_first() if isinstance(batches, LoadedBatches) else batches.at(step).images


def _record(run: RunDirectory, plan: RunPlan, state: TrainState) -> RunRecord:
    keep = plan.recipe.run.keep_checkpoints
    return RunRecord(run, keep=keep, step=state.step, metrics_length=state.metrics_length)


def _processes(world: World) -> dict[str, Any]:
    """Return what an event says of who makes the run from now on, if these are several."""
    return {"processes": world.names()} if world.size > 1 else {}


def _class_weights(training: AnySplit, plan: RunPlan) -> Tensor:
    """Return what a sample of each class counts, float32 (K,): on average 1, each class alike in all."""
    counts = np.bincount(training.labels, minlength=plan.spec.classes)
    share = len(training.labels) / np.count_nonzero(counts)
    return torch.tensor(np.where(counts, share / np.maximum(counts, 1), 1.0), dtype=torch.float32)


def build_state(
    spec: ModelSpec,
    recipe: Recipe,
    device: torch.device,
    *,
    begin_with: Mapping[str, Tensor] | None = None,
    class_weights: Tensor | None = None,
    share: Share | None = None,
    reduce: Reduce = alone,
) -> tuple[TrainState, TrainStep]:
    """Return what trains, at step 0, and the function that makes an update of it.

    Args:
        spec: The network.
        recipe: How it is trained.
        device: Where.
        begin_with: Its first weights, if not the seed's.
        class_weights: What a sample of each class counts in the loss, float32 (K,).
        share: The shards of each batch that this process makes; left out, all of them.
        reduce: Adds what the processes have made of theirs.
    """
    model = build(spec, seed=recipe.run.seed, checkpoint_activations=recipe.execution.checkpoint_activations)
    if begin_with is not None:
        put_tensors(model, begin_with, "the weights to begin with")
    shares = rate_shares(model, recipe.transfer)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(shares[name] > 0)
    model = model.to(device)
    if recipe.execution.channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    scales = recipe.execution.precision == "fp16" and not recipe.execution.loss_scale
    optimizer = build_optimizer(model, recipe.optimizer, shares=shares, can_skip=scales)
    step_function = TrainStep(
        model,
        optimizer,
        recipe,
        device,
        spec.keep_probabilities if spec.stochastic_depth else (),
        num_dropouts=sum(spec.blocks) if spec.shortcut_dropout else 0,
        still=still_norms(model, recipe.transfer),
        class_weights_K=None if class_weights is None else class_weights.to(device),
        share=share,
        reduce=reduce,
    )
    decay, every = recipe.optimizer.ema_decay, recipe.optimizer.lookahead
    state = TrainState(
        model=model,
        optimizer=optimizer,
        config=recipe.optimizer,
        average=WeightAverage(model, decay) if decay else None,
        lookahead=Lookahead(model, every, recipe.optimizer.lookahead_decay) if every else None,
        scaler=step_function.scaler,
        interval=Tally(device),
        epoch=Tally(device),
    )
    return state, step_function


def _splits(source: AnySource, val_indices: list[int]) -> tuple[AnySplit, tuple[str, AnySplit]]:
    """Return what is trained on, and what the curve is drawn from, with its name."""
    if val_indices:
        held_out = np.asarray(val_indices, dtype=np.int64)
        kept = np.setdiff1d(np.arange(len(source.train.labels)), held_out)
        return source.train.take(kept), ("val", source.train.take(held_out))
    return source.train, ("test", source.test) if source.val is None else ("val", source.val)
