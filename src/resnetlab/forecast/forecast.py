"""What a run takes on so many devices: the parts of a step, the whole, cores and memory. No torch."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from resnetlab.base.units import format_bytes
from resnetlab.errors import UsageError
from resnetlab.forecast.datasets import DataFacts
from resnetlab.forecast.memory import Memory
from resnetlab.forecast.reduction import Fabric
from resnetlab.recipe.running import Run
from resnetlab.recipe.timeline import Timeline

LOADERS = 16
"""Processes that read files for one process that trains, at most (`data.batches.loader.count_workers`)."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a forecast must know of a device and its host, all in plain units."""

    title: str
    shard_seconds: Callable[[int], float]
    """Time of a forward and backward pass of so many samples, on one device."""
    update_seconds: float
    score_seconds: float
    """Time of one image in an evaluation, on one device."""
    fabric: Fabric
    is_exact: bool
    """Whether gradients are added in the fixed tree; else by a plain all-reduce."""
    memory: float
    """Bytes of a device; 0 if unknown."""
    cores: int
    """Of a host."""
    crowding: float = 1.0
    """By how much devices are slower because they share cores; `shard_seconds` and all else has it in it."""
    decode: float
    """Image files that a core decodes a second."""
    write: float
    """Bytes that a checkpoint is written at a second."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be done, whatever the number of devices but for the batch."""

    data: DataFacts
    run: Run
    """Batch, length, evaluations, checkpoints."""
    reduced_bytes: float
    norm_reductions: Mapping[int, int] = field(default_factory=dict)
    """Beside that one, with shard_bn=sync: how many times how many bytes."""
    saved_bytes: float
    """Of a checkpoint."""
    scored_at_once: int
    """Images in a batch of an evaluation."""
    shards: int
    """Of a batch."""
    accumulate: int
    """Microbatches of a shard."""
    passes: float
    """Forward and backward passes that an update takes."""
    memory_of: Callable[[int, int], Memory]
    """Of one process: of so many processes, with so many microbatches of a shard."""

    @property
    def timeline(self) -> Timeline:
        """The run's steps."""
        run = self.run
        return Timeline(
            num_samples=self.data.train - run.val,
            batch=run.batch,
            length=run.length,
            cycle_epochs=run.cycle_epochs,
        )


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """A run on so many devices. Times in seconds."""

    devices: int
    hosts: int
    batch: int
    shards: int
    each: int
    """Samples that a device makes of a batch."""
    compute: float
    """Of a step: forward, backward, update."""
    sharing: float
    """What of that is lost to cores that devices share."""
    reduction: float
    waiting: float
    """For images that are not decoded yet."""
    steps: int
    epochs: float
    score: float
    """One evaluation."""
    scores: int
    save: float
    """One checkpoint."""
    saves: int
    cores_needed: float
    """Of a host, to decode as many images as its devices can learn from; 0 if none are decoded."""
    cores_free: int
    """Of a host, for decoding."""
    bytes_read: float
    """A second, by all hosts together."""
    memory: Memory

    @property
    def step(self) -> float:
        """The time of a step: nothing overlaps but the decoding."""
        return self.compute + self.reduction + self.waiting

    @property
    def images_per_second(self) -> float:
        """The rate of training, between evaluations."""
        return self.batch / self.step

    @property
    def train(self) -> float:
        """All steps."""
        return self.steps * self.step

    @property
    def total(self) -> float:
        """All steps, evaluations and checkpoints."""
        return self.train + self.scores * self.score + self.saves * self.save

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON data."""
        derived = {
            "step": self.step,
            "images_per_second": self.images_per_second,
            "train": self.train,
            "total": self.total,
        }
        return asdict(self) | derived


def forecast(work: Work, machine: Machine, devices: int) -> Forecast:
    """Return what the work takes on so many devices.

    Raises:
        UsageError: If the batch does not divide into the shards, or the shards among the devices.
    """
    batch, shards, timeline = work.run.batch, work.shards, work.timeline
    refuse_unequal(batch, shards, devices)
    hosts = machine.fabric.hosts(devices)
    on_host = min(devices, machine.fabric.devices_per_host)
    at_once = -(-batch // shards // work.accumulate)
    parts = shards // devices * work.accumulate
    passing = work.passes * parts * machine.shard_seconds(at_once)
    compute = passing + machine.update_seconds
    add = machine.fabric.tree_seconds if machine.is_exact else machine.fabric.ring_seconds
    reduction = add(work.reduced_bytes, devices)
    reduction += sum(times * add(num_bytes, devices) for num_bytes, times in work.norm_reductions.items())
    cores_free = max(1, min(LOADERS * on_host, machine.cores - on_host))
    decoding = batch / hosts / machine.decode if work.data.reads_files else 0.0  # of one core of a host
    waiting = max(0.0, decoding / cores_free - compute - reduction)
    step = compute + reduction + waiting
    return Forecast(
        devices=devices,
        hosts=hosts,
        batch=batch,
        shards=shards,
        each=batch // devices,
        compute=compute,
        sharing=compute - compute / machine.crowding,
        reduction=reduction,
        waiting=waiting,
        steps=timeline.num_steps,
        epochs=timeline.samples_seen(timeline.num_steps) / timeline.num_samples,
        score=_score_seconds(work, machine, devices, cores_free),
        scores=count_scores(work.run, timeline),
        save=work.saved_bytes / machine.write,
        saves=_count_saves(work.run, timeline.num_steps),
        cores_needed=decoding / (compute + reduction),
        cores_free=cores_free,
        bytes_read=work.data.file_bytes * batch / step,
        memory=work.memory_of(devices, work.accumulate),
    )


def refuse_unequal(batch: int, shards: int, devices: int) -> None:
    """Refuse a batch that cannot be cut into equal shards, and shards that devices cannot share equally.

    Raises:
        UsageError: With the nearest that can.
    """
    if batch % shards:
        below, above = batch // shards * shards, (batch // shards + 1) * shards
        fitting = f"{below:,} and {above:,} can" if below else f"{above:,} can"
        raise UsageError(
            f"a batch of {batch:,} cannot be cut into {shards:,} equal shards: {fitting}",
            hint=f"A batch of {batch:,} can be divided among {_nearest_divisors(batch, shards)} devices.",
        )
    if shards % devices:
        raise UsageError(
            f"{devices:,} devices cannot share {shards:,} shards equally",
            hint=f"{_nearest_divisors(shards, devices)} can; or --set shards=N, a multiple of {devices:,}.",
        )


def memory_problem(found: Forecast, work: Work, machine: Machine) -> str:
    """Say what is too little memory, and what would do; "" if it is enough."""
    if not machine.memory or found.memory.total <= machine.memory:
        return ""
    text = (
        f"{format_bytes(found.memory.total)} do not fit into the {format_bytes(machine.memory)} of a device"
    )
    samples, parts = found.batch // found.shards, 2 * work.accumulate
    while parts <= samples:
        if work.memory_of(found.devices, parts).total <= machine.memory:
            over = samples // parts * (work.shards if work.norm_reductions else 1)
            return f"{text}: --set accumulate={parts} does, with BN over {over} samples"
        parts *= 2
    return f"{text}, however small the microbatches"


def _nearest_divisors(number: int, near: int) -> str:
    """Return in words the divisors of a number that are nearest to another one, below and above."""
    divisors = [count for count in range(1, number + 1) if number % count == 0]
    below = [count for count in divisors if count <= near][-1:]
    above = [count for count in divisors if count > near][:1]
    return " or ".join(f"{count:,}" for count in below + above)


def _score_seconds(work: Work, machine: Machine, devices: int, cores_free: int) -> float:
    """Return the time of an evaluation, whose batches are divided among the devices."""
    rounds = -(-work.data.test // work.scored_at_once // devices)
    computing = rounds * min(work.scored_at_once, work.data.test) * machine.score_seconds
    decoding = work.data.test / machine.fabric.hosts(devices) / machine.decode / cores_free
    return max(computing, decoding * work.data.reads_files)


def count_scores(run: Run, timeline: Timeline) -> int:
    """Return how often a run evaluates: as `recipe.due.Due` says, and at its end."""
    every, steps = run.eval_every, timeline.num_steps
    if not every.count:
        return 1
    if every.unit == "st":
        return -(-steps // every.count)
    ended = timeline.epochs_ended(steps) // every.count
    is_last = ended > timeline.epochs_ended(steps - 1) // every.count  # the run's end is the end of one
    return ended + (not is_last)


def _count_saves(run: Run, steps: int) -> int:
    """Return how many checkpoints a run writes, the one at its end with them."""
    return -(-steps // run.checkpoint_every) if run.checkpoint_every else 1
