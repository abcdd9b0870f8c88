"""What it costs to add a tensor over processes: in our fixed order, two ways, and in torch's own.

    python benchmarks/reduction.py --processes 2 4

Starts so many processes on this machine, one thread each, on its GPUs if there are any, and prints the
milliseconds of a sum by size: the median over rounds in which the ways take turns, each round's slowest
process counting. `double` and `halve` give the same bits (src/resnetlab/parallel/tree.py).
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time

import torch

from resnetlab.base.units import format_bytes
from resnetlab.parallel.tree import Tree
from resnetlab.parallel.world import World, join

SIZES = [*(1000 * 4**n for n in range(1, 8)), 100_000_000]
"""Bytes: 4 kB to 16 MB, and 100 MB: the gradients of ResNet-50 in fp32."""
WAYS = ("double", "halve", "all_reduce")


def measure(world: World, sizes: list[int], seconds: float) -> dict[int, dict[str, float]]:
    """Return the milliseconds of each way by size."""
    device = torch.device("cuda", world.local_rank) if torch.cuda.is_available() else torch.device("cpu")
    tree = Tree(world.rank, world.size)
    return {size: _measure_size(world, tree, size, seconds, device) for size in sizes}


def _measure_size(
    world: World, tree: Tree, size: int, seconds: float, device: torch.device
) -> dict[str, float]:
    numbers = torch.randn(size // 4, generator=torch.Generator().manual_seed(world.rank)).to(device)
    flat, took = torch.empty_like(numbers), dict[str, list[float]]({way: [] for way in WAYS})
    sums = {way: getattr(tree, way)(numbers.clone()) for way in WAYS}  # also connects and fills the caches
    assert torch.equal(sums["double"], sums["halve"]), "both add in one order"
    until = world.from_first(time.time) + seconds
    while not took["double"] or world.from_first(lambda: time.time() < until):
        for way in WAYS:
            flat.copy_(numbers)
            _synchronise(device)
            world.gather(None)
            started = time.perf_counter()
            getattr(tree, way)(flat)
            _synchronise(device)
            took[way].append(1000 * (time.perf_counter() - started))
    every = world.gather(took)
    return {way: statistics.median(map(max, *(each[way] for each in every))) for way in WAYS}


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def work(options: argparse.Namespace) -> None:
    """Measure as one of the processes; the first prints."""
    torch.set_num_threads(1)
    world = join()
    found = measure(world, options.sizes, options.seconds)
    if world.is_first:
        for size, times in found.items():
            columns = "".join(f"{times[way]:12.3f}" for way in WAYS)
            print(f"{world.size:9d}{format_bytes(size):>12}{columns}", flush=True)
    world.close()


def start(processes: int) -> None:
    """Run this script in so many processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, *sys.argv], env=os.environ | place | {"RANK": str(n), "LOCAL_RANK": str(n)}
        )
        for n in range(processes)
    ]
    if codes := {each.wait() for each in started} - {0}:
        raise SystemExit(max(codes))


def main() -> None:
    """Measure with each number of processes, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 4], help="powers of two")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="in bytes")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each size")
    options = parser.parse_args()
    if "RANK" in os.environ:
        work(options)
        return
    print(f"{'processes':>9}{'size':>12}" + "".join(f"{way:>12}" for way in WAYS) + "  (ms)", flush=True)
    for processes in options.processes:
        start(processes)


if __name__ == "__main__":
    main()
