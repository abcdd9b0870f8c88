"""What a machine can do, measured: its copy rate, its memory; how a call is timed."""

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch


def copy_rate(device: torch.device, seconds: float = 0.5) -> float:
    """Return the bytes per second read and written by a copy of 256 MiB, measured once in a process."""
    return _copy_rate(device, seconds, torch.get_num_threads())


@functools.cache
def _copy_rate(device: torch.device, seconds: float, threads: int) -> float:
    source = torch.zeros(64 * 2**20, device=device)
    target = torch.empty_like(source)
    return 2.0 * source.nbytes / fastest(lambda: target.copy_(source), device, seconds)


def fastest(call: Callable[[], object], device: torch.device, seconds: float) -> float:
    """Return the seconds of the fastest call among those of so many seconds: of a machine left alone."""
    call()
    best, spent = float("inf"), 0.0
    while spent < seconds:
        took = seconds_of(call, device)
        best, spent = min(best, took), spent + took
    return best


def seconds_of(call: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that a call takes until the device has done it."""
    synchronise(device)
    started = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - started


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that this thread has asked of it.

    On CUDA that is its current stream: runs that share a device do not wait for each other, and none
    waits for a stream that another one is recording, which CUDA forbids.
    """
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
    elif device.type == "mps":
        torch.mps.synchronize()


def peak_memory(device: torch.device) -> int:
    """Return the most bytes this process has held on the device so far, 0 if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def free_memory(device: torch.device) -> int:
    """Return the free bytes of the device's memory, 0 if unknown."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), 0)
