"""benchmarks/gpu.py must not fail for the first time where minutes are counted."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from resnetlab.training.step.device import leaving_as_found

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.benchmarks


def test_the_gpu_benchmark_runs_through_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All parts in this process, which is begun once; that they are processes is the test after next."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import gpu

    def in_this_process(part: str, options: argparse.Namespace, left: float) -> dict[str, Any]:
        its_own = {"out": tmp_path / "part.json", "until": time.time() + left}
        gpu.perform(part, argparse.Namespace(**vars(options) | its_own))
        found: dict[str, Any] = json.loads(its_own["out"].read_bytes())
        return found

    out = tmp_path / "gpu.json"
    monkeypatch.setattr(gpu, "in_its_own_process", in_this_process)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--smoke", "--out", str(out)])

    with leaving_as_found():
        gpu.main()

    content = json.loads(out.read_text())
    assert len(content["checks"]) == 3
    assert all(check["holds"] for check in content["checks"].values()), content["checks"]
    assert content["environment"]["torch"]
    programs = {one["program"]: one for one in content["measurements"]}
    assert {one["problem"] for one in programs.values()} == {""}
    assert all(len(one["rates"]) == 2 and min(one["rates"]) > 0 for one in programs.values())
    assert "akamaster's loop, restated" in programs
    _, _, end = capsys.readouterr().out.rpartition("measurement ")
    table = end.splitlines()[1 : len(content["measurements"]) + 1]
    assert all(one["program"] in line for one, line in zip(content["measurements"], table, strict=True))
    assert "runs at once are the runs alone: yes" in end


def test_what_no_time_is_left_for_is_skipped_and_what_fails_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import gpu_session
    import gpu_work

    def fail() -> Any:
        raise RuntimeError("no such kernel\nand more")

    session = gpu_session.Session(torch.device("cpu"), tmp_path / "gpu.json", 100.0, 1, 0.001)
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
    assert found[2]["rates"][0] > 0


def test_a_part_that_ends_badly_or_takes_too_long_costs_the_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The parts of a GPU's measurement are processes, of which one may die of a memory fault."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import gpu

    good = "ResNet-50 inference, 224, batch 256"
    times = {"no such part": 60.0, gpu.CHECKS: 3.0, good: 60.0, "more": 1.0}
    monkeypatch.setattr(gpu, "parts", lambda options: times)
    monkeypatch.setattr(gpu, "_START", 1.0)
    monkeypatch.setattr(gpu, "_END", 1.0)
    out = tmp_path / "gpu.json"
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--smoke", "--out", str(out)])
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))

    gpu.main()

    found = json.loads(out.read_text())
    assert found["problems"] == {
        "no such part": "ended with code 1", "checks": "ended because its time was over",
        "more": "skipped: 1 s left",
    }  # fmt: skip
    assert [one["group"] for one in found["measurements"]] == [good]
    table = capfd.readouterr().out
    assert f"{good}  ours" in table
    assert "checks: ended because its time was over" in table


def test_the_accuracy_benchmark_runs_through_on_a_cpu_and_skips_what_no_time_is_left_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import gpu_accuracy

    # The first row is begun whatever it needs.
    rows = (gpu_accuracy.Row("he2015", ("plain20", "resnet20"), 2, at_once=2),
            gpu_accuracy.Row("max", ("resnet20",), 1))  # fmt: skip
    monkeypatch.setattr(gpu_accuracy, "ROWS", rows)
    monkeypatch.setattr(
        gpu_accuracy, "operations_of", lambda spec, recipe, is_small: 1e40 if recipe == "max" else 1e30
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
    assert all(len(set(one["seconds"])) == 2 for one in found[:2])
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
