"""`resnetlab doctor`: what this machine has, measured, and what is wrong with it."""

import argparse
import contextlib
import importlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from resnetlab.base.files import existing_parent
from resnetlab.base.machine.processor import abilities, abilities_in_words
from resnetlab.base.units import format_bytes
from resnetlab.cli.output import block, print_json
from resnetlab.cli.verb import set_up
from resnetlab.engines.names import ENGINES, missing
from resnetlab.errors import ResnetlabError
from resnetlab.runs.environment import NEEDED, PACKAGES, cpu_name, version
from resnetlab.watching.fitting import wrapped

if TYPE_CHECKING:
    from resnetlab.base.machine.yardstick import Peak

_EXAMPLES = """examples:
  resnetlab doctor
  resnetlab doctor --json
"""
_WITHOUT = (
    "networks can be listed, shown, drawn and reported, nothing can be trained, evaluated or predicted",
    "not everything works",
)
_NO_DATA = ("measured", "native")
"""What else lies in the cache: measurements, compiled kernels."""

_LOW_MEMORY = 2 * 2**30
_LOW_DISK = 2**30
_SUMMED = (("ResNet-20", 1_100_000), ("ResNet-50", 102_400_000))
"""Networks, and the bytes that an update of them adds over the processes."""

_SLOW_PER_THREAD = 10e9
"""Below this many FLOP/s per thread a processor of the last ten years is being kept from working."""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `doctor` its flags."""
    set_up(parser, doctor, _EXAMPLES)
    parser.add_argument(
        "--remeasure",
        action="store_true",
        help="measure anew what this machine can do at its best, which is kept from call to call",
    )


def doctor(options: argparse.Namespace) -> None:
    """Print versions, devices, measured rates, free memory and disk, caches, and their problems."""
    facts, problems = examine(remeasure=options.remeasure)
    if options.json:
        print_json({"facts": facts, "problems": problems})
        return
    from resnetlab.watching.sight import sight_of

    columns = sight_of(sys.stdout).columns
    print(block(facts, indent="", columns=columns))
    print()
    print(wrapped("\n".join(f"! {problem}" for problem in problems) or "Nothing is wrong.", columns))


def examine(*, remeasure: bool = False) -> tuple[dict[str, str], list[str]]:
    """Return what there is, by its title, and a sentence for everything that is wrong."""
    problems = [problem for name in NEEDED if (problem := import_problem(name))]
    facts = {name: version(name) or "not installed" for name in PACKAGES} | {"engines": _engines()}
    facts["processor"] = f"{cpu_name()}, {os.cpu_count()} cores, {len(_usable_cores())} usable"
    facts["instructions"] = abilities_in_words(abilities())
    if not version("tensorboard"):
        problems.append("tensorboard is not installed: runs write no event files. pip install tensorboard")
    if not import_problem("torch"):
        facts |= _computing(problems, remeasure) | _together(problems)
    facts |= _places(problems)
    return facts, problems


def import_problem(module: str) -> str:
    """Return a sentence if what every run needs cannot be imported, whatever the reason; else ""."""
    try:
        importlib.import_module(module)
    except Exception as error:  # a library of the system's may lack, a build be for another processor
        name, cause = NEEDED[module], f"{type(error).__name__}: {error}".splitlines()[0]
        if not version(name):
            return f"{name} is not installed: {_WITHOUT[module != 'torch']}. pip install {name}"
        return f"{name} {version(name)} cannot be imported ({cause}): {_WITHOUT[module != 'torch']}."
    return ""


def _computing(problems: list[str], remeasure: bool) -> dict[str, str]:
    """Return what torch makes of this machine."""
    import torch

    from resnetlab.training.step.device import COMPILERS

    threads = torch.get_num_threads()
    compiler = next((name for name in COMPILERS if shutil.which(name)), "")
    if not compiler:
        problems.append("No C++ compiler: long runs on the CPU are not compiled. Install g++ or clang++.")
    problems += thread_problems(threads, len(_usable_cores()))
    facts = {"threads": str(threads), "C++ compiler": compiler or "none", "own kernels": _kernels(problems)}
    return facts | _rates(problems, remeasure)


def _kernels(problems: list[str]) -> str:
    """Return whether kernels of our own (compile=native) can be built here, which is tried."""
    from resnetlab.native import building

    if why := building.obstacle():
        return f"cannot be built: {why}"
    try:
        building.library("program.cpp")
    except ResnetlabError as error:
        problems.append(f"Kernels of our own (compile=native) cannot be built here: {error.args[0]}")
        return "cannot be built"
    types = f"fp32 by {building.instructions(is_half=False)}"
    if building.multiplies_bf16():
        types += f", bf16 by {building.instructions(is_half=True)}"
    return f"can be built (compile=native): {types}"


def thread_problems(threads: int, cores: int) -> list[str]:
    """Return a sentence if torch uses more threads than there are cores for this process."""
    if threads <= cores:
        return []
    return [f"torch uses {threads} threads on {cores} usable cores: set OMP_NUM_THREADS={cores}."]


def _usable_cores() -> set[int]:
    count = os.cpu_count() or 1
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(count))


def _best_in_words(peaks: "dict[str, Peak]") -> str:
    """Return the rates with what reached them, once where that is the same."""
    if len({peak.by for peak in peaks.values()}) == 1:
        return (
            f"{_rates_in_words({p: peak.rate for p, peak in peaks.items()})}, {next(iter(peaks.values())).by}"
        )
    return "; ".join(f"{_rates_in_words({p: peak.rate})}, {peak.by}" for p, peak in peaks.items())


def _rates_in_words(rates: dict[str, float]) -> str:
    """Return e.g. "219 GFLOP/s in fp32, 410 in bf16"."""
    told = [f"{rate / 1e9:,.0f} in {precision}" for precision, rate in rates.items() if rate]
    return ", ".join(told).replace(" in", " GFLOP/s in", 1) or "unknown"


def slowness(device: str, peaks: "dict[str, Peak]") -> list[str]:
    """Return a sentence if a device is slower than it was, or a processor than any is."""
    import torch

    for precision, peak in peaks.items():
        if peak.is_busy:
            return [
                f"Something else is using the {device}: {peak.by} makes {peak.now / 1e9:,.0f} GFLOP/s in "
                f"{precision} at this moment, {peak.rate / 1e9:,.0f} at its best."
            ]
    fp32 = peaks.get("fp32")
    if device == "cpu" and fp32 and fp32.rate < _SLOW_PER_THREAD * torch.get_num_threads():
        return [
            f"The processor is slow ({fp32.rate / 1e9:.0f} GFLOP/s in fp32): something else was using it, or "
            "torch's build does not know it. --remeasure measures anew."
        ]
    return []


def _rates(problems: list[str], remeasure: bool) -> dict[str, str]:
    import torch

    from resnetlab.base.machine.rates import copy_rate, free_memory
    from resnetlab.native.measured.rating import machine_peak
    from resnetlab.training.step.device import describe_device, pick_device

    facts: dict[str, str] = {}
    devices = [torch.device("cpu")]
    if (best := pick_device("auto")).type != "cpu":
        devices.append(best)
    for device in devices:
        peaks: dict[str, Peak] = {}
        for precision in ("fp32", "bf16"):
            with contextlib.suppress(RuntimeError):  # a device that has none of it
                peaks[precision] = machine_peak(device, precision, anew=remeasure)
        facts[f"{device.type} at its best"] = _best_in_words(peaks)
        products = {precision: peak.product for precision, peak in peaks.items()}
        facts[f"{device.type} matrix product"] = _rates_in_words(products)
        facts[f"{device.type} copy"] = f"{copy_rate(device, seconds=0.3) / 1e9:,.1f} GB/s read and written"
        facts[f"{device.type} memory"] = f"{format_bytes(free_memory(device))} free"
        problems += slowness(device.type, peaks)
        if 0 < free_memory(device) < _LOW_MEMORY:
            problems.append(f"Little memory is free on {device.type}.")
    if len(devices) == 1:
        why = "this build of torch has no CUDA" if not torch.version.cuda else "torch sees no GPU"
        facts["accelerator"] = f"none ({why})"
    else:
        facts["accelerator"] = describe_device(best)
    return facts


def _together(problems: list[str]) -> dict[str, str]:
    """Return how processes of this machine can work together, and how fast two of them add."""
    import torch.distributed as dist

    from resnetlab.parallel.launch import count_gpus
    from resnetlab.training.measured.together import measure_sums

    backends = ("gloo", "nccl", "mpi", "ucc", "xccl")
    there = [name for name in backends if dist.is_available() and dist.is_backend_available(name)]
    facts = {"several devices": ", ".join(there) or "none: this build of torch has no torch.distributed"}
    if "gloo" not in there:
        problems.append("torch.distributed has no gloo: a run has one device here. Install another build.")
        return facts
    if count_gpus() > 1 and "nccl" not in there:
        problems.append(
            "torch.distributed has no NCCL: several GPUs cannot make one run. Install another build."
        )
    try:
        found = measure_sums([size for _, size in _SUMMED])
    except ResnetlabError as error:
        problems.append(f"Two processes of this machine could not add a tensor together: {error.args[0]}")
        return facts
    sums = [f"{title}'s gradients in {1e3 * found[size]:,.2f} ms" for title, size in _SUMMED]
    return facts | {"two processes add": "; ".join(sums)}


def _places(problems: list[str]) -> dict[str, str]:
    from resnetlab.base.download import cache_folder

    facts: dict[str, str] = {}
    places = {"working directory": Path.cwd(), "data cache": cache_folder()}
    for title, place in places.items():
        there = existing_parent(place)
        free = shutil.disk_usage(there).free
        held: list[str] = []
        if title == "data cache" and place.is_dir():
            held = sorted(path.name for path in place.iterdir() if path.name not in _NO_DATA)
        facts[title] = f"{place}, {format_bytes(free)} free" + (f", holds {', '.join(held)}" if held else "")
        if not os.access(there, os.W_OK):
            problems.append(f"The {title} {place} cannot be written to.")
        if free < _LOW_DISK:
            problems.append(f"Only {format_bytes(free)} are free at the {title} {place}.")
    return facts


def _engines() -> str:
    """Return who can make a trained network's answers here, and what the others lack."""
    lacking = {name: missing(name) for name in ENGINES}
    return "; ".join(
        [
            ", ".join(name for name, what in lacking.items() if not what),
            *(f"not {name}: {what}" for name, what in lacking.items() if what),
        ]
    )
