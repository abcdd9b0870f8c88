"""From the flags of `plan` to the devices that are planned for: of a kind, or those of this machine."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from resnetlab.cli.forecasting.asked import Asked, read_rate
from resnetlab.errors import UsageError
from resnetlab.forecast.assumptions import Assumption, Assumptions
from resnetlab.forecast.forecast import Machine
from resnetlab.forecast.here import Measured, assumptions_here, at_once, machine_here
from resnetlab.forecast.kinds import THIS, Published, find_kind
from resnetlab.forecast.machines import Execution, assumptions_of, machine_of, meeting
from resnetlab.forecast.memory import numbers_per_weight
from resnetlab.forecast.reduction import reduced_bytes
from resnetlab.parallel.launch import count_cores
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import override


@dataclass(frozen=True)
class Target:
    """What is planned for."""

    machine_on: Callable[[int], Machine]
    """What it is for so many devices; raises UsageError if it has not so many."""
    assumed: Assumptions
    measured: str
    """What of it was measured, in words."""
    recipe: Recipe
    """The recipe with kernels and number format as they are there."""
    published: tuple[Published, ...] = ()
    """What others have published of the same network."""


def read_target(options: argparse.Namespace, asked: Asked, counts: Sequence[int]) -> Target:
    """Return what is planned for.

    Raises:
        UsageError: If there is no such kind, or something is assumed that cannot be.
        ResnetlabError: If this machine cannot be measured.
    """
    if options.device_kind.lower() == THIS:
        return _this_machine(options, asked, counts)
    kind = find_kind(options.device_kind.lower())
    if asked.recipe.execution.precision == "auto":
        precision = "bf16" if kind.has_tf32 else "fp32"  # both came with capability 8.0
        asked = replace(asked, recipe=override(asked.recipe, {"precision": precision}))
    each = _first_at_once(asked, counts)
    how = _execution(asked, each)
    assumed = assumptions_of(kind, how).replaced(options.assume)
    machine = machine_of(kind, asked.spec, how, assumed)
    published = kind.published if asked.spec.name.startswith("resnet50") else ()
    if options.images_per_second is None:
        nothing = (
            "nothing: resnetlab was not run on this device yet; all is arithmetic on what is assumed below"
        )
        return Target(lambda devices: machine, assumed, nothing, asked.recipe, published)
    rate, batch = read_rate(options.images_per_second)
    met, factor = meeting(machine, rate, batch or each)
    at = f"given: of one device at {batch or each} images a step"
    source = f"{at}; times of computing are {factor:.2f} times those that follow from the others"
    given = Assumption("images_per_second", rate, "images/s", source)
    measured = "the rate of one device, by whom gave it; all else is arithmetic on what is assumed below"
    return Target(lambda devices: met, Assumptions([given, *assumed]), measured, asked.recipe, published)


def _first_at_once(asked: Asked, counts: Sequence[int]) -> int:
    """Return what a device makes at once with the first number of devices that can be.

    Raises:
        UsageError: If none can be.
    """
    errors = []
    for devices in counts:
        try:
            return asked.at_once(devices)
        except UsageError as error:
            errors.append(error)
    raise errors[0]


def _execution(asked: Asked, each: int) -> Execution:
    """Return how steps would be made on CUDA, with so many samples on a device."""
    import torch

    from resnetlab.training.recorded.capturing import decide_capture, step_operations

    execution = asked.recipe.execution
    is_recorded, _ = decide_capture(
        asked.recipe,
        torch.device("cuda"),
        reads_files=asked.data.reads_files,
        operations=step_operations(asked.spec, *asked.largest, each),
    )
    return Execution(
        precision=execution.precision,
        is_compiled=execution.compile != "off",
        is_recorded=is_recorded,
        is_exact=execution.deterministic,
        numbers_per_weight=numbers_per_weight(asked.recipe.optimizer),
        sizes=asked.sizes,
        scored_size=asked.scored_size,
    )


def _this_machine(options: argparse.Namespace, asked: Asked, counts: Sequence[int]) -> Target:
    """Measure this machine for each number of devices, in as many processes as it can run at once."""
    if options.images_per_second is not None:
        raise UsageError(
            "--images-per-second: this machine is measured", hint="Leave it out, or name a kind."
        )
    found: dict[int, Measured] = {}
    for devices in counts:
        with contextlib.suppress(UsageError):  # which is told where this number is forecast
            found[devices] = _measure(asked, devices, found)
            kernels = {"compile": found[devices].compile, "precision": found[devices].precision}
            asked = replace(asked, recipe=override(asked.recipe, kernels))  # chosen for the first, for all
    assumed = assumptions_here(dict.fromkeys(found.values()), count_cores()).replaced(options.assume)

    def machine_on(devices: int) -> Machine:
        if devices not in found:
            _refuse_too_many(devices)
        return machine_here(
            found[devices],
            assumed,
            title=_title(),
            devices=devices,
            num_bytes=reduced_bytes(asked.spec),
            memory=_memory(devices),
            smaller=asked.smaller,
        )

    steps = next((f", {each.steps}" for each in found.values() if each.steps), "")
    compiled = "; what torch.compile makes is faster" if asked.recipe.execution.compile == "on" else ""
    height, width = asked.largest
    is_growing = len(asked.sizes) > 1
    at = f" on {height}x{width}, smaller images counted by operations" if is_growing else ""
    measured = (
        f"steps{at} and sums in as many processes as run here at once{steps}; the rest is arithmetic"
        f"{compiled}"
    )
    return Target(machine_on, assumed, measured, asked.recipe)


def _measure(asked: Asked, devices: int, found: dict[int, Measured]) -> Measured:
    from resnetlab.training.measured.together import measure_together
    from resnetlab.training.step.device import pick_device

    samples, device = asked.at_once(devices), pick_device("auto")
    _refuse_too_many(devices)
    processes, threads = devices, 0
    if device.type == "cpu":
        processes, threads = at_once(devices, count_cores(), os.environ.get("OMP_NUM_THREADS", ""))
    for each in found.values():
        if (each.processes, each.threads, each.samples) == (processes, threads, samples):
            return each
    print(f"measuring {processes} x {samples} samples ...", file=sys.stderr, flush=True)
    timeline = asked.work(asked.recipe_on(devices)).timeline
    in_all = timeline.samples_seen(timeline.num_steps) * processes // devices
    return measure_together(
        asked.spec.with_(input_size=max(asked.largest)),
        asked.recipe,
        samples=samples,
        processes=processes,
        threads=threads,
        device=device.type,
        num_bytes=reduced_bytes(asked.spec),
        in_all=in_all,
        sizes=asked.sizes,
    )


def _refuse_too_many(devices: int) -> None:
    """Refuse more devices than this machine has; processes on a CPU may share its cores."""
    import torch

    from resnetlab.training.step.device import pick_device

    device = pick_device("auto")
    gpus = torch.cuda.device_count() if device.type == "cuda" else 1
    if device.type != "cpu" and devices > gpus:
        raise UsageError(
            f"this machine has {gpus} GPU{'s' if gpus > 1 else ''}, not {devices:,}",
            hint="Plan for its kind (--device-kind) with --images-per-second.",
        )


def _title() -> str:
    from resnetlab.runs.environment import cpu_name
    from resnetlab.training.step.device import describe_device, pick_device

    device = pick_device("auto")
    return describe_device(device) + (
        f" ({cpu_name()}, {count_cores()} cores)" if device.type == "cpu" else ""
    )


def _memory(devices: int) -> float:
    from resnetlab.base.machine.rates import free_memory
    from resnetlab.training.step.device import pick_device

    device = pick_device("auto")
    free = float(free_memory(device))
    return free / devices if device.type == "cpu" else free
