"""benchmarks/inference_operations.py at a toy's size."""

import subprocess
import sys
from pathlib import Path

import pytest

from resnetlab.native import building

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.benchmarks,
    pytest.mark.skipif(bool(building.obstacle()), reason="needs kernels of our own"),
]


def test_every_operation_of_a_pass_has_its_share() -> None:
    command = [
        sys.executable, "benchmarks/inference_operations.py", "resnet8", "--batch", "2", "--threads", "1",
        "--seconds", "0", "--times", "1",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    told, _, head, _, *rows = done.stdout.splitlines()
    assert told.startswith("resnet8, torch.float32, batch 2, 32 pixels, 1 threads: ")
    assert head == "| operation | how many | ms | share | GFLOP/s |"
    cells = {row.split(" | ")[0].strip("| "): row.strip("| ").split(" | ")[1:] for row in rows}
    assert int(cells["3x3, stride 1: 16 of 32x32 to 16 of 32x32"][0]) == 2
    assert abs(sum(float(each[2].rstrip("%")) for each in cells.values()) - 100) < 1
