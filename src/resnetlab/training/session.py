"""From a spec, a source and a recipe to a trainer; and from a run directory back to one."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from resnetlab import files
from resnetlab.data.batches import Batches, evaluation_batches
from resnetlab.data.normalise import Normaliser
from resnetlab.data.source import Source, Split
from resnetlab.data.split import hold_out
from resnetlab.errors import CheckpointError, DataError, UsageError
from resnetlab.metrics import Tally
from resnetlab.models import create_model
from resnetlab.plaindata import to_plain
from resnetlab.recipe import Recipe
from resnetlab.runs.checkpoint import Checkpoint, load_newest
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.environment import binding_differences, describe_environment
from resnetlab.runs.journal import Journal
from resnetlab.runs.tensorboard import open_events
from resnetlab.schedule import LearningRate
from resnetlab.settings import override, recipe_from_json
from resnetlab.spec import ModelSpec
from resnetlab.timeline import Timeline
from resnetlab.training.device import apply_switches, decide_compile, describe_device
from resnetlab.training.ema import WeightAverage
from resnetlab.training.observer import Observer
from resnetlab.training.optim import build_optimizer
from resnetlab.training.state import TrainState
from resnetlab.training.steps import TrainStep
from resnetlab.training.trainer import EvaluationSet, Trainer

EVALUATION_BATCH = 500
"""Images per batch of an evaluation; the result does not depend on it beyond rounding."""


@dataclass(frozen=True)
class Plan:
    """What is to be trained, on what, how: everything resolved, nothing built or written yet."""

    spec: ModelSpec
    source: Source
    source_text: str
    """The source as the user named it; a path is made absolute."""
    recipe: Recipe
    device: torch.device
    compile_reason: str

    @property
    def timeline(self) -> Timeline:
        """The run's steps."""
        run = self.recipe.run
        return Timeline(
            num_samples=len(self.source.train.labels) - run.val,
            batch=run.batch,
            length=run.length,
            cycle_epochs=run.cycle_epochs,
        )


def fit_to_source(spec: ModelSpec, source: Source, fixed: Collection[str] = ()) -> ModelSpec:
    """Return the spec with the source's number of classes and channels, unless these are fixed."""
    found = {"classes": len(source.class_names), "in_channels": source.train.images.shape[3]}
    changes = {name: value for name, value in found.items() if name not in fixed}
    return spec.with_(**changes)


def make_plan(
    spec: ModelSpec, source: Source, source_text: str, recipe: Recipe, device: torch.device
) -> Plan:
    """Fit network, data and recipe to each other.

    Raises:
        UsageError: If the batch is larger than the training set, or the strides do not allow the
            images' size.
    """
    images = source.train.images
    available = len(images) - recipe.run.val
    if recipe.run.batch > available:
        raise UsageError(
            f"a batch of {recipe.run.batch} is more than the {available} training samples",
            hint="Choose a smaller one with --batch.",
        )
    if spec.classes < len(source.class_names):
        raise UsageError(
            f"{spec.name} has {spec.classes} classes, {source.name} has {len(source.class_names)}",
            hint=f"Leave out --set classes, or give at least {len(source.class_names)}.",
        )
    height, width = images.shape[1:3]
    operations = 6.0 * spec.num_multiply_adds(height, width)  # forward, and backward to both inputs
    plan = Plan(spec, source, source_text, recipe, device, "")
    total = operations * plan.timeline.samples_seen(plan.timeline.num_steps)
    is_compiled, reason = decide_compile(recipe.execution.compile, operations=total, device=device)
    decided = override(recipe, {"compile": "on" if is_compiled else "off"})
    return dataclasses.replace(plan, recipe=decided, compile_reason=reason)


def start(plan: Plan, run: RunDirectory, observer: Observer) -> Trainer:
    """Write what defines the run into its claimed directory and return a trainer at step 0."""
    kept, held_out = hold_out(plan.source.train, plan.recipe.run.val, plan.recipe.run.seed)
    training = _select(plan.source.train, kept) if len(held_out) else plan.source.train
    normaliser = Normaliser.fit(plan.recipe.normalisation, training.images)
    run.write("spec", plan.spec.to_json())
    run.write(
        "data",
        {
            "source": plan.source_text,
            "name": plan.source.name,
            "class_names": list(plan.source.class_names),
            "fingerprint": plan.source.fingerprint,
            "image_shape": list(plan.source.train.images.shape[1:]),
            "preprocessing": normaliser.to_json(),
            "val_indices": held_out.tolist(),
        },
    )
    threads = torch.get_num_threads()
    environment = describe_environment(device=describe_device(plan.device), threads=threads)
    run.write("environment", environment)
    run.write("recipe", to_plain(plan.recipe))  # last: its presence makes the directory a run
    files.make_directory(run.checkpoints)
    trainer = _build(run, plan, observer)
    trainer.add_event("start", environment=environment)
    return trainer


def plan_of(run: RunDirectory, source: Source, device: torch.device) -> Plan:
    """Return what a run directory says is trained there.

    Raises:
        DataError: If `source` is not what the run was trained on.
    """
    data = run.read("data")
    if source.fingerprint != data["fingerprint"]:
        raise DataError(
            f"the data is not what {run.path} was trained on: its fingerprint is "
            f"{source.fingerprint[:12]}, the run's {data['fingerprint'][:12]}",
            hint="Name the run's own data with --data, or start a new run.",
        )
    return Plan(
        spec=ModelSpec.from_json(run.read("spec")),
        source=source,
        source_text=data["source"],
        recipe=recipe_from_json(run.read("recipe")),
        device=device,
        compile_reason="as the run began",
    )


def resume(run: RunDirectory, plan: Plan, observer: Observer) -> Trainer:
    """Return a trainer at the newest checkpoint that verifies, its metrics cut back to there.

    The caller holds the run's lock.

    Raises:
        CheckpointError: If there are checkpoints and none can be used.
    """
    files.make_directory(run.checkpoints)
    files.remove_leftovers(run.checkpoints)
    then = run.read("environment")
    if plan.device.type == "cpu":
        torch.set_num_threads(int(then["threads"]))
    now = describe_environment(device=describe_device(plan.device), threads=torch.get_num_threads())
    checkpoint, problems = load_newest(run.checkpoints, identity=run.identity())
    for problem in problems:
        observer.note(f"A checkpoint cannot be used. {problem}")
    if problems and checkpoint is None:
        raise CheckpointError(
            f"no checkpoint in {run.checkpoints} can be used",
            hint=f"To begin again at step 0, remove {run.checkpoints} and resume.",
        )
    trainer = _build(run, plan, observer, checkpoint)
    trainer.add_event("resume", step=trainer.state.step, environment=now)
    if differing := binding_differences(then, now):
        observer.note("The run goes on, but not bit for bit as it would have: " + "; ".join(differing) + ".")
    return trainer


def _build(
    run: RunDirectory, plan: Plan, observer: Observer, checkpoint: Checkpoint | None = None
) -> Trainer:
    spec, recipe, device, timeline = plan.spec, plan.recipe, plan.device, plan.timeline
    apply_switches(device, recipe.execution)
    data = run.read("data")
    normaliser = Normaliser.from_json(data["preprocessing"])
    training, watched = _sets(plan.source, data["val_indices"], normaliser, recipe, device)
    batches = Batches(
        training,
        timeline=timeline,
        seed=recipe.run.seed,
        augmentation=recipe.augmentation,
        normaliser=normaliser,
        device=device,
        channels_last=recipe.execution.channels_last,
    )
    state, step_function = build_state(spec, recipe, device)
    if checkpoint:
        state.load(dict(checkpoint.tensors), dict(checkpoint.state))
    return Trainer(
        run=run,
        identity=run.identity(),
        recipe=recipe,
        num_classes=spec.classes,
        device=device,
        timeline=timeline,
        rate=LearningRate(recipe.schedule, timeline),
        batches=batches,
        watched=watched,
        step_function=step_function,
        state=state,
        metrics=Journal(run.metrics, length=state.metrics_length),
        events=Journal(run.events),
        event_file=open_events(run.tensorboard, step=state.step),
        observer=observer,
        last_saved=checkpoint.step if checkpoint else -1,
    )


def build_state(spec: ModelSpec, recipe: Recipe, device: torch.device) -> tuple[TrainState, TrainStep]:
    """Return what trains, at step 0, and the function that makes an update of it."""
    model = create_model(
        spec, seed=recipe.run.seed, checkpoint_activations=recipe.execution.checkpoint_activations
    )
    model = model.to(device)
    if recipe.execution.channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = build_optimizer(model, recipe.optimizer)
    keep = spec.keep_probabilities if spec.stochastic_depth else ()
    step_function = TrainStep(model, optimizer, recipe, device, keep)
    decay = recipe.optimizer.ema_decay
    state = TrainState(
        model=model,
        optimizer=optimizer,
        config=recipe.optimizer,
        average=WeightAverage(model, decay) if decay else None,
        scaler=step_function.scaler,
        interval=Tally(device),
        epoch=Tally(device),
    )
    return state, step_function


def _sets(
    source: Source, val_indices: list[int], normaliser: Normaliser, recipe: Recipe, device: torch.device
) -> tuple[Split, EvaluationSet]:
    if not val_indices:
        return source.train, evaluation_set("test", source.test, normaliser, recipe, device)
    held_out = np.asarray(val_indices, dtype=np.int64)
    kept = np.setdiff1d(np.arange(len(source.train.labels)), held_out)
    validation = _select(source.train, held_out)
    return _select(source.train, kept), evaluation_set("val", validation, normaliser, recipe, device)


def evaluation_set(
    name: str, split: Split, normaliser: Normaliser, recipe: Recipe, device: torch.device
) -> EvaluationSet:
    """Return a split as a set that the network can be scored on."""

    def batches() -> Any:
        return evaluation_batches(
            split,
            normaliser,
            device=device,
            batch=EVALUATION_BATCH,
            channels_last=recipe.execution.channels_last,
        )

    return EvaluationSet(name, len(split.labels), batches)


def _select(split: Split, indices: np.ndarray) -> Split:
    return Split(images=split.images[indices], labels=split.labels[indices])


def absolute_source(text: str) -> str:
    """Return a data source's name as it is, a path to one made absolute."""
    path = Path(text).expanduser()
    return str(path.resolve()) if path.exists() else text
