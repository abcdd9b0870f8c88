"""Images per second of training and evaluation, against what the machine can do."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from resnetlab.base.machine.rates import peak_memory, synchronise
from resnetlab.base.machine.yardstick import Peak
from resnetlab.base.share import Share
from resnetlab.base.units import Duration
from resnetlab.data.batches.batches import Batches, ResidentSplit, evaluation_batches
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.sources.source import Split
from resnetlab.engines.answering import Engine
from resnetlab.engines.choosing import Work, choose, seconds_of
from resnetlab.errors import UsageError
from resnetlab.native.measured.rating import machine_peak, seen_faster
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.schedule import LearningRate
from resnetlab.recipe.settings import override
from resnetlab.recipe.timeline import Timeline
from resnetlab.training.recorded.programs import StepProgram, step_program
from resnetlab.training.session import build_state
from resnetlab.training.step.device import apply_switches, describe_device, leaving_as_found
from resnetlab.training.step.state import TrainState
from resnetlab.training.step.steps import TrainStep, autocast

_EVALUATED_SECONDS = 60.0  # of work, for which an engine is chosen
_SMALL_BATCH = 32
_TRIAL_OPERATIONS = 2e10  # of a trial step on the CPU: about a second of one core


@dataclass(frozen=True)
class Speed:
    """One measurement. Rates are of the median step."""

    what: str
    model: str
    device: str
    threads: int
    precision: str
    compiled: bool
    how: str
    batch: int
    steps: int
    images_per_second: float
    step_milliseconds: float
    fastest_milliseconds: float
    gflops_per_second: float
    """2 per multiply-add; training counts three times the forward pass."""
    machine_gflops_per_second: float
    """The best rate that this machine was seen to compute at, in this precision."""
    machine_rate_by: str
    """What reached it."""
    machine_gflops_now: float
    """What that reaches at this moment; 0 where it was not run again."""
    is_machine_busy: bool
    """Whether something else was using the machine, so that all of this is too slow."""
    share_of_machine: float
    """At most 1."""
    matmul_gflops_per_second: float
    """Of a matrix product, which some processors' libraries make slowly. Former versions divided by it."""
    share_of_matmul_peak: float
    """May be above 1."""
    augmentation_share: float
    """Share of the step spent on cutting, augmenting and normalising the batch."""
    first_step_seconds: float
    peak_memory_bytes: int
    engine: str = ""
    """Of an evaluation: who made the logits, if it was none of torch.compile's that the recipe asks for."""
    engine_said: str = ""
    """It, and why it was that one."""

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON data."""
        return asdict(self)


@leaving_as_found()
def measure_speed(
    what: str,
    spec: ModelSpec,
    recipe: Recipe,
    device: torch.device,
    *,
    steps: int = 30,
    warmup: int = 5,
    engine: str = "",
    remeasure: bool = False,
    look: "Callable[[Making, Speed, Peak], None] | None" = None,
) -> Speed:
    """Time whole steps of training (augmentation, forward, backward, update) or of evaluation.

    Args:
        what: "train" or "eval".
        spec: The network.
        recipe: Batch, optimizer, augmentation, precision and compilation. compile "auto" is off.
        device: Where to run.
        steps: Steps that are timed.
        warmup: Steps before those.
        engine: Of an evaluation: as `evaluate` takes it for a minute of work; "": as compile says.
        remeasure: Whether to measure anew what the machine can do.
        look: Called last, with the steps.
    """
    _refuse(steps, warmup)
    length = Duration(warmup + (2 * steps if look else steps), "st")
    recipe = override(recipe, {"length": length, "val": 0})
    making = _making(what, spec, recipe, device, engine)
    first = timed(making.step, 0, device)
    for index in range(1, warmup):
        making.step(index)
    measured = range(warmup, warmup + steps)
    times = [timed(making.step, index, device) for index in measured]
    prepared = [timed(making.prepare, index, device) for index in measured]
    median = statistics.median(times)
    operations, held = _counted(what, spec, recipe)
    peak = _peak(device, recipe, operations / min(times), held, anew=remeasure)
    speed = Speed(
        what=what,
        model=spec.name,
        device=describe_device(device),
        threads=torch.get_num_threads(),
        precision=recipe.execution.precision,
        compiled=recipe.execution.compile == "on",
        how=recipe.execution.compile,
        batch=recipe.run.batch,
        steps=steps,
        images_per_second=recipe.run.batch / median,
        step_milliseconds=1e3 * median,
        fastest_milliseconds=1e3 * min(times),
        gflops_per_second=operations / median / 1e9,
        **_beside(peak, operations / median),
        augmentation_share=statistics.median(prepared) / median,
        first_step_seconds=first,
        peak_memory_bytes=peak_memory(device),
        **_told(making.engine),
    )
    if look:
        look(making, speed, peak)
    return speed


def _refuse(steps: int, warmup: int) -> None:
    if steps < 1 or warmup < 1:
        raise UsageError(f"steps and warmup must be at least 1, got {steps} and {warmup}")


def _making(what: str, spec: ModelSpec, recipe: Recipe, device: torch.device, engine: str) -> "Making":
    return training(spec, recipe, device) if what == "train" else evaluation(spec, recipe, device, engine)


def _counted(what: str, spec: ModelSpec, recipe: Recipe) -> tuple[float, str]:
    """Return the floating-point operations of a step, and what it is called."""
    operations = 2.0 * spec.num_multiply_adds() * recipe.run.batch * (3 if what == "train" else 1)
    return (
        operations,
        f"{'training' if what == 'train' else 'evaluating'} {spec.name}, batch {recipe.run.batch}",
    )


def _told(engine: Engine | None) -> dict[str, Any]:
    return {"engine": engine.name, "engine_said": engine.said} if engine else {}


def _peak(
    device: torch.device, recipe: Recipe, rate: float, by: str, *, anew: bool = False, looks: bool = True
) -> Peak:
    """Return the best rate seen on the device: that of the workload itself where it is the best."""
    peak = machine_peak(device, recipe.execution.precision, anew=anew, looks=looks)
    if rate <= peak.rate:
        return peak
    if recipe.transfer.freeze != "none":  # which computes less than is counted
        return replace(peak, rate=rate, by=by, now=0.0)
    return seen_faster(device, recipe.execution.precision, rate=rate, by=by)


def _beside(peak: Peak, rate: float) -> dict[str, Any]:
    """Return what a `Speed` says of the machine, where so many operations are made in a second."""
    return {
        "machine_gflops_per_second": peak.rate / 1e9,
        "machine_rate_by": peak.by,
        "machine_gflops_now": peak.now / 1e9,
        "is_machine_busy": peak.is_busy,
        "share_of_machine": rate / peak.rate,
        "matmul_gflops_per_second": peak.product / 1e9,
        "share_of_matmul_peak": rate / peak.product if peak.product else 0.0,
    }


Step = Callable[[int], object]
Size = tuple[int, int]
"""Height and width of images."""


@dataclass(frozen=True, kw_only=True)
class Making:
    """What makes the steps that are measured.

    Attributes:
        step: Makes a step.
        prepare: Only prepares its batch.
        engine: Who makes the logits of an evaluation, if that was asked for.
    """

    step: Step
    prepare: Step
    engine: Engine | None = None


@dataclass(frozen=True, kw_only=True)
class Training(Making):
    """What makes training steps.

    Attributes:
        program: Makes them.
        batches: Their batches.
        state: What is trained.
        step_function: Makes an update of it.
    """

    program: StepProgram
    batches: Batches
    state: TrainState
    step_function: TrainStep


def training(
    spec: ModelSpec,
    recipe: Recipe,
    device: torch.device,
    *,
    num_samples: int = 0,
    keeps_rate: bool = False,
    size: Size | None = None,
) -> Training:
    """Return what makes training steps on random images.

    Args:
        spec: The network.
        recipe: The recipe.
        device: Where.
        num_samples: Images in memory; 0 makes that two batches.
        keeps_rate: Take the recipe's learning rates instead of one small one for all steps.
        size: Of the images, if not the network's own.
    """
    if not keeps_rate:
        recipe = override(
            recipe, {"schedule": "constant", "lr": 1e-3, "lr_batch": 0, "warmup": Duration(0, "st")}
        )
    batches = random_batches(spec, recipe, device, num_samples=num_samples, size=size)
    state, step_function = build_state(spec, recipe, device)
    rate = LearningRate(recipe.schedule, batches.timeline)
    program = step_program(spec, batches, rate, state, step_function)
    return Training(
        step=lambda step: program.run(1),
        prepare=batches.at,
        program=program,
        batches=batches,
        state=state,
        step_function=step_function,
    )


def random_batches(
    spec: ModelSpec,
    recipe: Recipe,
    device: torch.device,
    *,
    num_samples: int = 0,
    size: Size | None = None,
) -> Batches:
    """Return a recipe's batches of random images; see `training`. Torch's switches are set for it."""
    recipe = override(recipe, {"shrink": 1.0})  # images of the network's own size throughout
    apply_switches(device, recipe.execution)
    split = _random_split(spec, num_samples or 2 * recipe.run.batch, size)
    normaliser = Normaliser.fit(recipe.normalisation, split.images)
    timeline = Timeline(num_samples=len(split), batch=recipe.run.batch, length=recipe.run.length)
    return Batches(
        split,
        timeline=timeline,
        seed=0,
        augmentation=recipe.augmentation,
        normaliser=normaliser,
        device=device,
        channels_last=recipe.execution.channels_last,
        share=Share.whole(recipe.execution.shards),
    )


def evaluation(spec: ModelSpec, recipe: Recipe, device: torch.device, engine: str = "") -> Making:
    """Return what scores a batch; torch.profiler is told when it prepares one. Engines: `measure_speed`."""
    apply_switches(device, recipe.execution)
    split = _random_split(spec, recipe.run.batch)
    normaliser = Normaliser.fit(recipe.normalisation, split.images)
    state, _ = build_state(spec, override(recipe, {"compile": "off"}), device)
    network, chosen = state.model.eval(), None
    model: Any = network
    if recipe.execution.compile == "on":
        model = torch.compile(model, dynamic=False)

    resident = ResidentSplit(split, device)

    def prepare(step: int) -> Any:
        batch, channels_last = recipe.run.batch, recipe.execution.channels_last
        with torch.profiler.record_function("resnetlab data"):
            return next(evaluation_batches(resident, normaliser, batch=batch, channels_last=channels_last))

    if engine:
        size = (spec.input_size, spec.input_size)
        images = round(_EVALUATED_SECONDS / seconds_of(network, Work(1, 1, size)))
        work = Work(max(1, images), recipe.run.batch, size)
        chosen = choose(engine, network, work, lambda: prepare(0).images)
        model = chosen.answers or network

    @torch.inference_mode()
    def step(index: int) -> Any:
        with autocast(device, recipe.execution.precision):
            return model(prepare(index).images)

    return Making(step=step, prepare=prepare, engine=chosen)


def _random_split(spec: ModelSpec, count: int, size: Size | None = None) -> Split:
    height, width = size or (spec.input_size, spec.input_size)
    noise = np.random.default_rng(0)
    images = noise.integers(0, 256, (count, height, width, spec.in_channels), dtype=np.uint8)
    return Split(images=images, labels=noise.integers(0, spec.classes, count))


def timed(step: Step, index: int, device: torch.device) -> float:
    """Return the seconds that a step takes."""
    started = time.perf_counter()
    step(index)
    synchronise(device)
    return time.perf_counter() - started


def trial_batch(spec: ModelSpec, device: torch.device, products: int = 0) -> int:
    """Return the images of a trial step; of a large network on the CPU a few tell, and take no minute.

    `products` are the multiply-adds of one image, where it is no square of the network's size.
    """
    if device.type != "cpu":
        return _SMALL_BATCH
    affordable = int(_TRIAL_OPERATIONS / (6.0 * (products or spec.num_multiply_adds())))
    return max(2, min(_SMALL_BATCH, affordable))
