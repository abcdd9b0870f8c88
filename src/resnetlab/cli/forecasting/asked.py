"""From the flags of `plan` to what is to be forecast: network, recipe, data, numbers of devices."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnetlab.cli.resolve import resolve_model, split_settings
from resnetlab.data.sources.choices import Choices
from resnetlab.errors import UsageError
from resnetlab.forecast.datasets import KNOWN, DataFacts, made_up
from resnetlab.forecast.forecast import Work, refuse_unequal
from resnetlab.forecast.memory import Memory, numbers_per_weight, training_memory
from resnetlab.forecast.reduction import norm_reductions, reduced_bytes
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.named import default_recipe
from resnetlab.recipe.settings import Given, Resolution, override, read_texts

if TYPE_CHECKING:
    from resnetlab.data.sources.encoded import AnySource

_FLAGS = ("epochs", "steps", "batch")
_SAMPLED = 200
"""Files whose sizes are looked at."""


@dataclass(frozen=True)
class Asked:
    """What is to be planned, but for the devices."""

    spec: ModelSpec
    recipe: Recipe
    data: DataFacts
    sizes: tuple[tuple[int, int, float], ...]
    """Height and width of the training images, and the share of the run that they are so large."""
    scored_size: tuple[int, int]
    batch_per_device: int | None
    """If the batch grows with the devices."""

    def recipe_on(self, devices: int) -> Recipe:
        """Return the recipe for so many devices: its batch, in its shards or one for each device.

        Raises:
            UsageError: If the batch does not divide, or is larger than the data.
        """
        own = self.recipe.execution.shards
        shards = own if own > 1 else devices
        batch = self.batch_per_device * devices if self.batch_per_device else self.recipe.run.batch
        samples = self.data.train - self.recipe.run.val
        if batch > samples:
            raise UsageError(f"a batch of {batch:,} is more than the {samples:,} training samples")
        refuse_unequal(batch, shards, devices)
        return override(self.recipe, {"batch": batch, "shards": shards})

    def at_once(self, devices: int) -> int:
        """Return how many samples a device makes at once: a microbatch of a shard; raises as `recipe_on`."""
        recipe = self.recipe_on(devices)
        return -(-recipe.run.batch // recipe.execution.shards // recipe.execution.accumulate)

    @property
    def largest(self) -> tuple[int, int]:
        """Height and width of the largest training images."""
        return max((height, width) for height, width, _ in self.sizes)

    @property
    def smaller(self) -> float:
        """The floating-point operations of a step by those of one on the largest images; 1 if all are so."""
        mean = sum(share * self.spec.num_multiply_adds(height, width) for height, width, share in self.sizes)
        return mean / self.spec.num_multiply_adds(*self.largest)

    def work(self, recipe: Recipe) -> Work:
        """Return what is to be done with a recipe's batch."""
        from resnetlab.data.feeding import EVALUATION_BATCH, evaluation_batch

        def memory_of(processes: int, accumulate: int) -> Memory:
            changed = override(recipe, {"accumulate": accumulate})
            return training_memory(self.spec, changed, *self.largest, processes=processes)

        files = self.data.reads_files
        scored = evaluation_batch(*self.scored_size, self.spec.in_channels) if files else EVALUATION_BATCH
        shards = recipe.execution.shards
        is_together = shards > 1 and recipe.execution.shard_bn == "sync"
        numbers = numbers_per_weight(recipe.optimizer) - 1  # the gradient is not saved
        return Work(
            data=self.data,
            run=recipe.run,
            reduced_bytes=reduced_bytes(self.spec),
            norm_reductions=norm_reductions(self.spec, shards) if is_together else {},
            saved_bytes=4.0 * numbers * self.spec.num_parameters,
            scored_at_once=scored,
            shards=shards,
            accumulate=recipe.execution.accumulate,
            passes=_passes(recipe),
            memory_of=memory_of,
        )


def _passes(recipe: Recipe) -> float:
    """Return how many forward and backward passes an update takes."""
    again = 4 / 3 if recipe.execution.checkpoint_activations else 1.0  # a second forward pass
    return again * (2 if recipe.optimizer.sam else 1)


def read_asked(options: argparse.Namespace) -> Asked:
    """Return what the flags ask for.

    Raises:
        UsageError: If they contradict each other or name what there is not.
        DataError: If data that is no name cannot be opened.
    """
    from resnetlab.data.feeding import training_sizes

    flags: list[Given] = [
        (f"--{name} {value}", name, str(value))
        for name in _FLAGS
        if (value := getattr(options, name)) is not None
    ]
    texts, knobs = split_settings(options.set, flags)
    spec = resolve_model(options.model, knobs)
    source = None
    if options.images is not None:
        data = made_up(options.images, spec.classes, 0 if spec.input_size > 64 else spec.input_size)
    elif options.data in KNOWN:
        data = KNOWN[options.data]
    else:
        source = _open(spec, options, tuple(knobs))
        data = _facts_of(source)
    resolution = _resolve(options, spec, texts, data)
    resolution.hold_out(data.train)
    resolution.follow_length(data.train)
    recipe = resolution.recipe
    fitted = {"classes": data.classes, "in_channels": 3} if source is None else _fitted(source, spec)
    spec = spec.with_(**{name: value for name, value in fitted.items() if name not in knobs})
    size = _side_in_memory(source, data) or (recipe.preparation.image_size or spec.input_size,) * 2
    shares = training_sizes(recipe, size, reads_files=data.reads_files).items()
    sizes = tuple((height, width, share) for (height, width), share in shares)
    return Asked(spec, recipe, data, sizes, size, options.batch_per_device)


def _resolve(
    options: argparse.Namespace, spec: ModelSpec, texts: dict[str, str], data: DataFacts
) -> Resolution:
    from resnetlab.training import asking

    asked = asking.Asked(data=options.data, recipe=options.recipe, values=read_texts(texts))
    return asked.resolve(spec.depth, default_recipe(options.data, reads_files=data.reads_files))


def _open(spec: ModelSpec, options: argparse.Namespace, fixed: Sequence[str]) -> "AnySource":
    from resnetlab.training.planning import open_for

    return open_for(spec, options.data, fixed, choices=Choices.parse(options.data_set))


def _facts_of(source: "AnySource") -> DataFacts:
    from resnetlab.data.sources.encoded import EncodedSplit

    train, sizes = source.train, [0]
    if isinstance(train, EncodedSplit):
        indices = range(0, len(train), max(1, len(train) // _SAMPLED))
        sizes = [train.reader.size(int(train.indices[index])) for index in indices]
    return DataFacts(
        name=source.name,
        train=len(train),
        test=len(source.test),
        classes=len(source.class_names),
        reads_files=source.reads_files,
        file_bytes=sum(sizes) / len(sizes),
        source="counted in the data",
    )


def _fitted(source: "AnySource", spec: ModelSpec) -> dict[str, int]:
    from resnetlab.training.planning import fit_to_source

    fitted = fit_to_source(spec, source)
    return {"classes": fitted.classes, "in_channels": fitted.in_channels}


def _side_in_memory(source: "AnySource | None", data: DataFacts) -> tuple[int, int] | None:
    """Return height and width of images that lie in memory."""
    if data.reads_files:
        return None
    if source is None:
        return data.side, data.side
    height, width, _ = source.train.input_shape(None)
    return height, width


def read_counts(text: str) -> list[int]:
    """Return the numbers of devices of "64", "1,2,4" or "1,2,...,1024", where ... doubles.

    Raises:
        UsageError: If it is none of that.
    """
    parts = [part.strip() for part in text.split(",")]
    counts: list[int] = []
    for index, part in enumerate(parts):
        if part in ("...", "…") and counts and index + 1 < len(parts) and parts[index + 1].isdecimal():
            last = int(parts[index + 1])
            while 2 * counts[-1] < last:
                counts.append(2 * counts[-1])
        elif part.isdecimal() and int(part) > 0:
            counts.append(int(part))
        else:
            raise _no_counts(text)
    if sorted(set(counts)) != counts:
        raise _no_counts(text)
    return counts


def _no_counts(text: str) -> UsageError:
    return UsageError(
        f"--devices {text}: no number of devices",
        hint="Write one as 64, several as 1,2,4,8 or as 1,2,...,1024, where each is twice the one before.",
    )


def read_rate(text: str) -> tuple[float, int]:
    """Return rate and batch of "2900@256" or "2900", whose batch is 0.

    Raises:
        UsageError: If it is neither.
    """
    rate, at, batch = text.partition("@")
    try:
        found = float(rate), int(batch) if at else 0
    except ValueError:
        found = 0.0, 0
    if not 0 < found[0] < float("inf") or (at and found[1] < 1):
        raise UsageError(
            f"--images-per-second {text}: no rate", hint="E.g. 2900, or 2900@256 at 256 images a step."
        )
    return found
