"""What `resnetlab plan` predicts of this machine beside what a training does on it, for 1, 2 and 4 processes.

    python benchmarks/plan_check.py --rounds 3

Each round measures for the prediction and then trains, with each number of processes in turn, of one thread
each. `shards` are as many as the most processes, so that all make the same run. Printed are the medians over
the rounds and the range of their ratios. Let nothing else run.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

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


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    options = parser.parse_args()
    shards = max(options.processes)
    pairs: dict[int, list[tuple[float, float]]] = {processes: [] for processes in options.processes}
    for number in range(options.rounds):
        for processes, found in pairs.items():
            before = os.getloadavg()[0]
            said = predicted(options.model, options.batch, shards, processes)
            done = trained(options.model, options.batch, shards, processes, options.steps)
            found.append((said, done))
            text = f"round {number + 1}, {processes}: predicted {said:.1f}, trained {done:.1f} images/s"
            print(f"{text} ({said / done:.2f}); load before {before:.1f}", file=sys.stderr, flush=True)
    print(f"{options.model}, batch {options.batch}, {shards} shards, {options.rounds} rounds; images/s\n")
    print("| processes | predicted | trained | predicted / trained (range) |\n|---|---|---|---|")
    for processes, found in pairs.items():
        said, done = (statistics.median(column) for column in zip(*found, strict=True))
        ratios = [one / other for one, other in found]
        middle = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {processes} | {said:.1f} | {done:.1f} | {middle} |")


if __name__ == "__main__":
    main()
