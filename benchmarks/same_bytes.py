"""One run on 1, 2 and 4 processes, killed and resumed at random: are the bytes the same?

    python benchmarks/same_bytes.py resnet20 --data cifar10 --shards 4 --steps 200

Each run is begun on W processes with one thread each; SIGKILL meets one of its processes at a random
moment, as many times as the row says, and each time the run goes on with `resnetlab resume` on a random
number of processes. The hash is of what the run left in the end: all files of its checkpoints, but for the
clock times in state.json and the hash of that, and metrics.jsonl. Printed are a table and whether there is
one hash.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OF_THE_CLOCK = ("seconds",)
ALL_GONE = 40.0
"""Seconds after a kill in which no process is left, the one that was typed being killed too."""


def main() -> None:
    """Run all rows, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--kills", type=int, nargs="+", default=[0, 1, 6])
    parser.add_argument("--seed", type=int, default=0, help="of the moments, the victims and the processes")
    parser.add_argument("--train", nargs=argparse.REMAINDER, default=[], help="further arguments of `train`")
    options = parser.parse_args()
    print("python benchmarks/same_bytes.py", *sys.argv[1:], flush=True)
    chance, found = random.Random(options.seed), []
    print("| processes | kills | went on with | steps at the kills | seconds | SHA-256 |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for processes in options.processes:
            for kills in options.kills:
                run = Path(folder) / f"{processes}-{kills}"
                row = _row(options, run, processes, kills, chance)
                found.append(row[-1])
                print("| " + " | ".join(map(str, row)) + " |", flush=True)
    print("one hash" if len(set(found)) == 1 else f"{len(set(found))} HASHES")
    raise SystemExit(len(set(found)) > 1)


def _row(
    options: argparse.Namespace, run: Path, processes: int, kills: int, chance: random.Random
) -> tuple[object, ...]:
    begin = [
        "train", options.model, "--data", options.data, "--out", str(run),
        "--steps", str(options.steps), "--batch", str(options.batch),
        "--set", f"shards={options.shards}", "--set", f"checkpoint_every={max(1, options.steps // 20)}",
        "--set", "keep_checkpoints=3", *options.train,
    ]  # fmt: skip
    started, number, went_on, steps_killed = time.monotonic(), processes, [], []
    for kill in range(kills + 1):
        resumes = kill > 0 and (run / "recipe.json").exists()
        if kill:
            number = chance.choice(options.processes)
            went_on.append(str(number))
        command = ["resume", str(run)] if resumes else begin
        process = _started([*command, "--devices", str(number)], run)
        if kill == kills:
            _ended(process, 0, run)
            break
        aim = options.steps * (kill + chance.random()) / (kills + 1)
        while process.poll() is None and _newest_step(run) < aim:
            time.sleep(0.05)
        time.sleep(chance.random())
        victims = _processes_of(run)
        with contextlib.suppress(ProcessLookupError, IndexError):
            os.kill(chance.choice(victims), signal.SIGKILL)
        until = time.monotonic() + ALL_GONE
        while process.poll() is None or _processes_of(run):
            if time.monotonic() > until:
                raise SystemExit(f"processes are left after a kill: {_processes_of(run)}")
            time.sleep(0.2)
        steps_killed.append(str(_newest_step(run)))
    seconds = time.monotonic() - started
    return processes, kills, " ".join(went_on), " ".join(steps_killed), f"{seconds:.0f}", _digest(run)[:16]


def _started(arguments: list[str], run: Path) -> subprocess.Popen[bytes]:
    with Path(f"{run}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "resnetlab", *arguments],
            stdout=log,
            stderr=log,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )


def _ended(process: subprocess.Popen[bytes], code: int, run: Path) -> None:
    if (found := process.wait()) != code:
        raise SystemExit(f"ended with {found}:\n{Path(f'{run}.log').read_text()[-2000:]}")


def _processes_of(run: Path) -> list[int]:
    """Return the processes whose command names the run: what was typed, torchrun, and what it began."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if str(run).encode() in words and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return sorted(found)


def _newest_step(run: Path) -> int:
    steps = [int(path.name.partition("-")[2]) for path in (run / "checkpoints").glob("step-*")]
    return max(steps, default=0)


def _digest(run: Path) -> str:
    """Return the hash of what does not depend on the clock."""
    found = hashlib.sha256((run / "metrics.jsonl").read_bytes())
    for path in sorted((run / "checkpoints").glob("step-*/*")):
        content = path.read_bytes()
        if path.name == "state.json":
            state = json.loads(content)
            content = json.dumps({k: v for k, v in state.items() if k not in OF_THE_CLOCK}).encode()
        if path.name != "MANIFEST.json":  # it holds the hash of state.json, and those of the files read here
            found.update(path.name.encode() + content)
    return found.hexdigest()


if __name__ == "__main__":
    main()
