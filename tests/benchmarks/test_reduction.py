"""benchmarks/reduction.py at a toy's size."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.benchmarks


def test_the_benchmark_of_sums_prints_a_row_for_each_number_of_processes_and_size() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/reduction.py", "--processes", "2", "4", "--sizes", "4000", "16000",
         "--seconds", "0.1"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["processes", "size", "double", "halve", "all_reduce", "(ms)"]
    assert [row.split()[:3] for row in rows] == [
        ["2", "3.9", "KiB"], ["2", "15.6", "KiB"], ["4", "3.9", "KiB"], ["4", "15.6", "KiB"],
    ]  # fmt: skip
    assert all(float(number) > 0 for row in rows for number in row.split()[3:])
