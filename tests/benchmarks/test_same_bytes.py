"""benchmarks/same_bytes.py at a toy's size: two processes, one kill."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.benchmarks


def test_the_table_has_a_row_for_each_and_one_hash() -> None:
    command = [
        sys.executable, "benchmarks/same_bytes.py", "resnet8", "--data", "digits", "--shards", "2",
        "--steps", "40", "--batch", "16", "--processes", "1", "2", "--kills", "0", "1",
        "--train", "--set", "width=0.25",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    _, _, _, *rows, end = done.stdout.splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [tuple(map(int, row[:2])) for row in cells] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert len({row[-1] for row in cells}) == 1
    assert end == "one hash"
