"""`resnetlab doctor`: what this machine has, measured, and what is wrong with it."""

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

import torch

from resnetlab.cli.text import block, print_json
from resnetlab.download import cache_folder
from resnetlab.files import existing_parent
from resnetlab.machine import copy_rate, free_memory, matmul_rate
from resnetlab.runs.environment import cpu_name, version
from resnetlab.training.device import COMPILERS, describe_device, pick_device
from resnetlab.units import format_bytes

_PACKAGES = (
    "resnetlab",
    "torch",
    "numpy",
    "safetensors",
    "scikit-learn",
    "matplotlib",
    "rich",
    "tensorboard",
)
_LOW_MEMORY = 2 * 2**30
_LOW_DISK = 2**30
_SLOW_MATMUL_PER_THREAD = 10e9
"""Below this many FLOP/s per thread a processor of the last ten years is being kept from working."""


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
    problems: list[str] = []
    facts = {name: version(name) or "not installed" for name in _PACKAGES}
    facts["processor"] = f"{cpu_name()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    compiler = next((name for name in COMPILERS if shutil.which(name)), "")
    facts["C++ compiler"] = compiler or "none"
    if not compiler:
        problems.append("No C++ compiler: long runs on the CPU are not compiled. Install g++ or clang++.")
    if not version("tensorboard"):
        problems.append("tensorboard is not installed: runs write no event files. pip install tensorboard")
    problems += thread_problems(torch.get_num_threads(), len(_usable_cores()))
    facts |= _rates(problems)
    facts |= _places(problems)
    return facts, problems


def thread_problems(threads: int, cores: int) -> list[str]:
    """Return a sentence if torch uses more threads than there are cores for this process."""
    if threads <= cores:
        return []
    return [f"torch uses {threads} threads on {cores} usable cores: set OMP_NUM_THREADS={cores}."]


def _usable_cores() -> set[int]:
    count = os.cpu_count() or 1
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(count))


def _rates(problems: list[str]) -> dict[str, str]:
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


def _places(problems: list[str]) -> dict[str, str]:
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
