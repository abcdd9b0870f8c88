"""Images per second of training and evaluation, against what the machine can do."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from resnetlab.base.machine.rates import free_memory, matmul_rate, peak_memory, synchronise
from resnetlab.base.share import Share
from resnetlab.base.units import Duration, format_bytes, format_seconds
from resnetlab.data.batches.batches import Batches, ResidentSplit, evaluation_batches
from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.sources.source import Split
from resnetlab.errors import DivergedError, UsageError
from resnetlab.forecast.memory import training_memory
from resnetlab.forecast.reduction import reduced_bytes
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.schedule import LearningRate
from resnetlab.recipe.settings import override
from resnetlab.recipe.timeline import Timeline
from resnetlab.training.planning import RunPlan
from resnetlab.training.recorded.programs import StepProgram, step_program
from resnetlab.training.session import build_state
from resnetlab.training.step.device import apply_switches, describe_device, leaving_as_found
from resnetlab.training.step.steps import autocast

_SMALL_BATCH = 32
_TRIAL_STEPS = 3
_TRIAL_OPERATIONS = 2e10  # of a trial step on the CPU: about a second of one core
_TELLING_SECONDS = 0.5  # for a step so long, what the first one does besides does not matter
_MATMUL_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


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
    matmul_gflops_per_second: float
    share_of_matmul_peak: float
    augmentation_share: float
    """Share of the step spent on cutting, augmenting and normalising the batch."""
    first_step_seconds: float
    peak_memory_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON data."""
        return asdict(self)


@leaving_as_found()
def measure_speed(
    what: str, spec: ModelSpec, recipe: Recipe, device: torch.device, *, steps: int = 30, warmup: int = 5
) -> Speed:
    """Time whole steps of training (augmentation, forward, backward, update) or of evaluation.

    Args:
        what: "train" or "eval".
        spec: The network.
        recipe: Batch, optimizer, augmentation, precision and compilation. compile "auto" is off.
        device: Where to run.
        steps: Steps that are timed.
        warmup: Steps before those; the first compiles, where that is asked for.
    """
    if steps < 1 or warmup < 1:
        raise UsageError(f"steps and warmup must be at least 1, got {steps} and {warmup}")
    recipe = override(recipe, {"length": Duration(steps + warmup, "st"), "val": 0})
    step, prepare = (training_step if what == "train" else evaluation_step)(spec, recipe, device)
    started = time.perf_counter()
    step(0)
    synchronise(device)
    first = time.perf_counter() - started
    for index in range(1, warmup):
        step(index)
    times = [timed(step, index, device) for index in range(warmup, warmup + steps)]
    median = statistics.median(times)
    share = statistics.median(timed(prepare, i, device) for i in range(warmup, warmup + steps)) / median
    operations = 2.0 * spec.num_multiply_adds() * recipe.run.batch * (3 if what == "train" else 1)
    peak = matmul_rate(device, _MATMUL_TYPES[recipe.execution.precision])
    return Speed(
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
        matmul_gflops_per_second=peak / 1e9,
        share_of_matmul_peak=operations / median / peak,
        augmentation_share=share,
        first_step_seconds=first,
        peak_memory_bytes=peak_memory(device),
    )


Step = Callable[[int], object]
Size = tuple[int, int]
"""Height and width of images."""


def training_step(
    spec: ModelSpec, recipe: Recipe, device: torch.device, size: Size | None = None
) -> tuple[Step, Step]:
    """Return a function that makes the next training step, and one that only prepares a step's batch."""
    program, batches = training_program(spec, recipe, device, size=size)
    return lambda step: program.run(1), batches.at


def training_program(
    spec: ModelSpec,
    recipe: Recipe,
    device: torch.device,
    *,
    num_samples: int = 0,
    keeps_rate: bool = False,
    size: Size | None = None,
) -> tuple[StepProgram, Batches]:
    """Return what makes training steps on random images, and its batches.

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
    return step_program(spec, batches, rate, state, step_function), batches


def random_batches(
    spec: ModelSpec,
    recipe: Recipe,
    device: torch.device,
    *,
    num_samples: int = 0,
    size: Size | None = None,
) -> Batches:
    """Return a recipe's batches of random images; see `training_program`. Torch's switches are set for it."""
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


def evaluation_step(spec: ModelSpec, recipe: Recipe, device: torch.device) -> tuple[Step, Step]:
    """Return a function that scores a batch, and one that only prepares it."""
    apply_switches(device, recipe.execution)
    split = _random_split(spec, recipe.run.batch)
    normaliser = Normaliser.fit(recipe.normalisation, split.images)
    state, _ = build_state(spec, override(recipe, {"compile": "off"}), device)
    model: Any = state.model.eval()
    if recipe.execution.compile == "on":
        model = torch.compile(model, dynamic=False)

    resident = ResidentSplit(split, device)

    def prepare(step: int) -> Any:
        batch, channels_last = recipe.run.batch, recipe.execution.channels_last
        return next(evaluation_batches(resident, normaliser, batch=batch, channels_last=channels_last))

    @torch.inference_mode()
    def step(index: int) -> Any:
        with autocast(device, recipe.execution.precision):
            return model(prepare(index).images)

    return step, prepare


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


@leaving_as_found()
def estimate(plan: RunPlan, devices: int = 1) -> dict[str, str]:
    """Return the time and memory that a planned run will take, made by so many devices.

    The time comes from a few small steps of one device, by the run's own kernels but for those of
    torch.compile, which would take longer to make; the memory from arithmetic.
    """
    height, width = plan.training_size
    spec = plan.spec.with_(input_size=max(height, width))
    batch = min(plan.recipe.run.batch, trial_batch(spec, plan.device))
    is_compiled = plan.recipe.execution.compile == "on"
    trial = {"compile": "off"} if is_compiled else {}
    recipe = override(plan.recipe, {**trial, "batch": batch, "shards": 1, "accumulate": 1})
    samples = plan.timeline.samples_seen(plan.timeline.num_steps)
    faster = " (compiled steps are faster)" if is_compiled else ""
    try:
        rate = batch / _trial_seconds(spec, recipe, plan.device, (height, width))
        time_needed = f"{format_seconds(samples / rate)} at {_rounded_rate(rate)} images/s{faster}"
    except DivergedError as error:  # on random images and with new weights, which says nothing of the run
        time_needed = f"not known: of its trial steps, {error.args[0]}"
    needed = training_memory(plan.spec, plan.recipe, height, width, processes=devices).total
    free = free_memory(plan.device)
    memory = f"about {format_bytes(needed)}; {format_bytes(free) if free else 'unknown'} free"
    if plan.said():  # by minutes: the run's own steps were timed, which says more
        return {"memory": memory}
    if devices == 1:
        return {"estimate": time_needed, "memory": memory}
    where = ", which they share" if plan.device.type == "cpu" else " on the first"
    return {
        "estimate": f"on one device {time_needed}; `plan` tells of more",
        "memory": f"for each device {memory}{where}",
        "reduced": f"{format_bytes(reduced_bytes(plan.spec))} a step: gradients and BN statistics",
    }


def trial_batch(spec: ModelSpec, device: torch.device) -> int:
    """Return the images of a trial step; of a large network on the CPU a few tell, and take no minute."""
    if device.type != "cpu":
        return _SMALL_BATCH
    affordable = int(_TRIAL_OPERATIONS / (6.0 * spec.num_multiply_adds()))
    return max(2, min(_SMALL_BATCH, affordable))


def _trial_seconds(spec: ModelSpec, recipe: Recipe, device: torch.device, size: Size) -> float:
    """Return how long a training step takes: after a first one, unless that took long enough to tell."""
    recipe = override(recipe, {"length": Duration(_TRIAL_STEPS, "st"), "val": 0})
    step, _ = training_step(spec, recipe, device, size)
    took = timed(step, 0, device)
    if device.type == "cpu" and took > _TELLING_SECONDS:
        return took
    return statistics.median(timed(step, index, device) for index in range(1, _TRIAL_STEPS))


def _rounded_rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
