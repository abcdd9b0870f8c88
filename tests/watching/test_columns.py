"""The table of epochs fits the width, and says what its numbers are of."""

import pytest

from resnetlab.watching.columns import columns_of, head_lines, row_line
from resnetlab.watching.pace import Pace

ROW = {
    "kind": "test", "epoch": 163.84, "step": 64_000, "learning_rate": 0.00123456, "train_loss": 0.0123,
    "train_accuracy": 1.0, "loss": 21.0267, "accuracy": 0.2786, "samples": 8_192_000, "seconds": 36_000.0,
    "peak_memory": 0, "is_best": False, "images_per_second": 123_456.0, "left": 3_723.0,
}  # fmt: skip
FULL = ROW | {"kind": "val", "wait": 0.123, "peak_memory": 601 * 2**20, "is_best": True}


@pytest.mark.parametrize("row", [ROW, FULL])
def test_lines_are_as_wide_as_what_they_have_room_for(row: dict[str, object]) -> None:
    before: set[str] = set()
    for width in range(8, 150):
        columns = columns_of(row, width=width)
        lines = (*head_lines(columns), row_line(columns, row))
        assert max(map(len, lines)) < width
        assert before <= {column.name for column in columns}, "what a narrow one has, a wider one has too"
        before = {column.name for column in columns}
    assert before == {column.name for column in columns_of(row)}


def test_at_80_columns_there_is_what_people_look_at() -> None:
    columns = columns_of(ROW, width=80)

    assert [*head_lines(columns), row_line(columns, ROW)] == [
        "        ─── training ────  ───── test ──────",
        " epoch     loss  accuracy     loss  accuracy  images/s   elapsed      left",
        "163.84   0.0123  100.00 %  21.0267   27.86 %   123,456  10:00:00   1:02:03",
    ]


def test_at_40_columns_epoch_accuracies_and_the_time_left_are_kept() -> None:
    columns = columns_of(FULL, width=40)

    assert [*head_lines(columns, rule="-"), row_line(columns, FULL)] == [
        "        training  - val. -",
        " epoch  accuracy  accuracy      left",
        "163.84  100.00 %   27.86 %   1:02:03",
    ]


def test_validation_is_called_so_and_its_best_is_marked() -> None:
    columns = columns_of(FULL, width=80)

    assert " validation " in head_lines(columns)[0]
    assert row_line(columns, FULL).split()[6:8] == ["%", "best"]
    assert "best" not in row_line(columns, FULL | {"is_best": False})


def test_what_a_row_does_not_tell_is_a_dash() -> None:
    row = {name: value for name, value in ROW.items() if not name.startswith("train_")} | {"left": None}

    assert row_line(columns_of(row, width=80), row).split() == [
        "163.84", "-", "-", "21.0267", "27.86", "%", "123,456", "10:00:00", "-",
    ]  # fmt: skip


def row(step: int, seconds: float) -> dict[str, object]:
    return {"step": step, "samples": 8 * step, "seconds": seconds}


def test_a_rate_is_of_the_time_since_the_row_before() -> None:
    pace = Pace()
    pace.begin(step=0, num_steps=100)
    assert pace.left is None
    first = pace.measured(row(1, 2.0))  # an epoch of one step: told before any progress
    pace.progress(1, samples=8, seconds=2.0)
    pace.progress(11, samples=88, seconds=7.0)
    assert pace.images_per_second == 16.0

    assert (first["images_per_second"], first["left"]) == (4.0, 198.0)
    second = pace.measured(row(21, 12.0))
    assert (second["images_per_second"], second["left"]) == (16.0, 12.0 / 21 * 79)
    assert pace.measured(row(100, 50.0))["left"] == 0.0


def test_a_run_that_goes_on_is_measured_from_where_it_was_begun_again() -> None:
    pace = Pace()
    pace.begin(step=50, num_steps=100)
    assert pace.measured(row(50, 1000.0))["images_per_second"] is None  # on another machine, who knows
    pace.progress(60, samples=480, seconds=1005.0)

    assert pace.images_per_second == 16.0
    assert pace.left == 20.0
