"""benchmarks/plan_check.py runs through at a toy's size."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.benchmarks


def test_what_is_predicted_stands_beside_what_was_trained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import plan_check

    toy = "plan_check.py --model resnet8 --batch 8 --steps 3 --rounds 1 --processes 1 2 --beside 2"
    monkeypatch.setattr(sys, "argv", toy.split())

    plan_check.main()

    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert [row[0] for row in rows] == ["| 1", "| 2"]
    assert all(float(row[1]) > 0 and float(row[2]) > 0 for row in rows)
