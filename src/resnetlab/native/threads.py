"""The threads that carry out operations: torch's own, where they can be had."""

import ctypes
import functools
from pathlib import Path
from typing import Any

import torch

from resnetlab.native import building

_NAMES = ("libgomp", "libiomp", "libomp")
_FUNCTIONS = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")


def runner() -> Any:
    """Return the function that carries out a list of operations by several threads.

    They are OpenMP's, which torch computes with: after each of torch's operations these stay awake for
    some milliseconds in wait of the next, and would take the processors from threads of our own. Those
    are there for a torch that has no OpenMP.
    """
    return _program().run


def timing_runner() -> Any:
    """Return the same function with an argument more: room for the times at which operations end."""
    return _program().run_timed


@functools.cache
def _program() -> ctypes.CDLL:
    program = building.library("program.cpp")
    give_openmp(program)
    return program


def give_openmp(program: ctypes.CDLL) -> None:
    """Have a program's operations carried out by OpenMP's threads, if this process has them."""
    for path in _loaded():
        library = ctypes.CDLL(path)
        if all(hasattr(library, name) for name in _FUNCTIONS):
            program.use_openmp(*(ctypes.cast(getattr(library, name), ctypes.c_void_p) for name in _FUNCTIONS))
            break


def _loaded() -> list[str]:
    """Return the libraries of OpenMP in this process, those that came with torch first."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return []
    paths = dict.fromkeys(line[line.index("/") :] for line in lines if "/" in line)
    found = [path for path in paths if Path(path).name.startswith(_NAMES)]
    return sorted(found, key=lambda path: not Path(path).is_relative_to(Path(torch.__file__).parent))
