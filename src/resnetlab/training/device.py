"""The device, its threads, and the switches that decide whether its numbers repeat."""

import ctypes
import os
import shutil
import sys
import threading
from collections.abc import Callable
from typing import Any

import torch

from resnetlab.errors import UsageError
from resnetlab.recipe import Execution

CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""Variable of the environment without which cuBLAS does not repeat its numbers."""

COMPILERS = ("c++", "g++", "clang++", "cl")
NO_COMPILER = "no C++ compiler found"
_PAYS_AFTER_OPERATIONS = 1.5e14
"""Floating-point operations after which a compiled run on a CPU has paid for its compilation:
about half an hour of 2 cores. It gains about 5 % there (docs/results.md, training speed)."""


def pick_device(name: str) -> torch.device:
    """Return the device called auto, cpu, cuda (or cuda:1) or mps.

    Raises:
        UsageError: If this machine or this build of torch has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    is_there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if not is_there.get(kind, False) or (index and not (index.isdigit() and int(index) < count)):
        there = ", ".join(k for k, v in is_there.items() if v)
        raise UsageError(f"no device {name!r} here", hint=f"There is {there}; `resnetlab doctor` says why.")
    return torch.device(name)


def apply_switches(device: torch.device, execution: Execution) -> None:
    """Set torch's process-wide switches for a run, inside `leaving_as_found`."""
    if device.type == "cpu":
        torch.set_flush_denormal(True)  # denormals make convolutions up to 100 times slower
        keep_freed_memory()
    if device.type == "cuda":
        # Trying algorithms waits for the whole device, forbidden while a run beside this one is recorded.
        is_alone = threading.current_thread() is threading.main_thread()
        torch.backends.cudnn.benchmark = is_alone and not execution.deterministic
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
    if execution.deterministic:
        os.environ.setdefault(CUBLAS_WORKSPACE, ":4096:8")
    torch.use_deterministic_algorithms(execution.deterministic)


def keep_freed_memory() -> bool:
    """Have glibc keep freed memory for the next step; return whether there is one to be asked.

    Every step frees its maps and allocates the same again. Given back to the kernel, they return
    as pages to be faulted in and cleared: 23,000 a step for ResNet-20 at batch 128, a fifth of its
    time (docs/results.md). Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:  # another system, or another C library
        return False
    trim_threshold, mmap_max = -1, -4
    return bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, -1))


def describe_device(device: torch.device) -> str:
    """Return e.g. "cuda: NVIDIA H200" or "cpu"."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return device.type


def has_compiler(device: torch.device) -> bool:
    """Whether torch.compile can work: on the CPU it needs a C++ compiler."""
    return device.type != "cpu" or any(shutil.which(name) for name in COMPILERS)


_KINDS_COMPILED = 64
"""Networks and image sizes that one process may compile a step for; torch's own limit of 8 kinds makes
it give up without an error and run the ninth as it is."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function compiled for every kind of its arguments. Equal networks share the code.

    The limit counts for the thread that calls this.
    """
    from torch._dynamo import config  # a second's import, for those who compile

    config.recompile_limit = max(config.recompile_limit, _KINDS_COMPILED)
    return torch.compile(function, dynamic=False)


def decide_compile(wanted: str, *, operations: float, device: torch.device) -> tuple[bool, str]:
    """Say whether a run shall use torch.compile, and why. Decided once, from the run's total.

    Args:
        wanted: "on", "off" or "auto".
        operations: Floating-point operations of the whole run.
        device: Where it runs.

    Raises:
        UsageError: If it is asked for and there is no C++ compiler for the CPU.
    """
    if wanted == "on" and not has_compiler(device):
        raise UsageError(
            "compile=on needs a C++ compiler, and none was found",
            hint="Install g++ or clang++, or leave compile at auto.",
        )
    if wanted != "auto":
        return wanted == "on", "as asked"
    if not has_compiler(device):
        return False, NO_COMPILER
    if device.type == "mps":
        return False, "not on mps"
    pays = operations > _PAYS_AFTER_OPERATIONS * (1 if device.type == "cpu" else 300)
    return pays, "the run is long enough to pay for it" if pays else "the run is too short to pay for it"
