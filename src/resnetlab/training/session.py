"""From a plan to a trainer in a new run directory; and from a run directory back to one."""

import functools
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from resnetlab.base import files
from resnetlab.base.plaindata import to_plain
from resnetlab.data.batches.batches import Batches
from resnetlab.data.batches.loaded import BadSamples, LoadedBatches
from resnetlab.data.batches.preprocessing import Preprocessing
from resnetlab.data.batches.waiting import Patience
from resnetlab.data.feeding import Reading, fit
from resnetlab.data.sources.encoded import AnySource, AnySplit
from resnetlab.data.sources.source import broken_image
from resnetlab.data.sources.split import hold_out
from resnetlab.errors import CheckpointError, DataError
from resnetlab.evaluation.metrics import Tally
from resnetlab.evaluation.scoring import EvaluationSet
from resnetlab.models import build, put_tensors
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.schedule import LearningRate
from resnetlab.recipe.settings import recipe_from_json
from resnetlab.runs.checkpoint import Checkpoint, is_own, list_checkpoints, load_newest, set_aside
from resnetlab.runs.directory import BAD_SAMPLE, CONTINUES, RunDirectory, broken_images
from resnetlab.runs.environment import binding_differences, recorded_threads
from resnetlab.runs.journal import refuse_changed
from resnetlab.runs.record import RunRecord
from resnetlab.training.first_weights import read_beginning, write_beginning
from resnetlab.training.observer import Observer
from resnetlab.training.parts import rate_shares, still_norms
from resnetlab.training.planning import RunPlan, environment_of, source_record
from resnetlab.training.recorded.programs import step_program
from resnetlab.training.step.averages import Lookahead, WeightAverage
from resnetlab.training.step.device import apply_switches
from resnetlab.training.step.optim import build_optimizer
from resnetlab.training.step.state import TrainState
from resnetlab.training.step.steps import TrainStep
from resnetlab.training.trainer import Trainer


def start(plan: RunPlan, run: RunDirectory, observer: Observer) -> Trainer:
    """Write what defines the run into its claimed directory and return a trainer at step 0."""
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
    data = source_record(plan) | {
        "begins_trained": plan.beginning is not None,
        "preprocessing": preprocessing.to_json(),
        "val_indices": held_out.tolist(),
    }
    parts = _build_parts(run, plan, data)  # what cannot be built leaves no run behind
    for problem in run.remove_leftovers():
        observer.note(problem)
    run.write("spec", plan.spec.to_json())
    run.write("data", data)
    environment = environment_of(plan)
    run.write("environment", environment)
    write_beginning(run, plan.beginning)
    if run.continues:  # of a process that was killed while it began another run here
        files.remove_file(run.path / f"{CONTINUES}.json")
    run.write("recipe", to_plain(plan.recipe))  # last: its presence makes the directory a run
    files.make_directory(run.checkpoints)
    trainer = _assemble(run, plan, parts, observer)
    trainer.record.add_event("start", environment=environment)
    return trainer


def resume(run: RunDirectory, plan: RunPlan, observer: Observer) -> Trainer:
    """Return a trainer at the newest checkpoint that verifies, its metrics cut back to there.

    The caller holds the run's lock.

    Raises:
        CheckpointError: If there are checkpoints and none can be used.
    """
    for journal in (run.metrics, run.events):  # before anything is read through a link
        files.refuse_foreign(journal)
    files.make_directory(run.checkpoints)
    for problem in run.remove_leftovers():
        observer.note(problem)
    then = run.read("environment")
    if plan.device.type == "cpu" and (threads := recorded_threads(then)):
        torch.set_num_threads(threads)
    now = environment_of(plan)
    if not list_checkpoints(run.checkpoints):  # stopped before the first one
        plan = replace(plan, beginning=read_beginning(run))
    parts = _build_parts(run, plan, run.read("data"))
    checkpoint, problems = load_newest(
        run.checkpoints, identity=run.identity(), take=lambda each: _take(run, parts.state, each)
    )
    for problem in problems:
        observer.note(f"A checkpoint cannot be used. {problem}")
    if checkpoint is None and run.continues:  # killed while it was made, or all are damaged
        source = shlex.quote(str(run.read(CONTINUES).get("from")))
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
    trainer = _assemble(run, plan, parts, observer, checkpoint)
    differing = [*binding_differences(then, now), *_switched(run, plan)]
    trainer.record.add_event("resume", step=trainer.state.step, environment=now, differing=differing)
    if differing:
        observer.note("The run goes on, but not bit for bit as it would have: " + "; ".join(differing) + ".")
    return trainer


def _take(run: RunDirectory, state: TrainState, checkpoint: Checkpoint) -> None:
    """Become what a checkpoint holds, which the run's metrics must still begin with.

    Raises:
        CheckpointError: If the one or the other does not fit.
    """
    state.load(dict(checkpoint.tensors), dict(checkpoint.state))
    refuse_changed(run.metrics, length=state.metrics_length, digest=state.metrics_digest)


def _switched(run: RunDirectory, plan: RunPlan) -> list[str]:
    """Return a sentence for each switch that is not as the run began."""
    began, now = recipe_from_json(run.read("recipe")).execution, plan.recipe.execution
    why = {"compile": plan.compile_reason, "capture": plan.capture_reason}
    return [
        f"{name} is {getattr(now, name)} ({why[name]})"
        for name in why
        if getattr(now, name) != getattr(began, name)
    ]


@dataclass(frozen=True)
class _Parts:
    """What trains, before it is tied to a directory."""

    batches: Batches | LoadedBatches
    bad: BadSamples
    patience: Patience
    watched: EvaluationSet
    test: Callable[[], EvaluationSet]
    state: TrainState
    step_function: TrainStep


def _build_parts(run: RunDirectory, plan: RunPlan, data: dict[str, Any]) -> _Parts:
    """Build what trains from a plan and the content of data.json."""
    recipe, device = plan.recipe, plan.device
    apply_switches(device, recipe.execution)
    reading = _reading(run, plan, data)
    training, (name, watched) = _splits(plan.source, data["val_indices"])
    shown = reading.evaluation_set(name, watched)

    @functools.cache  # one set of workers, one copy on the device, one list of broken images
    def test() -> EvaluationSet:
        return shown if name == "test" else reading.evaluation_set("test", plan.source.test)

    return _Parts(
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
        ),
    )


def _reading(run: RunDirectory, plan: RunPlan, data: dict[str, Any]) -> Reading:
    return Reading(
        preprocessing=Preprocessing.from_json(data["preprocessing"]),
        recipe=plan.recipe,
        device=plan.device,
        size=plan.image_shape[:2],
        workers=plan.workers,
        origin=plan.source.origin,
        known=broken_images(run),
    )


def _assemble(
    run: RunDirectory, plan: RunPlan, parts: _Parts, observer: Observer, checkpoint: Checkpoint | None = None
) -> Trainer:
    state = parts.state
    rate = LearningRate(plan.recipe.schedule, plan.timeline)
    trainer = Trainer(
        record=RunRecord(
            run,
            keep=plan.recipe.run.keep_checkpoints,
            step=state.step,
            metrics_length=state.metrics_length,
        ),
        recipe=plan.recipe,
        num_classes=plan.spec.classes,
        device=plan.device,
        timeline=plan.timeline,
        rate=rate,
        batches=parts.batches,
        watched=parts.watched,
        test=parts.test,
        step_function=parts.step_function,
        program=step_program(plan.spec, parts.batches, rate, state, parts.step_function, observer.note),
        state=state,
        observer=observer,
        last_saved=checkpoint.step if checkpoint else -1,
        waited=parts.batches.seconds_waited if isinstance(parts.batches, LoadedBatches) else None,
    )

    def tell(part: str, sample: int, problem: str) -> None:
        trainer.record.add_event(BAD_SAMPLE, part=part, sample=sample, problem=problem)
        observer.note(f"Left out, a broken {part} image: {problem}")

    def tell_uncompiled(text: str) -> None:
        trainer.record.add_event("not compiled", step=trainer.state.step, problem=text)
        observer.note(text)

    parts.bad.tell = tell
    parts.patience.is_asked_to_leave = lambda: trainer.interrupt.is_requested
    if parts.step_function.compiler:
        parts.step_function.compiler.tell = tell_uncompiled
    return trainer


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
) -> tuple[TrainState, TrainStep]:
    """Return what trains, at step 0, and the function that makes an update of it.

    Args:
        spec: The network.
        recipe: How it is trained.
        device: Where.
        begin_with: Its first weights, if not the seed's.
        class_weights: What a sample of each class counts in the loss, float32 (K,).
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
        still=still_norms(model, recipe.transfer),
        class_weights_K=None if class_weights is None else class_weights.to(device),
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
