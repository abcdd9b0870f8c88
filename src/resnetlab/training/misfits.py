"""What network, data and recipe must not be together: every reason why a run cannot be."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from resnetlab.base.share import Share
from resnetlab.data.batches.mix import is_mixing
from resnetlab.data.sources.encoded import AnySource
from resnetlab.errors import UsageError
from resnetlab.network.layers import Norm
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Optimizer, Recipe, Schedule
from resnetlab.recipe.optimizers import OPTIMIZERS
from resnetlab.recipe.timeline import Timeline
from resnetlab.training.parts import part_finder, plan_parts

Size = tuple[int, int]


def refuse_misfits(spec: ModelSpec, source: AnySource, recipe: Recipe) -> None:
    """Raise the first reason why the network cannot learn from this data in this way.

    Raises:
        UsageError: If there is one.
    """
    OPTIMIZERS.find(recipe.optimizer.optimizer)
    for text, hint in _misfits(spec, source, recipe):
        raise UsageError(text, hint=hint)
    plan_parts(spec, recipe.transfer)


def _misfits(spec: ModelSpec, source: AnySource, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield what does not fit, and what to do."""
    run, optimizer, total = recipe.run, recipe.optimizer, len(source.train)
    yield from _unlike_shards(recipe, total - run.val)
    available = total - run.val
    if available < 1:
        yield f"val={run.val} holds out all {total:,} training samples", "Hold out fewer with --val."
    elif run.batch > available:
        text = f"a batch of {run.batch} is more than the {available} training samples"
        yield text, f"Choose one of at most {available} with --batch."
    if spec.classes < len(source.class_names):
        text = f"{spec.name} has {spec.classes} classes, {source.name} has {len(source.class_names)}"
        yield text, f"Leave out --set classes, or give at least {len(source.class_names)}."
    if run.patience and not (run.val or source.val is not None):
        text = f"patience={run.patience} needs validation images, and {source.name} has none of its own"
        yield text, "Hold some training images out with --val, e.g. --val 10%."
    yield from _plateaus(source, recipe)
    if recipe.augmentation.shrink < 1 and source.reads_files:
        text = f"shrink={recipe.augmentation.shrink:g} is for images in memory, and these are read from files"
        yield text, "Leave out shrink, or have them grow: --set train_size=128 --set grow_to=192."
    for name, owner in (("rest_rate", "muon"), ("muon_momentum", "muon"), ("trust", "lars")):
        value, kind = getattr(optimizer, name), optimizer.optimizer
        if kind != owner and value != getattr(Optimizer, name):
            text = f"{name}={value:g} is {owner}'s, and would change nothing of {kind}"
            yield text, f"Leave out {name}, or choose optimizer={owner}."
    if optimizer.fixed_norm and recipe.transfer.bn != "train":
        text = "fixed_norm gives every kernel another norm, which BN's frozen statistics would not follow"
        yield text, "Leave out fixed_norm, or have BN learn (--bn train)."
    if optimizer.fixed_norm and spec.zero_init_residual and spec.order == "pre":
        text = f"fixed_norm would undo zero_init_residual, by which {spec.name}'s last kernels start as zero"
        yield text, "Leave out one of them, or name another recipe, as --recipe quick."


def _plateaus(source: AnySource, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield why the rate cannot follow the loss on validation images, or is told to and does not."""
    schedule, run = recipe.schedule, recipe.run
    if schedule.schedule != "plateau":
        for name in ("plateau_factor", "plateau_patience", "plateau_delta"):
            if (value := getattr(schedule, name)) != getattr(Schedule, name):
                text = f"{name}={value:g} would change nothing of schedule={schedule.schedule}"
                yield text, f"Leave out {name}, or choose schedule=plateau."
        return
    if not (run.val or source.val is not None):
        text = (
            f"schedule=plateau follows the loss on validation images, and {source.name} has none of its own"
        )
        yield text, "Hold some training images out with --val, e.g. --val 10%: never the test images."
    if not run.eval_every.count:
        text = "schedule=plateau follows evaluations, and eval_every=0ep has one alone, at the end"
        yield text, "Evaluate on the way: --set eval_every=1ep."


def _unlike_shards(recipe: Recipe, available: int) -> Iterator[tuple[str, str]]:
    """Yield why batches cannot be cut into shards."""
    batch, shards = recipe.run.batch, recipe.execution.shards
    if batch % shards:
        fewer = batch - batch % shards
        near = [f"--batch {each}" for each in (fewer, fewer + shards) if each <= available]
        hint = f"The nearest that can: {' and '.join(near)}." if near else "Choose fewer shards."
        yield f"a batch of {batch} cannot be cut into {shards} equal shards", hint
    if batch == shards > 1 and is_mixing(recipe.augmentation):
        text = (
            f"a batch of {batch} in {shards} shards: mixup and cutmix mix within a shard, which is one image"
        )
        yield text, "Choose a larger batch (--batch), or fewer shards."


def refuse_no_meeting(recipe: Recipe, num_steps: int) -> None:
    """Refuse a run whose weights never meet their slow copies.

    Raises:
        UsageError: If it is one.
    """
    if recipe.optimizer.lookahead > num_steps:
        raise UsageError(
            f"lookahead={recipe.optimizer.lookahead} is more than the {num_steps:,} steps of the run, whose "
            "weights would end as they begin",
            hint="The weights meet their slow copies every 5 steps or so.",
        )


def refuse_small_batches(recipe: Recipe, timeline: Timeline) -> None:
    """Refuse a run some of whose batches have fewer samples than shards.

    Raises:
        UsageError: If it is one.
    """
    shards, smallest = recipe.execution.shards, min(timeline.batch_sizes)
    if smallest >= shards:
        return
    raise UsageError(
        f"{_last_batch(timeline)} has {smallest} of {timeline.batch} samples, which cannot be cut into "
        f"{shards} shards",
        hint="Batches that run across epochs: --set cycle_epochs=0. Or another batch, or fewer shards.",
    )


def _last_batch(timeline: Timeline) -> str:
    epochs = "each epoch" if timeline.cycle_epochs == 1 else f"{timeline.cycle_epochs} epochs"
    return f"the last batch of {epochs}"


_MOST_LARGER = 1.5
"""Side of the training images by that of evaluation. Objects look larger in random crops than in evaluation,
so that fewer pixels suit training (Touvron et al., 2019, arXiv:1906.06423); many more are a mistake."""

_MOST_SMALLER = 0.5


def refuse_unlike_sides(recipe: Recipe) -> None:
    """Refuse a run on image files that trains at sizes unlike the one that it is evaluated at.

    Raises:
        UsageError: If it is one.
    """
    config = recipe.preparation
    side, last = config.image_size, config.grow_to or config.train_size or config.image_size
    name = "grow_to" if config.grow_to else "train_size"
    fitting = max(1, round(side * 0.75))
    if max(last, config.train_size) > _MOST_LARGER * side or last < _MOST_SMALLER * side:
        raise UsageError(
            f"{name}={last}, image_size={side}: what is learnt at {last} px is not what is seen at {side}",
            hint=f"Leave out {name}, which follows image_size, or give about {fitting} to {side}.",
        )


def refuse_single_samples(
    spec: ModelSpec, recipe: Recipe, timeline: Timeline, sizes: Iterable[Size], *, reads_files: bool
) -> None:
    """Refuse a run in which BN would meet a single number a channel, of which there is no variance.

    That is so where a batch, a shard of it or a microbatch of that holds one sample, and the maps are of 1x1
    pixels.

    Args:
        spec: The network.
        recipe: How it is trained.
        timeline: In which batches.
        sizes: Height and width of the training images, in pixels; each that they ever have.
        reads_files: Whether they could be brought to another size.

    Raises:
        UsageError: If it is one.
    """
    shards, parts = recipe.execution.shards, recipe.execution.accumulate
    if recipe.execution.is_synchronised:  # each has a sample at least, and they are two
        return
    single = sorted(count for count in timeline.batch_sizes if _smallest_cut(count, shards, parts) == 1)
    small = [size for size in sizes if _has_single_pixels(spec, recipe, size)]
    if not (single and small):
        return
    (height, width), count = small[0], single[0]
    why = f"a batch of {count}"
    if count < timeline.batch:
        why = f"{_last_batch(timeline)} has {count} of {timeline.batch} samples"
    pieces = [f"{shards} shards"] if shards > 1 else []
    pieces += [f"{parts} microbatches"] if parts > 1 else []
    why += f", cut into {' of '.join(pieces)}" if pieces else ""
    raise UsageError(
        f"{why}, and on images of {height}x{width} px {spec.name}'s last maps are of 1x1: "
        "BN cannot be trained on one number a channel",
        hint=" ".join(_remedies(spec, recipe, timeline, small[0], reads_files=reads_files)),
    )


def _remedies(
    spec: ModelSpec, recipe: Recipe, timeline: Timeline, size: Size, *, reads_files: bool
) -> Iterator[str]:
    """Yield what makes it fit, each of which was tried."""
    execution, batch = recipe.execution, timeline.batch
    shards, parts = execution.shards, execution.accumulate

    def fits(changed: Timeline, shards: int = shards, parts: int = parts) -> bool:
        return all(_smallest_cut(count, shards, parts) > 1 for count in changed.batch_sizes)

    most = min(4 * batch + 8, timeline.num_samples)
    others = [b for b in range(2, most + 1) if b >= parts * shards and not b % shards]
    if found := [b for b in others if fits(replace(timeline, batch=b))]:
        yield f"Another batch: --batch {min(found, key=lambda b: abs(b - batch))}."
    if parts > 1 and fits(timeline, parts=1):
        yield "Fewer microbatches: --set accumulate=1."
    if shards > 1 and fits(timeline, shards=1):
        yield "Fewer shards: --set shards=1."
    if timeline.cycle_epochs and fits(replace(timeline, cycle_epochs=0)):
        yield "Batches that run across epochs: --set cycle_epochs=0."
    if spec.stem == "imagenet" and not _has_single_pixels(spec.with_(stem="small"), recipe, size):
        yield "A network for small images: --set stem=small."
    if reads_files:
        yield "Larger images: --set image_size=N."
    yield "With trained weights also BN that does not train: --bn frozen-statistics."


def _smallest_cut(count: int, shards: int, parts: int) -> int:
    """Return the samples of the smallest microbatch of a shard, as `batch.cuts` makes them; 0 of none."""
    shard = Share.whole(shards).smallest(count)
    return shard // min(parts, shard) if shard else 0


def _has_single_pixels(spec: ModelSpec, recipe: Recipe, size: Size) -> bool:
    """Return whether a BN that trains on batches gets maps of one pixel."""
    parts, find = plan_parts(spec, recipe.transfer), part_finder(spec)
    return any(
        row.output[1:] == (1, 1) and parts[find(row.path)].bn == "train"
        for row in spec.shapes(*size)
        if isinstance(row.layer, Norm)
    )
