"""The rows of metrics.jsonl: each is read once, and of many few are kept, whose means are those of all."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from resnetlab.errors import DataError
from resnetlab.reporting import growing
from resnetlab.reporting.growing import GrowingRows
from resnetlab.runs.journal import read_rows
from tests.kit.boards import add_rows, test_row


def trained(step: int) -> dict[str, Any]:
    return {
        "kind": "train", "step": step, "learning_rate": 0.1, "train_loss": 1 / step,
        "train_accuracy": (step % 7) / 8,
    }  # fmt: skip


def test_few_rows_are_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    add_rows(path, [trained(2), test_row(2, 0.5), trained(4)])

    assert list(GrowingRows(path).read()) == read_rows(path)


def test_what_comes_is_added_and_nothing_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    rows = GrowingRows(path)
    nothing = rows.read()
    add_rows(path, [trained(2)])
    with path.open("a") as file:
        file.write('{"kind": "test", ')
    first = rows.read()
    with path.open("a") as file:
        file.write('"step": 3, "accuracy": 0.25}\n')
    second = rows.read()

    assert (nothing, first) == ((), (trained(2),))
    assert second[0] is first[0]
    assert second[1:] == ({"kind": "test", "step": 3, "accuracy": 0.25},)


def test_a_file_that_is_another_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    rows = GrowingRows(path)
    add_rows(path, [trained(1), trained(2)])
    rows.read()
    path.write_text(json.dumps(trained(1)) + "\n")
    cut = rows.read()
    path.write_text("".join(json.dumps(trained(step)) + "\n" for step in (3, 4, 5)))
    other = rows.read()
    path.unlink()

    assert cut == (trained(1),)
    assert other == (trained(3), trained(4), trained(5))
    assert rows.read() == ()


def test_the_means_of_joined_rows_are_those_of_all_their_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,000 rows of 1, 2 or 3 steps each, of which at most 50 are kept."""
    monkeypatch.setattr(growing, "MOST_ROWS", 50)
    path = tmp_path / "metrics.jsonl"
    steps = [0]
    while len(steps) <= 1000:
        steps.append(steps[-1] + 1 + len(steps) % 3)
    every = [trained(step) for step in steps[1:]]
    tests = [test_row(step, (step % 11) / 11) for step in steps[1:]]
    add_rows(path, [row for both in zip(every, tests, strict=True) for row in both])

    found = GrowingRows(path).read()
    kept = [row for row in found if row["kind"] == "train"]
    evaluated = [row for row in found if row["kind"] != "train"]

    assert len(kept) <= 50
    assert len(evaluated) <= 50
    assert kept[-1]["step"] == evaluated[-1]["step"] == steps[-1]
    for name in ("train_loss", "train_accuracy"):
        whole = math.fsum((b - a) * row[name] for a, b, row in zip(steps, steps[1:], every, strict=False))
        ends = [0, *(row["step"] for row in kept)]
        joined = math.fsum((b - a) * row[name] for a, b, row in zip(ends, ends[1:], kept, strict=False))
        assert joined == pytest.approx(whole, rel=1e-12)
    accuracies = [row["accuracy"] for row in evaluated]
    assert (min(accuracies), max(accuracies)) == (0, 10 / 11)
    assert [row["step"] for row in found] == sorted(row["step"] for row in found)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (['{"a": 1},{"b": 2}'], "line 3: not JSON"),
        (['{"kind": "test"', '"step": 1}'], "line 3: not JSON"),
        (['{"a": 1},{"b": 2}', '{"c": 1', '"d": 2}'], "line 3: not JSON"),
        (["[1]"], "line 3: not a JSON object"),
        (['{"kind": "train", "step": NaN}'], "line 3: not JSON"),
        (['{"kind": "guess", "step": 4}'], "line 3: kind is 'guess'"),
        (['{"kind": "test", "step": 1, "accuracy": 0.5}'], "line 3: step is 1, after 2"),
        (['{"kind": "test", "step": 4, "accuracy": 2}'], "line 3: accuracy is 2"),
    ],
)
def test_the_line_that_is_wrong_is_named(tmp_path: Path, lines: list[str], told: str) -> None:
    path = tmp_path / "metrics.jsonl"
    add_rows(path, [trained(1), trained(2)])
    rows = GrowingRows(path)
    rows.read()
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)

    for reader in (rows, GrowingRows(path)):
        with pytest.raises(DataError, match=told):
            reader.read()
