"""Records of version 1, which rows of reproductions left before ordinary runs had any, are read for ever."""

import json
from pathlib import Path

from resnetlab.reporting import report
from resnetlab.reporting.records.record import read_record

WRITTEN = Path(__file__).parent / "record-1"


def test_a_record_says_what_it_said() -> None:
    record = read_record(WRITTEN / "resnet8-seed0.json")

    assert json.loads((WRITTEN / "resnet8-seed0.json").read_text())["version"] == 1
    assert (record.reproduction, record.row, record.budget, record.seed) == ("toy", "resnet8", "full", 0)
    assert (record.test.wrong, record.test.seen, record.train_error) == (214, 359, 62.3438)
    assert (record.steps, record.images, record.data.train) == (44, 5632, 1438)
    assert record.best_test and (record.best_test.error, record.best_test.step) == (59.61, 44)
    assert (record.val, record.first_weights, record.continued) == (None, "", ())
    assert record.settings.name == "he2015" and record.spec.depth == 8


def test_a_table_is_made_of_them() -> None:
    (group,) = report(WRITTEN).groups

    assert group.errors == (100 * 214 / 359, read_record(WRITTEN / "resnet8-seed1.json").test.error)
    assert (group.data, group.made_by, len(group.runs)) == ("digits", "us", 2)
