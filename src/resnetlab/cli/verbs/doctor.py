"""`resnetlab doctor`: what this machine has, measured, and what is wrong with it."""

import argparse
import importlib
import os
import shutil
from pathlib import Path
from typing import Any

from resnetlab.base.files import existing_parent
from resnetlab.base.units import format_bytes
from resnetlab.cli.output import block, print_json
from resnetlab.cli.verb import set_up
from resnetlab.engines.names import ENGINES, missing
from resnetlab.errors import ResnetlabError
from resnetlab.runs.environment import NEEDED, PACKAGES, cpu_name, version

_EXAMPLES = """examples:
  resnetlab doctor
  resnetlab doctor --json
"""
_WITHOUT = (
    "networks can be listed, shown, drawn and reported, nothing can be trained, evaluated or predicted",
    "not everything works",
)
_LOW_MEMORY = 2 * 2**30
_LOW_DISK = 2**30
_SUMMED = (("ResNet-20", 1_100_000), ("ResNet-50", 102_400_000))
"""Networks, and the bytes that an update of them adds over the processes."""

_SLOW_MATMUL_PER_THREAD = 10e9
"""Below this many FLOP/s per thread a processor of the last ten years is being kept from working."""


def add(parser: argparse.ArgumentParser) -> None:
    """Give the parser of `doctor` its flags."""
    set_up(parser, doctor, _EXAMPLES)


def doctor(options: argparse.Namespace) -> None:
    """Print versions, devices, measured rates, free memory and disk, caches, and their problems."""
    facts, problems = examine()
    if options.json:
        print_json({"facts": facts, "problems": problems})
        return
    print(block({title: str(text) for title, text in facts.items()}, indent=""))
    print()
    print("\n".join(f"! {problem}" for problem in problems) or "Nothing is wrong.")


def examine() -> tuple[dict[str, str], list[str]]:
    """Return what there is, by its title, and a sentence for everything that is wrong."""
    problems = [problem for name in NEEDED if (problem := import_problem(name))]
    facts = {name: version(name) or "not installed" for name in PACKAGES} | {"engines": _engines()}
    facts["processor"] = f"{cpu_name()}, {os.cpu_count()} cores, {len(_usable_cores())} usable"
    if not version("tensorboard"):
        problems.append("tensorboard is not installed: runs write no event files. pip install tensorboard")
    if not import_problem("torch"):
        facts |= _computing(problems) | _together(problems)
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


def _computing(problems: list[str]) -> dict[str, str]:
    """Return what torch makes of this machine."""
    import torch

    from resnetlab.training.step.device import COMPILERS

    threads = torch.get_num_threads()
    compiler = next((name for name in COMPILERS if shutil.which(name)), "")
    if not compiler:
        problems.append("No C++ compiler: long runs on the CPU are not compiled. Install g++ or clang++.")
    problems += thread_problems(threads, len(_usable_cores()))
    return {"threads": str(threads), "C++ compiler": compiler or "none"} | _rates(problems)


def thread_problems(threads: int, cores: int) -> list[str]:
    """Return a sentence if torch uses more threads than there are cores for this process."""
    if threads <= cores:
        return []
    return [f"torch uses {threads} threads on {cores} usable cores: set OMP_NUM_THREADS={cores}."]


def _usable_cores() -> set[int]:
    count = os.cpu_count() or 1
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(count))


def _rates(problems: list[str]) -> dict[str, str]:
    import torch

    from resnetlab.base.machine.rates import copy_rate, free_memory, matmul_rate
    from resnetlab.training.step.device import describe_device, pick_device

    facts: dict[str, str] = {}
    devices = [torch.device("cpu")]
    if (best := pick_device("auto")).type != "cpu":
        devices.append(best)
    for device in devices:
        rate = matmul_rate(device, seconds=0.5)
        facts[f"{device.type} matrix product"] = f"{rate / 1e9:,.0f} GFLOP/s in fp32"
        facts[f"{device.type} copy"] = f"{copy_rate(device, seconds=0.3) / 1e9:,.1f} GB/s read and written"
        facts[f"{device.type} memory"] = f"{format_bytes(free_memory(device))} free"
        if device.type == "cpu" and rate < _SLOW_MATMUL_PER_THREAD * torch.get_num_threads():
            problems.append(
                f"The matrix product is slow ({rate / 1e9:.0f} GFLOP/s): something else is using the "
                "processor, or torch's build does not know it."
            )
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
        held: Any = (
            sorted(path.name for path in place.iterdir()) if title == "data cache" and place.is_dir() else []
        )
        facts[title] = f"{place}, {format_bytes(free)} free" + (f", holds {', '.join(held)}" if held else "")
        if not os.access(there, os.W_OK):
            problems.append(f"The {title} {place} cannot be written to.")
        if free < _LOW_DISK:
            problems.append(f"Only {format_bytes(free)} are free at the {title} {place}.")
    return facts


def _engines() -> str:
    """Return who can make a trained network's answers here, and who is not installed."""
    lacking = {name: missing(name) for name in ENGINES}
    return "; ".join(
        [
            ", ".join(name for name, what in lacking.items() if not what),
            *(f"not {name}: {what}" for name, what in lacking.items() if what),
        ]
    )
