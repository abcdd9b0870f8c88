"""Fitting a network, data and a recipe to each other, before anything is built or written."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from resnetlab.base.paths import as_word
from resnetlab.data import SOURCES
from resnetlab.data.batches.loader import count_workers
from resnetlab.data.feeding import Size, training_sizes
from resnetlab.data.open import open_data
from resnetlab.data.sources.choices import LEFT_OPEN, Choices
from resnetlab.data.sources.encoded import AnySource
from resnetlab.data.sources.source import broken_image
from resnetlab.data.sources.wanted import Wanted
from resnetlab.errors import DataError, UsageError
from resnetlab.native.building import compiler_told, made_of
from resnetlab.network.spec import ModelSpec
from resnetlab.parallel.world import World
from resnetlab.recipe import Recipe
from resnetlab.recipe.optimizers import OPTIMIZERS
from resnetlab.recipe.settings import leaves, override, recipe_from_json
from resnetlab.recipe.timeline import Timeline
from resnetlab.runs.directory import CONTINUES, RunDirectory
from resnetlab.runs.environment import describe_environment, software
from resnetlab.runs.records import RunRecords
from resnetlab.show.tables.differences import NO_DIFFERENCE, model_differences, recipe_differences
from resnetlab.training.first_weights import Beginning
from resnetlab.training.misfits import (
    refuse_misfits,
    refuse_no_meeting,
    refuse_single_samples,
    refuse_small_batches,
    refuse_unlike_sides,
)
from resnetlab.training.recorded.capturing import step_operations
from resnetlab.training.recorded.deciding import KERNELS, as_recorded, decide, obstacles_here
from resnetlab.training.step.device import describe_device


@dataclass(frozen=True)
class RunPlan:
    """What is to be trained, on what, how: everything resolved, nothing built or written yet."""

    spec: ModelSpec
    source: AnySource
    source_text: str
    """The source as the user named it; a path is made absolute."""
    recipe: Recipe
    device: torch.device
    compile_reason: str
    capture_reason: str
    image_shape: tuple[int, int, int]
    """Height, width and channels of what the network gets in evaluation."""
    workers: int = -1
    """Processes that read image files, 0 for none, -1 for as many as suit the machine."""
    beginning: Beginning | None = None
    """The weights to begin with, if not the seed's."""
    weights_text: str = ""
    """Where these come from, in a line."""
    continues: str = ""
    """The run that it goes on from, and where, in a line."""
    shards_are_open: bool = False
    """Whether nobody gave the number of shards, so that a run that was begun keeps its own."""
    said: Callable[[], dict[str, str]] = dict
    """What more to say of it at its start, by title: how minutes became its length."""
    precision_reason: str = ""
    """Why it is as it is, if nobody gave it."""
    left_open: frozenset[str] = frozenset()
    """Which of compile and precision nobody gave, so that the machine may measure which suit it."""
    profile_steps: int = 0
    """Steps that are profiled on the way; no part of what is trained, nor recorded."""
    threads: int = 0
    """Threads of the CPU that were asked for; a run that was begun keeps its own."""

    @property
    def steps_text(self) -> str:
        """What makes the steps, in which number format, and why."""
        execution, reasons = self.recipe.execution, (self.compile_reason, self.precision_reason)
        why = "; ".join(dict.fromkeys(filter(None, reasons)))
        return f"{KERNELS[execution.compile]} in {execution.precision} ({why})"

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

    @property
    def reads_files(self) -> bool:
        """Whether images are read from files as they are needed."""
        return self.source.reads_files

    @property
    def step_operations(self) -> float:
        """Floating-point operations of a step, the mean over the run."""
        batch, sizes = self.recipe.run.batch, self.training_sizes
        return sum(share * step_operations(self.spec, *size, batch) for size, share in sizes.items())

    @property
    def training_sizes(self) -> dict[Size, float]:
        """Heights and widths of the training images, in their order, each with its share of the steps."""
        return training_sizes(self.recipe, self.image_shape[:2], reads_files=self.reads_files)


def fit_to_source(spec: ModelSpec, source: AnySource, fixed: Collection[str] = ()) -> ModelSpec:
    """Return the spec with the source's number of classes and channels, unless these are fixed.

    Files can be read in colour or grey; in colour unless it is fixed.
    """
    *_, channels = source.train.input_shape((spec.input_size, spec.input_size))
    found = {"classes": len(source.class_names), "in_channels": channels}
    changes = {name: value for name, value in found.items() if name not in fixed}
    return spec.with_(**changes)


_WITH_BACKGROUND = 1001
"""Classes of the networks that keep ImageNet's class 0, which no image has."""


Opened = dict[tuple[str, Wanted], AnySource]
"""Sources that are open, by what was asked for."""


def open_for(
    spec: ModelSpec,
    data: str,
    fixed: Collection[str] = (),
    opened: Opened | None = None,
    *,
    choices: Choices = LEFT_OPEN,
) -> AnySource:
    """Open the data for a network, which decides the size of made images and a background class.

    Args:
        spec: The network.
        data: A dataset's name or path.
        fixed: Fields of the spec that the data must not change.
        opened: What is open already, for networks that share it; what is opened comes to it.
        choices: What the data leaves open.

    Raises:
        UsageError, DataError: If it cannot be opened.
    """
    decides = data in SOURCES or "classes" in fixed or spec.classes == _WITH_BACKGROUND
    classes = spec.classes if decides else None
    opened = {} if opened is None else opened
    wanted = Wanted(
        classes=classes,
        image_size=spec.input_size,
        channels=spec.in_channels,
        choices=choices,
        as_channels=spec.in_channels if "in_channels" in fixed else None,
    )
    try:
        if (data, wanted) not in opened:
            opened[data, wanted] = open_data(data, wanted)
        return opened[data, wanted]
    except DataError as error:
        if classes is None or data in SOURCES or error.hint:
            raise
        hint = f"It was read as having {spec.name}'s {classes:,} classes: --set classes=N for other data."
        raise DataError(str(error.args[0]), hint=hint) from error


def image_shape(source: AnySource, spec: ModelSpec, recipe: Recipe) -> tuple[int, int, int]:
    """Return (height, width, channels) of the network's input; of files one header is read at most.

    Raises:
        UsageError: If the source's images have another number of channels than the network takes.
    """
    side = recipe.preparation.image_size
    height, width, channels = source.train.input_shape((side, side) if side else None, spec.in_channels)
    if spec.in_channels != channels:
        raise UsageError(
            f"{spec.name} takes {spec.in_channels} channels, {source.name} has {channels}",
            hint="Leave out --set in_channels.",
        )
    return height, width, channels


def make_plan(
    spec: ModelSpec,
    source: AnySource,
    source_text: str,
    recipe: Recipe,
    device: torch.device,
    workers: int = -1,
) -> RunPlan:
    """Fit network, data and recipe to each other.

    Raises:
        UsageError: If they do not fit, e.g. if the batch is larger than the training set.
        DataError: If an image is known to be broken, and none may be.
    """
    if source.broken and not recipe.preparation.bad_samples:
        raise broken_image(source, source.broken)
    refuse_misfits(spec, source, recipe)
    shape = image_shape(source, spec, recipe)
    plan = RunPlan(spec, source, source_text, recipe, device, "", "", shape, workers)
    refuse_impossible(plan)
    if plan.reads_files and recipe.preparation.image_size:
        refuse_unlike_sides(recipe)
    samples = plan.timeline.samples_seen(plan.timeline.num_steps)
    decided = decide(
        spec,
        recipe,
        device,
        reads_files=plan.reads_files,
        operations=plan.step_operations / recipe.run.batch * samples,
        step_operations=plan.step_operations,
        sizes=plan.training_sizes,
    )
    return dataclasses.replace(plan, **vars(decided))


def refuse_impossible(plan: RunPlan) -> None:
    """Refuse a run that would fail, or come to nothing, at some of its steps.

    Raises:
        UsageError: If it is one.
    """
    refuse_no_meeting(plan.recipe, plan.timeline.num_steps)
    refuse_small_batches(plan.recipe, plan.timeline)
    _refuse_single_samples(plan)


def _refuse_single_samples(plan: RunPlan) -> None:
    refuse_single_samples(
        plan.spec, plan.recipe, plan.timeline, plan.training_sizes, reads_files=plan.reads_files
    )


def share_workers_here(plan: RunPlan, world: World) -> RunPlan:
    """Return the plan with this process's share of the processes that read images on its machine."""
    if world.local_size == 1:
        return plan
    return dataclasses.replace(plan, workers=count_workers(plan.workers, plan.device, world.local_size))


def source_record(plan: RunPlan) -> dict[str, Any]:
    """Return what identifies and finds a plan's data again, as plain JSON data."""
    return {
        "source": plan.source_text,
        "choices": dict(plan.source.choices),
        "name": plan.source.name,
        "class_names": list(plan.source.class_names),
        "fingerprint": plan.source.fingerprint,
        "notes": list(plan.source.notes),
        "reads_files": plan.reads_files,
        "image_shape": list(plan.image_shape),
    }


def plan_of(run: RunRecords, source: AnySource, device: torch.device, workers: int = -1) -> RunPlan:
    """Return what the records of a run say is trained there.

    Raises:
        DataError: If `source` is not what the run was trained on.
        UsageError: If it was begun by version 0.1.0, which let runs begin that cannot end.
    """
    weights_text = str(run.read("weights").get("from", "")) if run.begins_trained else ""
    records = run.read("spec"), run.read("recipe"), run.read("data")
    plan = plan_from_records(run.path, *records, source, device, workers, optimizer_of=run.optimizer_of)
    continues = str(run.read(CONTINUES).get("text", "")) if run.continues else ""
    try:
        _refuse_single_samples(plan)
    except UsageError as error:
        quoted = as_word(run.path)
        weights = f", from its weights by `resnetlab finetune --weights {quoted} --head strict`"
        raise UsageError(
            f"{run.path} cannot be trained to its end: {error.args[0]}",
            hint="Version 0.1.0 let such runs begin, and what a run is cannot be changed. Begin a new one"
            f"{weights if run.has_checkpoints else ''}. {error.hint}",
        ) from error
    return dataclasses.replace(plan, weights_text=weights_text, continues=continues)


def plan_from_records(
    path: Path,
    spec: Mapping[str, Any],
    recipe: Mapping[str, Any],
    data: Mapping[str, Any],
    source: AnySource,
    device: torch.device,
    workers: int = -1,
    *,
    optimizer_of: str = "",
) -> RunPlan:
    """Return the plan whose spec, recipe and `source_record` were written down for the run at `path`.

    `optimizer_of` is the package that its optimizer came from, if that is known and not ours.

    Raises:
        DataError: If `source` is not what was planned.
    """
    if not source.has_fingerprint(data["fingerprint"]):
        raise DataError(
            f"the data is not what {path} was trained on: its fingerprint is "
            f"{source.fingerprint[:12]}, the run's {data['fingerprint'][:12]}",
            hint="Name the run's own data with --data, or start a new run.",
        )
    with RunDirectory(path).telling_of("recipe"):
        resolved = as_recorded(recipe_from_json(recipe))
    _refuse_missing(resolved.optimizer.optimizer, path, optimizer_of)
    with RunDirectory(path).telling_of("spec"):
        network = ModelSpec.from_json(spec)
    height, width, _ = data["image_shape"]
    sizes = training_sizes(resolved, (height, width), reads_files=source.reads_files)
    obstacles = obstacles_here(network, resolved, device, reads_files=source.reads_files, sizes=sizes)
    began = {name: leaves(resolved)[name].text for name in obstacles}
    reasons = {name: f"{why}; {began[name]} when the run began" for name, why in obstacles.items()}
    return RunPlan(
        spec=network,
        source=source,
        source_text=data["source"],
        recipe=override(resolved, dict.fromkeys(obstacles, "off")),
        device=device,
        compile_reason=reasons.get("compile", "as the run began"),
        capture_reason=reasons.get("capture", "as the run began"),
        image_shape=(*data["image_shape"],),
        workers=workers,
    )


def differences_from_records(
    plan: RunPlan, spec: Mapping[str, Any], recipe: Mapping[str, Any], data: Mapping[str, Any], owner: str
) -> list[str]:
    """Return in words what a plan has otherwise than the spec, recipe and data that were written down.

    Whether kernels are compiled or captured is no difference, nor a precision or number of shards that nobody
    gave: where a machine decides it, it may decide it otherwise on the next one. Nor is whether the run
    leaves a page.

    Args:
        plan: What is asked for.
        spec: The other's network.
        recipe: The other's recipe.
        data: The other's `source_record`.
        owner: What the reader calls the other.
    """
    names, then = (owner, "what is asked for"), recipe_from_json(recipe)
    free = {"compile", "capture", "report", *plan.left_open, *(["shards"] if plan.shards_are_open else [])}
    kept = {name: leaves(then)[name].value for name in free}
    told = [
        recipe_differences(then, override(plan.recipe, kept), names),
        model_differences(ModelSpec.from_json(spec), plan.spec, names),
    ]
    told = [text for text in told if not text.startswith(NO_DIFFERENCE)]
    source = plan.source
    if not source.has_fingerprint(data["fingerprint"]):
        told.append(
            f"The data is not that of {owner}: {source.name} of fingerprint {source.fingerprint[:12]}, not "
            f"{data['name']} of {data['fingerprint'][:12]}."
        )
    elif list(source.class_names) != data["class_names"]:
        told.append(f"The classes have other names than those of {owner}.")
    return told


def environment_of(plan: RunPlan) -> dict[str, Any]:
    """Return the record of what a plan is trained on, here and now."""
    return describe_environment(
        device=describe_device(plan.device),
        threads=torch.get_num_threads(),
        gpus=torch.cuda.device_count(),
        optimizer_of=OPTIMIZERS.package_of(plan.recipe.optimizer.optimizer),
        kernels=kernels_of(plan.recipe, plan.device),
    )


def kernels_of(recipe: Recipe, device: torch.device) -> dict[str, str]:
    """Return from what, by what, for which instructions kernels are compiled here, if any are."""
    how = recipe.execution.compile
    if device.type != "cpu" or how == "off" or not (compiler := compiler_told()):
        return {}
    is_half = recipe.execution.precision == "bf16"
    return made_of(is_half=is_half) if how == "native" else {"compiler": compiler}


_KERNELS_ALIKE = (
    "RESNETLAB_AMX=off for all does without AMX; --set compile=off needs neither kernels nor compiler."
)


def refuse_differing(plan: RunPlan, world: World, *, is_begun: bool = False) -> None:
    """Refuse processes that would not make one and the same run, or among which its shards cannot be divided.

    Args:
        plan: As this process has made it.
        world: The processes.
        is_begun: Whether the run is there already, so that its shards stay as they are.

    Raises:
        UsageError: At all of them, naming who differs in what.
    """
    if world.size == 1:
        return
    world.agree(_facts(plan))
    if plan.recipe.execution.compile == "native":
        kernels = kernels_of(plan.recipe, plan.device)
        told = {f"the kernels' {name}": value for name, value in kernels.items()}
        world.agree(told, hint=_KERNELS_ALIKE)
    shards = plan.recipe.execution.shards
    try:
        world.share_of(shards)
    except UsageError as error:
        if is_begun:
            fitting = " or ".join(str(n) for n in range(1, shards + 1) if shards % n == 0)
            error.hint = f"The run's batch is cut into {shards} shards, which stays so: --devices {fitting}."
        raise


def _facts(plan: RunPlan) -> dict[str, str]:
    """Return what must be the same in all processes that make a run."""
    model = {f"the model's {name}": str(value) for name, value in plan.spec.to_json().items()}
    recipe = {f"the recipe's {name}": leaf.text for name, leaf in leaves(plan.recipe).items()}
    return {
        **software(),
        "the kind of device": plan.device.type,
        "threads": str(torch.get_num_threads()),
        "the data": f"{plan.source.name}, fingerprint {plan.source.fingerprint[:12]}",
        "the weights to begin with": plan.beginning.sha256[:12] if plan.beginning else "those of the seed",
        **model,
        **recipe,
    }


def _refuse_missing(optimizer: str, path: Path, package: str) -> None:
    """Raise UsageError if a run's optimizer is not to be had here, and say which package had it."""
    try:
        OPTIMIZERS.find(optimizer)
    except UsageError as error:
        if not package or optimizer in OPTIMIZERS:
            raise
        raise UsageError(
            f"{path} is trained by the optimizer {optimizer!r} of {package}, which is not installed here",
            hint="Install it, and resume. `resnetlab eval`, `predict` and `export` do without it.",
        ) from error
