"""`resnetlab runs`: the table in a terminal, plain where it is piped, as CSV and as JSON."""

import csv
import io
import json
import os
from pathlib import Path

import pytest

from resnetlab.board.folder import Folder
from resnetlab.board.text import listing_csv, listing_text
from resnetlab.cli import main
from tests.kit.boards import every_state, finished, interrupted
from tests.kit.reported_runs import edit


def test_each_run_is_a_line_with_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    every_state(tmp_path)

    assert main(["runs", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines[1:] if line and not line.startswith((" ", "means", "not at"))]

    assert lines[0].split() == ["state", "progress", "accuracy", "seed", "network", "recipe", "data", "run"]
    assert len(table) == 7
    assert any(
        line.startswith("finished") and line.endswith(str(tmp_path / "digits" / "seed1")) for line in table
    )
    assert "84.96 ± 1.97 %  of 2 seeds: resnet8" in "\n".join(lines)
    assert f"{tmp_path / 'crashed'}: the loss is not finite" in "\n".join(lines)


def test_a_narrow_terminal_has_the_state_and_the_path(tmp_path: Path) -> None:
    listing = Folder(every_state(tmp_path)).look()
    header = listing_text(listing, 90).splitlines()[0].split()

    assert {"state", "accuracy", "run"} <= {*header}
    assert "data" not in header
    assert "data" in listing_text(listing, 1000).splitlines()[0]


def test_only_those_in_a_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    every_state(tmp_path)

    main(["runs", str(tmp_path), "--state", "interrupted", "waiting", "--json"])
    found = json.loads(capsys.readouterr().out)

    assert {run["state"] for run in found["runs"]} == {"interrupted", "waiting"}


def test_csv_and_json_have_all_digits_and_no_formula(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    finished(runs / "one", correct=300)
    main(["runs", str(runs), "--json", "--csv", str(tmp_path / "runs.csv")])
    (record,) = json.loads(capsys.readouterr().out)["runs"]
    (row,) = csv.DictReader(io.StringIO((tmp_path / "runs.csv").read_text()))

    assert record["accuracy"] == 300 / 359 == float(row["accuracy"])
    assert (row["state"], row["seed"], row["run"]) == ("finished", "0", str(runs / "one"))


def test_a_name_that_is_a_formula_is_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(tmp_path / "=cmd")
    monkeypatch.chdir(tmp_path)
    record = listing_csv(Folder(Path()).look())

    assert "\n'=cmd," in record


def test_a_name_that_is_no_utf_8_keeps_its_bytes_in_a_csv(tmp_path: Path) -> None:
    name = b"caf\xe9"
    edit(finished(tmp_path / "runs" / os.fsdecode(name)) / "data.json", name="half \ud800")

    assert main(["runs", str(tmp_path / "runs"), "--csv", str(tmp_path / "runs.csv")]) == 0
    assert name in (tmp_path / "runs.csv").read_bytes()
    assert rb"half \ud800" in (tmp_path / "runs.csv").read_bytes()


def test_no_name_and_no_reason_takes_more_than_its_line(tmp_path: Path) -> None:
    for seed in (0, 1):
        edit(finished(tmp_path / str(seed), seed=seed) / "data.json", name="digits\nfinished")
    events = interrupted(tmp_path / "ended") / "events.jsonl"
    events.write_text(events.read_text().replace("SIGINT", "SIGINT\\nfinished"))

    lines = listing_text(Folder(tmp_path).look()).splitlines()

    assert sum(line.startswith("finished") for line in lines) == 2
    assert any(r"by SIGINT\nfinished" in line for line in lines)


def test_an_empty_folder_and_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()

    assert main(["runs", str(tmp_path / "empty")]) == 0
    assert "No run in" in capsys.readouterr().out
    assert main(["runs", str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_the_table_for_spreadsheets_is_printed_where_no_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    finished(tmp_path / "runs/one")
    monkeypatch.chdir(tmp_path)

    assert main(["runs", "--csv", "-"]) == 0

    printed = capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert main(["runs", "--csv", "runs.csv"]) == 0
    assert printed == (tmp_path / "runs.csv").read_text()
    assert main(["runs", "--csv", "-", "--json"]) == 2
    assert "Choose one" in capsys.readouterr().err
