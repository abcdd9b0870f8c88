"""benchmarks/gpu.py must not fail for the first time where minutes are counted."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_gpu_benchmark_runs_through_on_a_cpu(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    command = [sys.executable, "benchmarks/gpu.py", "--device", "cpu", "--smoke", "--out", str(out)]

    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    content = json.loads(out.read_text())
    assert content["check"]["equal"], content["check"]
    assert content["environment"]["torch"]
    programs = {one["program"]: one for one in content["measurements"]}
    assert {one["problem"] for one in programs.values()} == {""}
    assert all(one["images_per_second"] > 0 for one in programs.values())
    assert "akamaster's loop, restated" in programs
    table = done.stdout.splitlines()[-len(content["measurements"]) :]
    assert all(one["program"] in line for one, line in zip(content["measurements"], table, strict=True))


def test_what_no_time_is_left_for_is_skipped_and_said(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    command = [sys.executable, "benchmarks/gpu.py", "--device", "cpu", "--smoke", "--budget", "1"]

    subprocess.run([*command, "--out", str(out)], cwd=ROOT, check=True, capture_output=True)

    problems = [one["problem"] for one in json.loads(out.read_text())["measurements"]]
    assert all(problem.startswith("skipped: ") for problem in problems)
