"""What the programs that are compared do alike: they work, for ever or so many steps, and tell of it.

The first line is `before BYTES`: the memory in use when all is made but nothing was computed. Each line
after it is the number of images done since the last one, at most twenty lines a second. Needs Python alone.
"""

import itertools
import time
from collections.abc import Callable
from pathlib import Path

_EVERY = 0.05  # seconds: to be read, lines take time from what is measured


def repeat(step: Callable[[int], object], images: int, steps: int = 0, *, compiles: bool = False) -> None:
    """Make steps.

    Args:
        step: Makes the step of this number.
        images: Of a step.
        steps: How many; 0 never ends.
        compiles: Whether the first step compiles by torch, whose compiler is then imported before: it is
            no memory of a step.
    """
    if compiles:
        import torch._inductor.compile_fx  # noqa: F401
    print(f"before {_in_use()}", flush=True)
    done, told = 0, 0.0
    for index in range(steps) if steps else itertools.count():
        step(index)
        done += images
        if (now := time.perf_counter()) - told > _EVERY:
            print(done, flush=True)
            done, told = 0, now
    if done:
        print(done, flush=True)


def _in_use() -> int:
    """Return the bytes of memory that this process has in use, 0 where the system does not say it."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)
