"""Starts the processes that measure together, and returns what they found."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from resnetlab.base.plaindata import to_plain
from resnetlab.base.units import Duration
from resnetlab.errors import ResnetlabError
from resnetlab.forecast.here import Measured
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import override

WORKER = "resnetlab.training.measured.worker"

_SECONDS = 2.0
_PATIENCE = 600.0
_LONG = 10**6  # steps: no run ends while it is measured


def measure_together(
    spec: ModelSpec,
    recipe: Recipe,
    *,
    samples: int,
    processes: int,
    threads: int,
    device: str,
    num_bytes: int,
    seconds: float = _SECONDS,
    in_all: int = 0,
    sizes: Sequence[tuple[int, int, float]] = (),
) -> Measured:
    """Return how long steps and sums take that so many processes make at once on this machine.

    Args:
        spec: The network.
        recipe: How it is trained.
        samples: Of a step of each process.
        processes: How many.
        threads: Of each on the CPU; 0 leaves that to torch.
        device: As of `train`.
        num_bytes: Of the large sum.
        seconds: How long steps are timed; the rest takes as long again.
        in_all: Samples that these processes make in the whole training, which decides what the recipe leaves
            to the machine; what torch.compile would make is measured as it is without.
        sizes: Their heights and widths, each with its share of the steps; none: the network's own alone.

    Raises:
        ResnetlabError: If one of them fails.
    """
    request = request_for(
        spec, recipe, samples=samples, device=device, num_bytes=num_bytes, seconds=seconds, in_all=in_all,
        sizes=sizes,
    )  # fmt: skip
    found = _asked(request, processes, threads)
    return Measured(processes=processes, threads=threads, samples=samples, **found)


def measure_sums(sizes: Sequence[int], *, processes: int = 2, seconds: float = 0.5) -> dict[int, float]:
    """Return the seconds in which so many processes of this machine add tensors, by their bytes.

    Args:
        sizes: Bytes of each tensor, of float32.
        processes: How many, of one thread each, or each with a GPU of its own where there are as many.
        seconds: How long each size is tried.

    Raises:
        ResnetlabError: If one of them fails.
    """
    found = _asked(json.dumps({"sums": [*sizes], "seconds": seconds}), processes, threads=1)
    return {int(size): took for size, took in found.items()}


def _asked(request: str, processes: int, threads: int) -> dict[str, Any]:
    """Return what so many processes find together that are asked the same."""
    port = _free_port()
    workers = [_start(request, rank, processes, threads, port) for rank in range(processes)]
    try:
        with ThreadPoolExecutor(processes) as pool:
            outputs = list(pool.map(lambda worker: worker.communicate(timeout=_PATIENCE), workers))
    finally:
        for worker in workers:
            worker.kill()
    for worker, (_, errors) in zip(workers, outputs, strict=True):
        if worker.returncode:
            cause = errors.strip().splitlines()[-1:] or [f"exit code {worker.returncode}"]
            raise ResnetlabError(f"measuring this machine failed in one of {processes}: {cause[0]}")
    found: dict[str, Any] = json.loads(outputs[0][0].splitlines()[-1])
    return found


def request_for(
    spec: ModelSpec,
    recipe: Recipe,
    *,
    samples: int,
    device: str,
    num_bytes: int,
    seconds: float,
    in_all: int = 0,
    sizes: Sequence[tuple[int, int, float]] = (),
) -> str:
    """Return what one process is asked, as JSON."""
    changes = {
        "batch": samples, "shards": 1, "accumulate": 1, "val": 0, "length": Duration(_LONG, "st"),
        "capture": "off",
    }  # fmt: skip
    return json.dumps(
        {
            "spec": spec.to_json(),
            "recipe": to_plain(override(recipe, changes)),
            "device": device,
            "num_bytes": num_bytes,
            "seconds": seconds,
            "in_all": in_all,
            "sizes": [*sizes],
        }
    )


def _start(request: str, rank: int, processes: int, threads: int, port: int) -> subprocess.Popen[str]:
    place: dict[str, object] = {
        "RANK": rank, "WORLD_SIZE": processes, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": processes,
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
    }  # fmt: skip
    if threads:
        place["OMP_NUM_THREADS"] = threads
    return subprocess.Popen(
        [sys.executable, "-P", "-m", WORKER, request],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {name: str(value) for name, value in place.items()},
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
