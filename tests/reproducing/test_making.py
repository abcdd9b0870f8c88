"""The whole of it: each run is made once, by however many commands, and the table is that of the runs."""

import json
import shutil
import statistics
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from resnetlab.errors import DataError, UsageError
from resnetlab.reporting.reading import read_run
from resnetlab.reporting.records.making import write_records
from resnetlab.reporting.records.record import Before, read_record
from resnetlab.reproducing.making import Prepared, make, prepare, result_of, write_record, write_result
from resnetlab.reproducing.results.tables import ResultTable
from resnetlab.runs.journal import read_rows
from resnetlab.training.studies.sharing import study_lock
from tests.reproducing.conftest import TOY, asked

RUNS = ["plain8-seed0", "resnet8-seed0", "plain8-seed1", "resnet8-seed1"]


def _errors(out: Path, row: str) -> list[float]:
    results = [json.loads((out / f"{row}-seed{seed}" / "RESULT.json").read_text()) for seed in (0, 1)]
    return [100 * (1 - result["accuracy"]) for result in results]


def _starts(out: Path, name: str) -> list[str]:
    rows = read_rows(out / name / "events.jsonl")
    return [row["event"] for row in rows if row["event"] in ("start", "resume", "end")]


def test_before_anything_begins_it_says_what_there_is_to_make_and_how_long_that_takes(
    tmp_path: Path,
) -> None:
    prepared = prepare(asked(), tmp_path / "new")
    header, rows = prepared.cells()
    told = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["run"] for row in told] == RUNS
    assert {row["steps"] for row in told} == {"44"} and {row["epochs"] for row in told} == {"3.92"}
    assert prepared.seconds == pytest.approx(sum(cost.seconds for cost in prepared.costs.values()))
    assert all(0 < cost.seconds < 60 for cost in prepared.costs.values())
    assert not (tmp_path / "new").exists()


def test_the_table_is_that_of_the_runs(made: Prepared) -> None:
    table, written = make(made)  # nothing is left to make
    header, rows = table.cells()
    for row in (dict(zip(header, row, strict=True)) for row in rows):
        errors = _errors(made.out, row["row"])
        assert row["n"] == "2"
        assert row["test error, %"] == f"{statistics.fmean(errors):.2f} ± {statistics.stdev(errors):.2f}"
    assert [path.name for path in written] == ["toy-full.svg", "toy-full.md", "toy-full.html"]
    text = (made.out / "result" / "toy-full.md").read_text()
    assert "](toy-full.svg)" in text and "Nobody made this before." in text
    assert all(_starts(made.out, name) == ["start", "end"] for name in RUNS)


def test_what_was_interrupted_goes_on_and_its_record_is_the_same(made: Prepared, tmp_path: Path) -> None:
    out = shutil.copytree(made.out, tmp_path / "copy")
    run, record = out / RUNS[1], out / "records" / f"{RUNS[1]}.json"
    before = json.loads(record.read_text())
    (run / "RESULT.json").unlink()  # as killed before its end
    record.unlink()

    make(prepare(asked(), out))

    assert _starts(out, RUNS[1]) == ["start", "end", "resume", "end"]
    after = json.loads(record.read_text())
    free = dict.fromkeys(("seconds", "begun", "ended", "made", "sha256"))
    assert after | free == before | free
    assert _starts(out, RUNS[0]) == ["start", "end"]


def test_rows_and_seeds_come_to_a_folder_one_after_another(tmp_path: Path) -> None:
    out = tmp_path / "shared"
    make(prepare(asked(only=["resnet8"], seeds=1), out))
    assert sorted(path.stem for path in (out / "records").iterdir()) == ["resnet8-seed0"]

    table, _ = make(prepare(asked(seeds=1), out))

    assert [outcome.n for outcome in table.outcomes] == [1, 1]
    assert _starts(out, "resnet8-seed0") == ["start", "end"]
    shutil.rmtree(out / "records")  # as before any run ended
    with pytest.raises(UsageError, match=r"plain8-seed0.*: .*\n.*length"):
        make(prepare(asked("half", seeds=1), out))


def test_what_was_made_elsewhere_is_not_made_again_and_is_marked(
    made: Prepared, records: Path, tmp_path: Path
) -> None:
    prepared = prepare(asked(), tmp_path / "new", records=[records])
    assert prepared.costs == {} and [*prepared.taken] == RUNS

    table, _ = make(prepared)

    assert not [*(tmp_path / "new").glob("*-seed*")]
    assert table.cells() == make(made)[0].cells()
    assert f"resnet8-seed1 from {records / 'resnet8-seed1.json'}" in table.markdown()
    assert make(prepare(asked(), tmp_path / "new", records=[records]))[0].cells() == table.cells()


def test_a_record_of_something_else_is_not_taken_and_what_differs_is_said(
    records: Path, tmp_path: Path
) -> None:
    other = replace(TOY.rows[1], values={**TOY.rows[1].values, "lr": 0.2})
    changed = replace(TOY, rows=(TOY.rows[0], other))
    prepared = prepare(asked(reproduction=changed, seeds=1), tmp_path / "new", records=[records])
    assert [*prepared.taken] == ["plain8-seed0"]
    (told,) = prepared.refused.values()
    assert "lr  0.1 -> 0.2" in " ".join(" ".join(told).split()).replace("lr ", "lr  ")


def test_a_run_that_began_with_what_others_had_learnt_is_not_taken_for_a_rows(
    records: Path, tmp_path: Path
) -> None:
    tuned = {
        "plain8": {"first_weights": "ab" * 32},
        "resnet8": {"continued": (Before(step=9, length="2ep"),)},
    }
    for row, more in tuned.items():
        record = replace(read_record(records / f"{row}-seed0.json"), **more)
        (tmp_path / f"{row}-seed0.json").write_bytes(record.content())
    prepared = prepare(asked(seeds=1), tmp_path / "new", records=[tmp_path])
    assert not prepared.taken and len(prepared.costs) == 2
    assert [told for (told,) in prepared.refused.values()] == [
        "It began with trained weights, abababababab.",
        "It went on from a finished run of 2ep.",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"only": ["resnet9"]}, "toy has no row 'resnet9'"),
        ({"seeds": 0}, "--seeds must be at least 1, got 0"),
        ({"values": {"length": "3ep"}}, "length cannot be set"),
        ({"values": {"eval_every": "3ep", "lr": 0.2}}, "eval_every cannot be set"),
        ({"values": {"log_every": 3}}, "log_every cannot be set"),  # the rows' own
        ({"budget": "smoke", "only": ["own"], "values": {"report": True}}, "report cannot be set"),
        ({"budget": "smoke", "data": {"": "digits"}}, "budget smoke is made of digits"),
        ({"data": {"cifar10": "x"}}, "no row that is asked for is of cifar10"),
        ({"budget": "tenth"}, "4 steps of 128 images are less than one epoch"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_begins(
    given: dict[str, object], message: str, tmp_path: Path
) -> None:
    toy = replace(TOY, rows=(*TOY.rows, replace(TOY.rows[0], name="own", values={})))
    with pytest.raises(UsageError, match=message):
        prepare(asked(**{"reproduction": toy, **given}), tmp_path / "new")


def test_data_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    of_cifar = replace(TOY, rows=(replace(TOY.rows[0], data="cifar10", values={}),))
    with pytest.raises(DataError, match=r"is not cifar10 as it was published: 1,438 training images"):
        prepare(asked(reproduction=of_cifar, data={"": "digits"}), tmp_path / "new")


def test_a_damaged_record_in_the_folder_is_written_anew_from_its_run(made: Prepared, tmp_path: Path) -> None:
    out = shutil.copytree(made.out, tmp_path / "copy")
    path = out / "records" / f"{RUNS[0]}.json"
    before = path.read_bytes()
    path.write_bytes(before[:50])

    make(prepare(asked(), out))

    assert path.read_bytes() == before


def test_a_run_in_a_rows_place_that_is_not_the_rows_is_refused(made: Prepared, tmp_path: Path) -> None:
    out = shutil.copytree(made.out, tmp_path / "copy")
    shutil.rmtree(out / "records")
    shutil.rmtree(out / RUNS[1])
    shutil.copytree(out / RUNS[3], out / RUNS[1])
    data = out / RUNS[0] / "data.json"
    data.write_text(json.dumps(json.loads(data.read_text()) | {"fingerprint": "0" * 64}))
    with pytest.raises(UsageError) as refused:
        prepare(asked(), out)
    told = " ".join(str(refused.value).split())
    assert f"{RUNS[0]} is not the run of its name: The data is not that of the run there" in told
    assert "seed" in told.partition(f"{RUNS[1]} is not the run of its name: ")[2]

    record = read_record(write_record(replace(made, out=out), RUNS[0]))
    assert record.data.content == ""  # of data that nobody looked at


def test_a_damaged_record_that_nobody_writes_anew_is_named_before_anything_is_made(
    made: Prepared, tmp_path: Path
) -> None:
    out = shutil.copytree(made.out, tmp_path / "copy")
    (out / "records" / f"{RUNS[0]}.json").write_text("{")
    prepare(asked(), out)
    with pytest.raises(DataError, match=f"{RUNS[0]}.json cannot be read"):
        prepare(asked(only=["resnet8"]), out)
    (out / "records" / "below").mkdir()
    (out / "records" / "below" / f"{RUNS[1]}.json").write_text("{")
    with pytest.raises(DataError, match=f"below/{RUNS[1]}.json cannot be read"):
        prepare(asked(), out)


def test_a_record_that_is_of_no_table_counts_and_stands_in_the_table(made: Prepared, tmp_path: Path) -> None:
    out = shutil.copytree(made.out, tmp_path / "copy")
    for name in (*RUNS, "records"):
        shutil.rmtree(out / name)
    write_records([read_run(made.out / name) for name in RUNS], out / "records")
    prepared = prepare(asked(), out)
    assert [*prepared.taken] == RUNS and "made elsewhere" in prepared.cells()[1][0][-1]
    assert make(prepared)[0].cells() == result_of(made).cells()


def test_no_record_of_another_run_is_replaced(made: Prepared, records: Path, tmp_path: Path) -> None:
    record = read_record(records / f"{RUNS[0]}.json")
    alone = shutil.copytree(made.out, tmp_path / "alone")
    shutil.rmtree(alone / RUNS[0])
    (alone / "records" / f"{RUNS[0]}.json").write_bytes(replace(record, first_weights="ab" * 32).content())
    with pytest.raises(
        UsageError, match=r"would be replaced: .* another run\. It began with trained weights"
    ):
        prepare(asked(), alone)

    out = shutil.copytree(made.out, tmp_path / "copy")
    theirs = replace(record, begun="2020-01-01T00:00:00Z").content()
    (out / "records" / f"{RUNS[0]}.json").write_bytes(theirs)
    with pytest.raises(UsageError, match=r"would be replaced: .* The run there was begun at another time"):
        prepare(asked(), out)
    with pytest.raises(UsageError, match=f"{RUNS[0]}.json is the record of another run than"):
        write_record(replace(made, out=out), RUNS[0])
    assert (out / "records" / f"{RUNS[0]}.json").read_bytes() == theirs


def test_a_run_whose_record_alone_is_left_is_not_made_again(made: Prepared, tmp_path: Path) -> None:
    out = shutil.copytree(made.out, tmp_path / "copy")
    shutil.rmtree(out / RUNS[0])
    prepared = prepare(asked(), out)
    assert [*prepared.taken] == [RUNS[0]] and prepared.costs == {}
    assert prepared.cells()[1][0][-1] == "finished, its record alone is left"

    table, _ = make(prepared)

    assert not (out / RUNS[0]).exists() and table.origins == {}
    assert table.cells() == result_of(made).cells()


def test_a_folder_of_another_table_or_budget_is_refused_whoever_looks(made: Prepared) -> None:
    other = asked(reproduction=replace(TOY, name="other"))
    for request in (other, asked("half")):
        with pytest.raises(UsageError, match=r"holds runs of toy, budget full, and .* is asked for"):
            prepare(request, made.out)
    with pytest.raises(UsageError, match="holds runs of toy"):
        result_of(replace(made, request=other))


def test_too_few_at_once_are_refused_before_steps_are_timed_and_leave_nothing(
    made: Prepared, tmp_path: Path
) -> None:
    told: list[str] = []
    with pytest.raises(UsageError, match="at least one run is made at once, got -1"):
        prepare(asked(), tmp_path / "new", at_once=-1, tell=told.append)
    assert told == []
    with pytest.raises(UsageError, match="at least one run is made at once, got -1"):
        make(replace(made, out=tmp_path / "new", at_once=-1))
    assert not (tmp_path / "new").exists()


def test_of_two_that_end_together_none_writes_less_than_there_is(made: Prepared, tmp_path: Path) -> None:
    """One has drawn its table when the other's record comes: it waits for the lock, and draws anew."""
    out = shutil.copytree(made.out, tmp_path / "copy")
    prepared = replace(made, out=out)
    late = out / "records" / f"{RUNS[3]}.json"
    content = late.read_bytes()
    late.unlink()
    shutil.rmtree(out / "result")
    found: list[ResultTable] = []
    with study_lock(out):
        ending = threading.Thread(target=lambda: found.append(write_result(prepared)[0]))
        ending.start()
        ending.join(timeout=2)
        assert not (out / "result").exists() and not found
        late.write_bytes(content)
    ending.join()

    assert [outcome.n for outcome in found[0].outcomes] == [2, 2]
    for kind in ("svg", "md", "html"):
        assert (out / "result" / f"toy-full.{kind}").is_file()
    assert (out / "result" / "toy-full.md").read_text() == (made.out / "result" / "toy-full.md").read_text()


def test_a_damaged_run_is_named(made: Prepared, tmp_path: Path) -> None:
    out = shutil.copytree(made.out, tmp_path / "copy")
    (out / RUNS[0] / "RESULT.json").write_text('{"step": 44}')
    with pytest.raises(DataError, match=f"{RUNS[0]}/RESULT.json is damaged"):
        make(prepare(asked(), out))
