"""What this project wants to know of a GPU, in one command and a fixed time.

    PYTHONPATH=src python benchmarks/gpu.py --budget 540 --out gpu.json
    PYTHONPATH=src python benchmarks/gpu.py --out gpu.json --data CIFAR           # and what recipes reach
    PYTHONPATH=src python benchmarks/gpu.py --device cpu --smoke --out smoke.json   # whether it runs

First it checks that recorded steps are the steps, a resumed run the whole one, and runs at once the runs
alone, to the bit. Then come training and inference, ours and others' side by side in turns, in order of
importance; with --data the rows of gpu_accuracy.py in the time that is left. What no time is left for is
skipped, and said. Every part is a process of its own: one that fails, however badly, or that takes too long
leaves the others alone. The JSON file is written after each part; the tables come last.
Images per second are medians over the turns, of whole steps with augmentation, without compilation.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from gpu_accuracy import Outcome, table_of
from gpu_session import Measurement, Session
from gpu_work import groups
from resnetlab.base import files
from resnetlab.base.plaindata import to_json_bytes
from resnetlab.show.tables.align import table

CHECKS, ACCURACY = "checks", "accuracy"
_START = 10.0
"""Seconds that a process takes to begin."""
_END = 25.0
"""Seconds that a part is given to end by itself when its time is over: to save what it is training."""
_CHECKS = 150.0
"""Seconds that the checks may take at most: what hangs there must not cost the measurements."""


def parts(options: argparse.Namespace) -> dict[str, float]:
    """Return the names of the parts, the most important first, and the most seconds of each."""
    found = {CHECKS: _CHECKS}
    for group in groups(torch.device(options.device), is_smoke=options.smoke):
        found[group.title] = 2 * sum(each.seconds for each in group.contestants) + _START + _END
    return found | ({ACCURACY: math.inf} if options.data else {})


def perform(part: str, options: argparse.Namespace) -> None:
    """Measure one part in this process."""
    device = torch.device(options.device)
    turns, turn_seconds = (2, 0.01) if options.smoke else (5, 0.6)
    session = Session(device, options.out, options.until - time.time(), turns, turn_seconds)
    if part == CHECKS:
        session.run_checks()
    elif part == ACCURACY:
        session.run_accuracy(options.data, is_smoke=options.smoke)
    else:
        (group,) = [g for g in groups(device, is_smoke=options.smoke) if g.title == part]
        session.run_group(group)
    session.write()


def in_its_own_process(part: str, options: argparse.Namespace, left: float) -> dict[str, Any]:
    """Return what became of a part: what it wrote, and its "problem" if it did not come to its end."""
    if left < _START + _END:
        return {"problem": f"skipped: {left:.0f} s left"}
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) / "part.json"
        until = f"{time.time() + left - _END}"
        command = [sys.executable, __file__, "--only", part, "--until", until, "--out", str(out)]
        command += ["--device", options.device, *(["--data", options.data] if options.data else [])]
        command += ["--smoke"] * options.smoke
        try:
            code = subprocess.run(command, timeout=left, check=False).returncode
            problem = f"ended with code {code}" if code else ""
        except subprocess.TimeoutExpired:
            problem = "ended because its time was over"
        found: dict[str, Any] = json.loads(out.read_bytes()) if out.exists() else {}
    return found | ({"problem": problem} if problem else {})


def merged(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the results of all parts as one."""
    each = results.values()
    return {
        "environment": next((r["environment"] for r in each if "environment" in r), {}),
        "checks": {name: check for r in each for name, check in r.get("checks", {}).items()},
        "measurements": [one for r in each for one in r.get("measurements", [])],
        "outcomes": [one for r in each for one in r.get("outcomes", [])],
        "problems": {part: r["problem"] for part, r in results.items() if "problem" in r},
    }


def report(content: dict[str, Any]) -> str:
    """Return the tables."""
    rows = [Measurement(**one).cells() for one in content["measurements"]]
    header = ("measurement", "program", "images/s", "range", "target", "problem")
    told = [table(header, rows, left=2)] if rows else []
    told += [table_of([Outcome(**one) for one in content["outcomes"]])] if content["outcomes"] else []
    told += [f"{part}: {problem}" for part, problem in content["problems"].items()]
    checked = (
        f"{name}: {'yes' if check['holds'] else check['problem'] or check['differing']}"
        for name, check in content["checks"].items()
    )
    return "\n\n".join([*told, "\n".join(checked)])


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--budget", type=float, default=540.0, help="seconds in all (default: 540)")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--data", help="CIFAR-10: its name or path; left out, nothing is trained to its end")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--smoke", action="store_true", help="tiny networks, nothing compiled")
    parser.add_argument("--only", help="one part, in this process, ...")
    parser.add_argument("--until", type=float, help="... until this time in seconds since 1970")
    options = parser.parse_args()
    if options.only:
        perform(options.only, options)
        return
    begun, results = time.monotonic(), dict[str, dict[str, Any]]()
    try:
        for part, most in parts(options).items():
            left = min(most, options.budget - (time.monotonic() - begun))
            results[part] = in_its_own_process(part, options, left)
            files.write_file(options.out, to_json_bytes(merged(results)))
    finally:
        print(report(merged(results)), flush=True)


if __name__ == "__main__":
    main()
