"""What `resnetlab plan` predicts of this machine beside what a training does on it, for 1, 2 and 4 processes.

    python benchmarks/plan_check.py --rounds 3

Each round measures for the prediction and then trains, with each number of processes in turn, of one thread
each. `shards` are as many as the most processes, so that all make the same run. Printed are the medians over
the rounds and the range of their ratios. While other programs take more than `--beside` of the cores (seen on
Linux), what was measured says nothing, and it is done again.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import linux

COMMON = ("--data", "synthetic", "--recipe", "quick", "--set", "compile=off")


def resnetlab(*arguments: str) -> dict[str, Any]:
    """Run a command, and return the JSON that it prints."""
    command = [sys.executable, "-m", "resnetlab", *arguments, "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    if done.returncode:
        sys.exit(f"{' '.join(arguments)}\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def predicted(model: str, batch: int, shards: int, processes: int) -> float:
    """Return the images a second that `plan` says."""
    run = ("--batch", str(batch), "--set", f"shards={shards}")
    found = resnetlab("plan", model, *COMMON, *run, "--device-kind", "this", "--devices", str(processes))
    return float(found["forecast"]["images_per_second"])


def trained(model: str, batch: int, shards: int, processes: int, steps: int) -> float:
    """Return the images a second of a training."""
    run = ("--batch", str(batch), "--set", f"shards={shards}", "--steps", str(steps))
    quiet = ("--set", "eval_every=0ep", "--set", "checkpoint_every=0")
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "run")
        found = resnetlab("train", model, *COMMON, *run, *quiet, "--devices", str(processes), "--out", out)
    return float(found["images_per_second"])


def busy_seconds() -> float:
    """Return the seconds that the cores have worked for programs that are not ours, where Linux says it."""
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    return linux.busy_seconds() - ours.ru_utime - ours.ru_stime


def compare(options: argparse.Namespace, shards: int, processes: int) -> tuple[float, float]:
    """Return what is predicted and what is done, both while hardly anything runs beside."""
    for _ in range(options.tries):
        began, others = time.monotonic(), busy_seconds()
        said = predicted(options.model, options.batch, shards, processes)
        done = trained(options.model, options.batch, shards, processes, options.steps)
        share = (busy_seconds() - others) / (time.monotonic() - began) / (os.cpu_count() or 1)
        text = f"{processes}: predicted {said:.1f}, trained {done:.1f} images/s ({said / done:.2f})"
        print(f"{text}; other programs took {100 * share:.0f} % of the cores", file=sys.stderr, flush=True)
        if share <= options.beside:
            return said, done
    sys.exit(f"other programs took more than {100 * options.beside:.0f} % of the cores each time")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--beside", type=float, default=0.1, help="share of the cores (default: 0.1)")
    parser.add_argument("--tries", type=int, default=20, help="of each (default: 20)")
    options = parser.parse_args()
    shards = max(options.processes)
    pairs: dict[int, list[tuple[float, float]]] = {processes: [] for processes in options.processes}
    for _ in range(options.rounds):
        for processes, found in pairs.items():
            found.append(compare(options, shards, processes))
    print(f"{options.model}, batch {options.batch}, {shards} shards, {options.rounds} rounds; images/s\n")
    print("| processes | predicted | trained | predicted / trained (range) |\n|---|---|---|---|")
    for processes, found in pairs.items():
        said, done = (statistics.median(column) for column in zip(*found, strict=True))
        ratios = [one / other for one, other in found]
        middle = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {processes} | {said:.1f} | {done:.1f} | {middle} |")


if __name__ == "__main__":
    main()
