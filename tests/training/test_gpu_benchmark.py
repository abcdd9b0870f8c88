"""benchmarks/gpu.py must not fail for the first time where minutes are counted."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2]


def test_the_gpu_benchmark_runs_through_on_a_cpu(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    command = [sys.executable, "benchmarks/gpu.py", "--device", "cpu", "--smoke", "--out", str(out)]

    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    content = json.loads(out.read_text())
    assert len(content["checks"]) == 3
    assert all(check["holds"] for check in content["checks"].values()), content["checks"]
    assert content["environment"]["torch"]
    programs = {one["program"]: one for one in content["measurements"]}
    assert {one["problem"] for one in programs.values()} == {""}
    assert all(one["images_per_second"] > 0 for one in programs.values())
    assert "akamaster's loop, restated" in programs
    table = done.stdout.splitlines()[-len(content["measurements"]) :]
    assert all(one["program"] in line for one, line in zip(content["measurements"], table, strict=True))


def test_what_no_time_is_left_for_is_skipped_and_what_fails_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import gpu
    import gpu_work

    def fail() -> Any:
        raise RuntimeError("no such kernel\nand more")

    session = gpu.Session(torch.device("cpu"), tmp_path / "gpu.json", 100.0, 1, 0.001)
    session.run_group(
        gpu_work.Group(
            "sums",
            [
                gpu_work.Contestant("too long", 8, fail, seconds=500),
                gpu_work.Contestant("broken", 8, fail, seconds=1),
                gpu_work.Contestant("good", 8, lambda: lambda number: time.sleep(1e-5 * number), seconds=1),
            ],
        )
    )

    found = json.loads((tmp_path / "gpu.json").read_text())["measurements"]
    assert [one["problem"] for one in found] == [
        "skipped: 100 s left, needs about 500",
        "RuntimeError: no such kernel",
        "",
    ]
    assert found[2]["images_per_second"] > 0


def test_the_accuracy_benchmark_runs_through_on_a_cpu_and_skips_what_no_time_is_left_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import gpu_accuracy

    rows = (gpu_accuracy.Row("he2015", ("plain20", "resnet20"), 2, at_once=2),
            gpu_accuracy.Row("max", ("resnet20",), 1))  # fmt: skip
    monkeypatch.setattr(gpu_accuracy, "ROWS", rows)
    monkeypatch.setattr(
        gpu_accuracy, "operations_of", lambda spec, recipe, is_small: 1e30 if recipe == "max" else 1.0
    )
    out = tmp_path / "accuracy.json"
    arguments = ["gpu_accuracy.py", "--data", "digits", "--device", "cpu", "--smoke", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", arguments)

    gpu_accuracy.main()

    found = json.loads(out.read_text())["outcomes"]
    assert [(one["recipe"], one["network"], len(one["accuracies"])) for one in found] == [
        ("he2015", "plain20", 2), ("he2015", "resnet20", 2), ("max", "resnet20", 0),
    ]  # fmt: skip
    assert all(second > 0 for one in found for second in one["seconds"])
    assert found[0]["accuracies"] != found[1]["accuracies"] or found[0]["seconds"] != found[1]["seconds"]
    assert found[2]["problem"].startswith("skipped: ")


def test_a_row_that_time_runs_out_on_is_told_as_far_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import gpu_accuracy

    accuracy = gpu_accuracy.Accuracy("digits", torch.device("cpu"), 0.0, is_smoke=True)
    row = gpu_accuracy.Row("he2015", ("resnet20",), 2)
    specs = [gpu_accuracy.spec_of("resnet20", is_small=True)]

    problem = accuracy._train(row, specs, 2, tmp_path / "row")

    outcome = accuracy._outcome(row, "resnet20", tmp_path / "row", specs[0], problem)
    assert problem.startswith("stopped by SIGTERM: of 2 runs 0 are finished")
    assert (outcome.unfinished, outcome.accuracies) == (2, [])
