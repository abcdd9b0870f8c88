"""Records of ordinary runs: what they say, the table made of them, and what is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from resnetlab.cli import main
from resnetlab.errors import DataError, UsageError
from resnetlab.reporting import report
from resnetlab.reporting.reading import read_run
from resnetlab.reporting.records.collecting import read_records_at
from resnetlab.reporting.records.making import record_of, write_records
from resnetlab.reporting.records.record import MOST_BYTES, digest, read_record

OLD = Path(__file__).parents[2] / "old_files" / "0.1.0"
NAMES = ("seed0", "seed1", "seed2")


@pytest.fixture(scope="module")
def records(real_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of three runs."""
    folder = tmp_path_factory.mktemp("records")
    write_records([read_run(real_runs / name) for name in NAMES], folder)
    return folder


@pytest.fixture
def copied(records: Path, tmp_path: Path) -> Path:
    """A copy of them that may be changed."""
    return shutil.copytree(records, tmp_path / "copied")


def changed(path: Path, **values: object) -> Path:
    """Change values of a record, with the hash that fits."""
    plain = json.loads(path.read_text()) | values
    plain.pop("sha256")
    path.write_text(json.dumps(plain | {"sha256": digest(plain)}))
    return path


def test_it_says_what_the_run_wrote_down(real_runs: Path, records: Path) -> None:
    run, record = real_runs / "seed1", read_record(records / "seed1.json")
    result = json.loads((run / "RESULT.json").read_text())

    assert (record.reproduction, record.budget, record.row, record.seed) == ("", "", "seed1", 1)
    assert (record.test.seen, record.test.seen - record.test.wrong) == (result["seen"], result["correct"])
    assert (record.data.train, record.steps, record.images) == (60, 40, 40 * 8)
    assert record.recipe == json.loads((run / "recipe.json").read_text())
    assert record.made[0].threads >= 1 and record.ended >= record.begun
    assert max(path.stat().st_size for path in records.iterdir()) <= MOST_BYTES
    assert record.content() == (records / "seed1.json").read_bytes()


def test_the_table_of_records_is_that_of_the_runs(real_runs: Path, records: Path) -> None:
    (runs,), (shown,) = report(real_runs).groups, report(records).groups

    assert shown.errors == runs.errors and len(shown.errors) == 3
    assert (shown.mean, shown.std) == (runs.mean, runs.std)
    assert (shown.network, shown.recipe, shown.deviations) == (runs.network, runs.recipe, runs.deviations)
    assert shown.seconds == pytest.approx(runs.seconds, abs=0.1)


def test_curves_and_page_are_made_of_records(records: Path, tmp_path: Path) -> None:
    found = report(records)
    found.draw(tmp_path / "curves.svg")
    found.page(tmp_path / "page.html")

    assert (tmp_path / "curves.svg").stat().st_size > 5000 < (tmp_path / "page.html").stat().st_size


@pytest.mark.parametrize("name", ["run", "run-on-files"])
def test_runs_of_the_first_version_have_records(name: str, tmp_path: Path) -> None:
    (path,) = write_records([read_run(OLD / name)], tmp_path)
    record, result = read_record(path), json.loads((OLD / name / "RESULT.json").read_text())

    assert record.test.seen - record.test.wrong == result["correct"]
    assert (record.val is None) == (result["best_val_accuracy"] is None)
    assert record.ending.weights == result["weights"]
    assert report(path).groups[0].mean == report(OLD / name).groups[0].mean
    notes = report(OLD / name).to_json()["groups"][0]["notes"]
    assert report(path).to_json()["groups"][0]["notes"] == notes


def test_a_run_counts_once(real_runs: Path, records: Path, copied: Path) -> None:
    shutil.copy(copied / "seed0.json", copied / "again.json")
    (group,) = report([real_runs / "seed1", records, copied]).groups

    assert len(group.runs) == 3
    assert report([real_runs / "seed1", copied]).markdown().count("is the same run as") == 2


def test_copies_that_tell_of_another_end_are_refused(records: Path, copied: Path) -> None:
    test = json.loads((copied / "seed0.json").read_text())["test"]
    changed(copied / "seed0.json", test=test | {"wrong": test["wrong"] - 1})

    with pytest.raises(DataError, match=r"seed0\.json and .*seed0\.json are the same run, and tell of"):
        report([records, copied])


def test_other_data_and_budgets_are_never_one_mean(copied: Path) -> None:
    plain = json.loads((copied / "seed0.json").read_text())
    changed(copied / "seed0.json", data=plain["data"] | {"fingerprint": "f" * 64})
    recipe = json.loads((copied / "seed1.json").read_text())["recipe"]
    recipe["run"]["length"] = "20st"
    changed(copied / "seed1.json", recipe=recipe, recipe_sha256=digest(recipe))

    assert [len(group.errors) for group in report(copied).groups] == [1, 1, 1]


def test_what_a_reader_made_stands_apart(copied: Path) -> None:
    (copied / "readers" / "ada").mkdir(parents=True)
    (copied / "seed2.json").rename(copied / "readers" / "ada" / "seed2.json")
    groups = report(copied).groups

    assert [(group.made_by, len(group.errors)) for group in groups] == [("us", 2), ("reader ada", 1)]
    assert "| us |" in report(copied).markdown() and "| reader ada |" in report(copied).markdown()
    assert all(len(group.deviations) == len(groups[0].deviations) for group in groups)


@pytest.mark.parametrize(
    ("place", "reader"),
    [
        ("readers/ada/2026/x.json", "reader ada"),
        ("readers/ada.json", "reader ada"),
        ("readers/readers/x.json", "reader x"),
        ("ours/x.json", "us"),
    ],
)
def test_a_reader_is_who_has_a_folder_or_a_file_there(copied: Path, place: str, reader: str) -> None:
    (copied / place).parent.mkdir(parents=True)
    (copied / "seed2.json").rename(copied / place)
    assert [run.made_by for group in report(copied / place).groups for run in group.runs] == [reader]


def test_a_linked_folder_of_a_reader_is_that_readers(copied: Path) -> None:
    (copied / "elsewhere").mkdir()
    (copied / "seed2.json").rename(copied / "elsewhere" / "seed2.json")
    (copied / "readers").mkdir()
    (copied / "readers" / "ada").symlink_to(copied / "elsewhere")
    assert [group.made_by for group in report(copied / "readers" / "ada" / "seed2.json").groups] == [
        "reader ada"
    ]


def test_what_is_hidden_in_a_folder_is_no_record(copied: Path) -> None:
    (copied / "._seed0.json").write_bytes(b"\0\5\x16\7")
    (copied / ".ipynb_checkpoints").mkdir()
    (copied / ".ipynb_checkpoints" / "seed0-checkpoint.json").write_text("{")
    assert len(report(copied).groups[0].errors) == 3


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"version": 3}, "is a record of version 3"),
        ({"version": True}, "is a record of version True"),
        ({"begun": "yesterday"}, "no date: 'yesterday'"),
        ({"train_error": -7.0}, "an error of -7.0 %"),
        ({"best_train": {"error": 101.0, "step": 1}}, "an error of 101.0 %"),
        ({"ending": {"bad_samples": 10**10}}, "10,000,000,000 broken images"),
        ({"format": "another"}, "is no record of a result"),
        ({"seed": 7}, "seed 7, and 0 in the recipe"),
        ({"test": {"wrong": 31, "seen": 30, "loss": 1.0}}, "31 of 30 test images wrong"),
        ({"network_sha256": "0"}, "recipe or network is not that of which it holds the hash"),
        (
            {"train_curve": {"step": [9.0, 3.0], "error": [1.0, 1.0]}},
            "a curve whose steps do not lie in order",
        ),
        ({"later": 1}, "no such field: later"),
        ({"epochs": 0.0}, "40 steps, 0.0 epochs"),
    ],
)
def test_what_cannot_be_is_refused(copied: Path, values: dict[str, object], told: str) -> None:
    path = changed(copied / "seed0.json", **values)

    with pytest.raises(DataError, match=told):
        report(copied)
    assert str(path) == str(copied / "seed0.json")


def test_what_is_torn_or_foreign_in_a_folder_is_told_at_once(copied: Path) -> None:
    (copied / "seed0.json").write_text((copied / "seed0.json").read_text()[:100])
    (copied / "foreign.json").write_text("{}")

    with pytest.raises(
        DataError, match=r"foreign\.json is no record of a result\n.*seed0\.json cannot be read"
    ):
        report(copied)


def test_of_a_study_whose_runs_are_gone_the_records_are_read_and_nothing_else(
    records: Path, tmp_path: Path
) -> None:
    study = tmp_path / "below" / "study"
    shutil.copytree(records, study / "records")
    for name in ("study.json", "responses/seed0.json"):
        (study / name).parent.mkdir(exist_ok=True)
        (study / name).write_text("{}")
    for place in (study, tmp_path):
        assert report(place).groups[0].errors == report(records).groups[0].errors

    shutil.rmtree(study / "records")
    with pytest.raises(UsageError, match="a study is written down there, and none of its runs has begun"):
        report(study)
    with pytest.raises(UsageError, match="a study without a folder records"):
        read_records_at([study])


def test_nothing_is_written_over_another_runs_record(real_runs: Path, copied: Path) -> None:
    shutil.move(copied / "seed1.json", copied / "seed0.json")
    before = (copied / "seed0.json").read_bytes()

    with pytest.raises(UsageError, match=r"seed0\.json is the record of another run than"):
        write_records([read_run(real_runs / name) for name in NAMES], copied)
    assert (copied / "seed0.json").read_bytes() == before and not (copied / "seed1.json").exists()


def test_a_record_is_kept_small_by_coarser_curves(real_runs: Path) -> None:
    run = read_run(real_runs / "seed0")
    half = {"accuracy": 0.5, "correct": 15, "seen": 30, "loss": 1.0, "train_accuracy": 0.5, "train_loss": 1.0}
    often = [{"kind": "test", "step": 40 + index, **half} for index in range(3000)]
    environment = run.events[0]["environment"]
    events = [{**run.events[0], "environment": {**environment, "cpu": "x" * 14500}}, *run.events[1:]]
    record = record_of(replace(run, rows=[*run.rows, *often], events=events))

    assert len(record.content()) <= MOST_BYTES and 1 < len(record.test_curve.step) <= 120
    assert record.made[0].cpu == "x" * 14500


def test_the_command_writes_and_reads_them(
    real_runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "kept"
    assert main(["report", str(real_runs), "--record-to", str(folder)]) == 0
    assert [path.name for path in sorted(folder.iterdir())] == [f"{name}.json" for name in NAMES]
    assert "written: " in capsys.readouterr().out
    assert main(["report", str(folder), "--markdown"]) == 0
    assert "| us |" in capsys.readouterr().out
    assert main(["report", str(folder), "--record-to", str(tmp_path / "no")]) == 2
    assert "all of these are records already" in capsys.readouterr().err
