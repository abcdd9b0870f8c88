"""Fitting a network, data and a recipe to each other, before anything is built or written."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch

from resnetlab.data.names import SOURCES
from resnetlab.data.open import open_source
from resnetlab.data.source import Source
from resnetlab.errors import DataError, UsageError
from resnetlab.recipe import Recipe
from resnetlab.runs.directory import RunDirectory
from resnetlab.settings import override, recipe_from_json
from resnetlab.spec import KNOBS, ModelSpec
from resnetlab.timeline import Timeline
from resnetlab.training.device import decide_compile


@dataclass(frozen=True)
class RunPlan:
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


def plan_run(
    spec: ModelSpec, data: str, recipe: Recipe, device: torch.device, fixed: Collection[str] = KNOBS
) -> RunPlan:
    """Open the data and fit network, data and recipe to each other.

    Args:
        spec: The network.
        data: A dataset's name or path.
        recipe: The recipe.
        device: Where to train.
        fixed: Fields of the spec that the data must not change.

    Raises:
        UsageError, DataError: If the data cannot be opened or the three do not fit.
    """
    source = open_source(data, classes=spec.classes, image_size=spec.input_size, channels=spec.in_channels)
    return make_plan(fit_to_source(spec, source, fixed), source, absolute_source(data), recipe, device)


def make_plan(
    spec: ModelSpec, source: Source, source_text: str, recipe: Recipe, device: torch.device
) -> RunPlan:
    """Fit network, data and recipe to each other.

    Raises:
        UsageError: If the batch is larger than the training set, or the strides do not allow the
            images' size.
    """
    images = source.train.images
    available = len(images) - recipe.run.val
    if available < 1:
        raise UsageError(f"val={recipe.run.val} holds out all {len(images):,} training samples")
    if spec.in_channels != images.shape[3]:
        raise UsageError(
            f"{spec.name} takes {spec.in_channels} channels, {source.name} has {images.shape[3]}",
            hint="Leave out --set in_channels.",
        )
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
    plan = RunPlan(spec, source, source_text, recipe, device, "")
    total = operations * plan.timeline.samples_seen(plan.timeline.num_steps)
    is_compiled, reason = decide_compile(recipe.execution.compile, operations=total, device=device)
    decided = override(recipe, {"compile": "on" if is_compiled else "off"})
    return dataclasses.replace(plan, recipe=decided, compile_reason=reason)


def plan_of(run: RunDirectory, source: Source, device: torch.device) -> RunPlan:
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
    recipe = recipe_from_json(run.read("recipe"))
    decide_compile(recipe.execution.compile, operations=0, device=device)  # refuses what cannot be
    return RunPlan(
        spec=ModelSpec.from_json(run.read("spec")),
        source=source,
        source_text=data["source"],
        recipe=recipe,
        device=device,
        compile_reason="as the run began",
    )


def absolute_source(text: str) -> str:
    """Return a data source's name as it is, a path to one made absolute."""
    if text in SOURCES:
        return text
    path = Path(text).expanduser()
    return str(path.resolve()) if path.exists() else text
