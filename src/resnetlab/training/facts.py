"""What a person wants to see of a run before it starts, in words."""

import os
from collections.abc import Sequence

import torch

from resnetlab.base.lettering import in_a_line
from resnetlab.base.paths import as_word
from resnetlab.base.units import first_of, format_bytes, format_count, format_rounded
from resnetlab.data.batches.loader import SHARED_MEMORY, count_workers, shared_bytes, shared_memory
from resnetlab.data.batches.preprocessing import Geometry
from resnetlab.data.feeding import evaluation_batch
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe.schedule import LearningRate
from resnetlab.runs.environment import cpu_name, version
from resnetlab.show.tables.differences import decided_for_us, deviations
from resnetlab.show.tables.sentences import shortcut_text
from resnetlab.training.parts import plan_parts
from resnetlab.training.planning import RunPlan
from resnetlab.training.step.device import describe_device


def describe_plan(plan: RunPlan, devices: int = 1) -> dict[str, str]:
    """Return the start block's lines, by their titles, of a run that so many devices make."""
    spec, recipe, timeline = plan.spec, plan.recipe, plan.timeline
    test, val = plan.source.test, plan.source.val
    height, width, _ = plan.image_shape
    products = format_count(spec.num_multiply_adds(height, width))
    validation = recipe.run.val or (len(val) if val else 0)
    held_out = f", {validation:,} validation" if validation else ""
    purpose = "" if validation else " (for display; nothing is selected by it)"
    if recipe.run.stop_at and not validation:
        purpose = f" (its accuracy of {recipe.run.stop_at:g} ends the run: a selection on the test set)"
    epochs = timeline.samples_seen(timeline.num_steps) / timeline.num_samples
    threads = f", {torch.get_num_threads()} threads" if plan.device.type == "cpu" else ""
    processor = f" ({cpu_name()}, {os.cpu_count()} cores{threads})" if plan.device.type == "cpu" else ""
    too_small = spec.stem == "imagenet" and max(height, width) < 96
    remedy = f"--set stem=small suits {height}x{width} images"
    if plan.weights_text:
        remedy = "images in memory stay as they are; as files (`data unpack`) they would be enlarged"
        if plan.reads_files:
            remedy = (
                f"at {height}x{width} pixels it sees little; --set image_size=N enlarges the files' images"
            )
    hint = {"hint": f"{spec.name} is for photographs; {remedy}"}
    count, shards = recipe.execution.accumulate, recipe.execution.shards
    parts = f"; each {'shard' if shards > 1 else 'batch'} in {count} microbatches" if count > 1 else ""
    return {
        "resnetlab": f"{version('resnetlab')}, torch {version('torch')}",
        "device": describe_device(plan.device) + processor,
        "model": f"{spec.name}: {spec.source}; {spec.depth} layers, shortcut {shortcut_text(spec)}",
        "size": f"{spec.num_parameters:,} parameters{_published(spec)}, "
        f"{products} multiply-adds per image, {spec.classes} classes",
        "data": f"{plan.source.name}: {timeline.num_samples:,} training images of "
        f"{height}x{width}{held_out}, {len(test.labels):,} test{purpose}",
        "classes": _classes(plan.source.class_names),
        **_notes(plan.source.notes),
        **_reading(plan),
        **_transfer(plan),
        **({"goes on": plan.continues} if plan.continues else {}),
        **plan.said(),
        "recipe": recipe.name + _deviations(plan),
        "length": f"{timeline.num_steps:,} steps of {timeline.batch} = {epochs:.2f} epochs{parts}",
        **_division(plan, devices),
        **_rate(plan),
        "steps": plan.steps_text,
        "capture": f"{recipe.execution.capture} ({plan.capture_reason})",
        **(hint if too_small else {}),
        **_from_nothing(plan),
    }


_FEW_IMAGES = 10_000
"""Below which weights that were trained on more do far better than a start from nothing."""


def _from_nothing(plan: RunPlan) -> dict[str, str]:
    """Return what would do better, where a network is to learn photographs from few of them."""
    count = plan.timeline.num_samples
    if not plan.reads_files or plan.weights_text or plan.continues or count >= _FEW_IMAGES:
        return {}
    command = f"`resnetlab finetune --data {as_word(plan.source_text)}`"
    return {"better": f"{command}: {count:,} images are few for a start from nothing"}


def _rate(plan: RunPlan) -> dict[str, str]:
    """Return the schedule, and what of it the run is too short for."""
    rate = LearningRate(plan.recipe.schedule, plan.timeline)
    return {"rate": rate.describe()} | ({"too short": unreached} if (unreached := rate.unreached()) else {})


def _division(plan: RunPlan, devices: int) -> dict[str, str]:
    """Return how a batch is cut into shards, and who makes them."""
    shards, batch = plan.recipe.execution.shards, plan.recipe.run.batch
    if shards == devices == 1:
        return {}
    running = {"mean": "their mean", "first": "those of the first", "sync": "of the whole batch"}
    statistics = running[plan.recipe.execution.shard_bn]
    told = f"{shards} a batch, of {_evenly(batch, shards)} samples; running BN statistics: {statistics}"
    each = f"{shards // devices} shard{'s' if shards > devices else ''} = {_evenly(batch, devices)} samples"
    return {"shards": told, "devices": f"{devices}, with {each} of a step each"}


def _evenly(count: int, parts: int) -> str:
    return f"{count // parts}" + (f" or {count // parts + 1}" if count % parts else "")


_MOST_CLASSES = 10
_MOST_LETTERS = 40


def _classes(names: Sequence[str]) -> str:
    """Return the number of classes and the first names, so that classes nobody meant are seen at once."""
    shown = [in_a_line(name) for name in names[: _MOST_CLASSES + 1]]
    shown = [name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 3]}..." for name in shown]
    return f"{len(names):,}: {first_of([*shown, *names[len(shown) :]], _MOST_CLASSES)}"


def _notes(notes: Sequence[str]) -> dict[str, str]:
    """Return what the source says of itself, as `resnetlab data describe` does."""
    return {f"note {number}": in_a_line(note) for number, note in enumerate(notes, start=1)}


def _reading(plan: RunPlan) -> dict[str, str]:
    """Return how image files are read, or that the recipe's preparation of files does not apply."""
    config = plan.recipe.preparation
    if not plan.reads_files:
        height, width, _ = plan.image_shape
        unused = f"as they are, {height}x{width}; what the recipe says of image files does not apply"
        return {"images": unused} if config.image_size not in (0, height) else {}
    workers = count_workers(plan.workers, plan.device)
    readers = f"{workers} worker processes" if workers else "this process"
    room = _shared_memory(plan, workers)
    if not config.image_size:
        return {"images": f"files of one size, read by {readers}", **room}
    side, side_now = config.image_size, config.train_size or config.image_size
    geometry = Geometry.of(config)
    cut = {"none": f"shorter side {geometry.resize}, centre"}.get(config.train_crop, config.train_crop)
    grows = f" (growing to {config.grow_to})" if config.grow_to else ""
    policy = "" if config.auto_augment == "none" else f", {config.auto_augment} augment"
    return {
        "images": f"training {cut} crop to {side_now}{grows}{policy}; evaluation shorter side "
        f"{geometry.resize}, centre {side}; {config.interpolation}; read by {readers}",
        **room,
    }


def _shared_memory(plan: RunPlan, workers: int) -> dict[str, str]:
    """Return what the batches that workers read ahead need of the shared memory, where that is bounded."""
    if not workers or (free := shared_memory()) is None:
        return {}
    height, width, channels = plan.image_shape
    needed = shared_bytes(workers, plan.timeline.batch, max(plan.training_sizes), channels)
    scored = min(evaluation_batch(height, width, channels), len(plan.source.test.labels))
    needed += shared_bytes(workers, scored, (height, width), channels)
    told = (
        f"{format_bytes(needed)} at most for what is read ahead; {format_bytes(free)} free in {SHARED_MEMORY}"
    )
    remedy = "; too little: fewer --workers, or a container's --shm-size=2g" if needed > free else ""
    return {"shared": told + remedy}


def _transfer(plan: RunPlan) -> dict[str, str]:
    """Return where the first weights come from, if not from the seed, and which parts learn how."""
    texts = {"weights": plan.weights_text} if plan.weights_text else {}
    parts = plan_parts(plan.spec, plan.recipe.transfer)
    if all(part.rate == 1 and part.bn == "train" for part in parts):
        return texts
    frozen = [part.name for part in parts if not part.rate]
    rates = [f"{part.name} {part.rate:.3g}" for part in parts if part.rate]
    told = [f"shares of the rate: {', '.join(rates)}"]
    moves = plan.recipe.transfer.frozen_bn == "moving"
    how = "frozen but for their BN statistics, which move" if moves else "frozen with their BN statistics"
    told += [f"{how}: {', '.join(frozen)}"] if frozen else []
    texts["learning"] = "; ".join(told)
    if any(part.rate for part in parts[:-1]):
        texts["bn"] = BN_WORDS[plan.recipe.transfer.bn]
    return texts


BN_WORDS = {
    "train": "batch statistics, as in training from scratch",
    "frozen-statistics": "the running statistics are used and do not move; gamma and beta learn",
    "frozen": "nothing of it learns or moves",
}
"""What BN does in the parts that learn, by `Transfer.bn`."""


def _published(spec: ModelSpec) -> str:
    return f" (published: {format_rounded(spec.published_parameters)})" if spec.published_parameters else ""


def _deviations(plan: RunPlan) -> str:
    """Return what differs from the named recipe, e.g. ", but lr=0.2 (0.1)".

    A normalisation that came with trained weights is not told number by number.
    """
    silent = decided_for_us(begins_trained=bool(plan.weights_text))
    changed = deviations(plan.recipe, plan.spec.depth, silent)
    return f", but {', '.join(changed)}" if changed else ""
