"""What a person wants to see of a run before it starts, in words."""

import os

import torch

from resnetlab.runs.environment import cpu_name, version
from resnetlab.schedule import LearningRate
from resnetlab.training.device import describe_device
from resnetlab.training.session import Plan
from resnetlab.units import format_count


def describe_plan(plan: Plan) -> dict[str, str]:
    """Return the start block's lines, by their titles."""
    spec, recipe, timeline = plan.spec, plan.recipe, plan.timeline
    train, test = plan.source.train, plan.source.test
    height, width = train.images.shape[1:3]
    products = format_count(spec.num_multiply_adds(height, width))
    held_out = f", {recipe.run.val:,} validation" if recipe.run.val else ""
    purpose = "" if recipe.run.val else " (for display; nothing is selected by it)"
    epochs = timeline.samples_seen(timeline.num_steps) / timeline.num_samples
    threads = f", {torch.get_num_threads()} threads" if plan.device.type == "cpu" else ""
    processor = f" ({cpu_name()}, {os.cpu_count()} cores{threads})" if plan.device.type == "cpu" else ""
    return {
        "resnetlab": f"{version('resnetlab')}, torch {version('torch')}",
        "device": describe_device(plan.device) + processor,
        "model": f"{spec.name}: {spec.num_parameters:,} parameters, {products} multiply-adds per image",
        "data": f"{plan.source.name}: {timeline.num_samples:,} training images of "
        f"{height}x{width}{held_out}, {len(test.labels):,} test{purpose}",
        "recipe": recipe.name,
        "length": f"{timeline.num_steps:,} steps of {timeline.batch} = {epochs:.2f} epochs",
        "rate": LearningRate(recipe.schedule, timeline).describe(),
        "compile": f"{recipe.execution.compile} ({plan.compile_reason})",
    }
