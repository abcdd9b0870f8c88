"""benchmarks/rate_rules.py at a toy's size."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.benchmarks


def test_every_rule_has_a_row_and_every_rate_a_run() -> None:
    command = [
        sys.executable, "benchmarks/rate_rules.py", "--networks", "resnet8 epochs=1 width=0.25",
        "--rates", "0.01", "0.1", "--tests", "0,20", "1,20", "--batch", "512",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()]
    (head, _, trained, _, titles, _, *rules) = lines
    assert (head, titles) == (
        ["test accuracy at", "0.01", "0.1"],
        ["rule", "mean", "worst", "says a rate"],
    )
    assert trained[0] == "resnet8 epochs=1 width=0.25"
    assert all(0 < float(each.removesuffix(" %")) <= 100 for each in trained[1:])
    assert len(rules) == 5
    assert all(row[-1] in ("0 of 2", "1 of 2", "2 of 2") for row in rules)
    (steepest,) = (row for row in rules if row[0] == "where the loss falls most steeply")
    assert 0 <= float(steepest[1]) <= float(steepest[2])


def test_a_cost_is_read_off_between_the_runs() -> None:
    code = (
        "import sys; sys.path.insert(0, 'benchmarks'); from rate_rules import cost;"
        "rates = (0.1, 0.01, 0.001, 10, 10**-1.5);"
        "print(*(round(cost(rate, (0.01, 0.1, 1), (0.5, 0.9, 0.1)), 6) for rate in rates))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["0.0", "40.0", "40.0", "80.0", "20.0"]
