"""What a person wants to see of a run before it starts, in words."""

import os

import torch

from resnetlab.recipe import Recipe
from resnetlab.recipes import list_recipes, named_recipe
from resnetlab.runs.environment import cpu_name, version
from resnetlab.schedule import LearningRate
from resnetlab.settings import leaves
from resnetlab.spec import ModelSpec
from resnetlab.training.device import describe_device
from resnetlab.training.planning import RunPlan
from resnetlab.units import format_count


def describe_plan(plan: RunPlan) -> dict[str, str]:
    """Return the start block's lines, by their titles."""
    spec, recipe, timeline = plan.spec, plan.recipe, plan.timeline
    train, test = plan.source.train, plan.source.test
    height, width = train.images.shape[1:3]
    products = format_count(spec.num_multiply_adds(height, width))
    held_out = f", {recipe.run.val:,} validation" if recipe.run.val else ""
    purpose = "" if recipe.run.val else " (for display; nothing is selected by it)"
    if recipe.run.stop_at and not recipe.run.val:
        purpose = f" (its accuracy of {recipe.run.stop_at:g} ends the run: a selection on the test set)"
    epochs = timeline.samples_seen(timeline.num_steps) / timeline.num_samples
    threads = f", {torch.get_num_threads()} threads" if plan.device.type == "cpu" else ""
    processor = f" ({cpu_name()}, {os.cpu_count()} cores{threads})" if plan.device.type == "cpu" else ""
    too_small = spec.stem == "imagenet" and max(height, width) < 96
    hint = {"hint": f"{spec.name} is for photographs; --set stem=small suits {height}x{width} images"}
    count = recipe.execution.accumulate
    parts = f"; each batch in {count} microbatches" if count > 1 else ""
    return {
        "resnetlab": f"{version('resnetlab')}, torch {version('torch')}",
        "device": describe_device(plan.device) + processor,
        "model": f"{spec.name}: {spec.source}; {spec.depth} layers, shortcut {spec.shortcut}",
        "size": f"{spec.num_parameters:,} parameters{_published(spec)}, "
        f"{products} multiply-adds per image, {spec.classes} classes",
        "data": f"{plan.source.name}: {timeline.num_samples:,} training images of "
        f"{height}x{width}{held_out}, {len(test.labels):,} test{purpose}",
        "recipe": recipe.name + _deviations(recipe, spec.depth),
        "length": f"{timeline.num_steps:,} steps of {timeline.batch} = {epochs:.2f} epochs{parts}",
        "rate": LearningRate(recipe.schedule, timeline).describe(),
        "compile": f"{recipe.execution.compile} ({plan.compile_reason})",
        **(hint if too_small else {}),
    }


def _published(spec: ModelSpec) -> str:
    return f" (published: {format_count(spec.published_parameters)})" if spec.published_parameters else ""


def _deviations(recipe: Recipe, depth: int) -> str:
    """Return what differs from the named recipe, e.g. ", but lr=0.2 (0.1)"."""
    if recipe.name not in list_recipes():
        return ""
    named = leaves(named_recipe(recipe.name, depth))
    changed = [
        f"{name}={leaf.text or 'none'} ({named[name].text or 'none'})"
        for name, leaf in leaves(recipe).items()
        if leaf.value != named[name].value and name != "compile"
    ]
    return f", but {', '.join(changed)}" if changed else ""
