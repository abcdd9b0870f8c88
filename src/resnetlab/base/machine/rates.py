"""What a machine can do, measured: its matrix-multiply rate, its copy rate, its memory."""

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch


def matmul_rate(device: torch.device, dtype: torch.dtype = torch.float32, seconds: float = 1.0) -> float:
    """Return the floating-point operations per second of a large square matrix product.

    Its size grows until a product takes long enough to be timed: where the processor has no
    instructions for `dtype`, one of the largest would take a minute. It is measured once in a process, for
    each number of threads.
    """
    return _matmul_rate(device, dtype, seconds, torch.get_num_threads())


@functools.cache
def _matmul_rate(device: torch.device, dtype: torch.dtype, seconds: float, threads: int) -> float:
    size, largest = 256, 2048 if device.type == "cpu" else 8192
    while True:
        left = torch.randn(size, size, device=device, dtype=dtype)
        multiply = functools.partial(torch.matmul, left, left)
        multiply()  # the first one loads libraries
        if size == largest or _seconds(multiply, device) > seconds / 10:
            return 2.0 * size**3 * _calls_per_second(multiply, device, seconds)
        size *= 2


def copy_rate(device: torch.device, seconds: float = 0.5) -> float:
    """Return the bytes per second read and written by a copy of 256 MiB, measured once in a process."""
    return _copy_rate(device, seconds, torch.get_num_threads())


@functools.cache
def _copy_rate(device: torch.device, seconds: float, threads: int) -> float:
    source = torch.zeros(64 * 2**20, device=device)
    target = torch.empty_like(source)
    return 2.0 * source.nbytes * _calls_per_second(lambda: target.copy_(source), device, seconds)


def _calls_per_second(call: Callable[[], object], device: torch.device, seconds: float) -> float:
    call()
    best, spent = float("inf"), 0.0
    while spent < seconds:  # the fastest call: what the machine can do when left alone
        took = _seconds(call, device)
        best, spent = min(best, took), spent + took
    return 1 / best


def _seconds(call: Callable[[], object], device: torch.device) -> float:
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
