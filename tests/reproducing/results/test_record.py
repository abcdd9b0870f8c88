"""A record says what its run's directory says, in the same bytes each time, and cannot be changed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from resnetlab.errors import DataError
from resnetlab.reporting.records.collecting import read_records_at
from resnetlab.reporting.records.record import MOST_BYTES, Series, read_record
from resnetlab.reproducing.making import Prepared, write_record
from resnetlab.runs.journal import read_rows

NAME = "resnet8-seed1"


def test_it_says_what_the_run_wrote_down(made: Prepared, records: Path) -> None:
    record, run = read_record(records / f"{NAME}.json"), made.out / NAME
    result = json.loads((run / "RESULT.json").read_text())
    rows = read_rows(run / "metrics.jsonl")
    tests = [row for row in rows if row["kind"] == "test"]

    assert (record.row, record.seed, record.budget, record.reproduction) == ("resnet8", 1, "full", "toy")
    assert (
        record.test.wrong == result["seen"] - result["correct"] and record.test.seen == result["seen"] == 359
    )
    assert record.test.error == pytest.approx(100 * (1 - result["accuracy"]))
    assert record.train_error == pytest.approx(100 * (1 - tests[-1]["train_accuracy"]), rel=1e-5)
    assert record.best_test.error == pytest.approx(
        100 * (1 - max(row["accuracy"] for row in tests)), rel=1e-5
    )
    assert (record.steps, record.images) == (44, 44 * 128)
    assert [step for step, _ in record.test_curve.points] == [row["step"] for row in tests]
    assert record.test_curve.error == pytest.approx([100 * (1 - row["accuracy"]) for row in tests], abs=0.01)
    assert record.spec.to_json() == json.loads((run / "spec.json").read_text())
    assert record.recipe == json.loads((run / "recipe.json").read_text())
    assert record.data.fingerprint == json.loads((run / "data.json").read_text())["fingerprint"]
    assert len(record.made) == 1 and record.made[0].device == "cpu" and len(record.made[0].source) == 64


def test_it_is_small_and_the_same_bytes_whoever_writes_it(made: Prepared, records: Path) -> None:
    before = (records / f"{NAME}.json").read_bytes()
    (records / f"{NAME}.json").unlink()

    assert write_record(made, NAME).read_bytes() == before
    assert read_record(records / f"{NAME}.json").content() == before
    assert len(before) < MOST_BYTES


def test_the_longest_curves_fit_into_it(records: Path) -> None:
    record = read_record(records / f"{NAME}.json")
    steps = tuple(390.6 * index for index in range(240))
    longest = replace(
        record,
        test_curve=Series(step=steps, error=(12.34,) * 240),
        train_curve=Series(step=steps, error=(12.34,) * 240),
    )
    assert len(longest.content()) < MOST_BYTES


def test_a_changed_or_torn_record_is_refused(records: Path, tmp_path: Path) -> None:
    content = (records / f"{NAME}.json").read_text()
    wrong = json.loads(content)["test"]["wrong"]
    path = tmp_path / "record.json"
    path.write_text(content.replace(f'"wrong":{wrong}', f'"wrong":{wrong - 1}'))
    with pytest.raises(DataError, match=r"record\.json is damaged: its content is not that"):
        read_record(path)
    path.write_text(content[:300])
    with pytest.raises(DataError, match=r"record\.json cannot be read"):
        read_record(path)
    path.write_text("{}")
    with pytest.raises(DataError, match=r"record\.json is no record of a result"):
        read_record(path)


def test_all_that_is_wrong_in_a_folder_is_told_at_once(records: Path, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text("[]")
    (tmp_path / "sound.json").write_bytes((records / f"{NAME}.json").read_bytes())
    with pytest.raises(DataError, match=r"a\.json cannot be read.*\n.*b\.json is no record"):
        read_records_at([tmp_path])


def test_a_later_version_is_said_to_be_one(records: Path, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(
        (records / f"{NAME}.json").read_text().replace('"version":2', '"version":3')
    )
    with pytest.raises(DataError, match="is a record of version 3") as refused:
        read_record(tmp_path / "x.json")
    assert "later version" in refused.value.hint
