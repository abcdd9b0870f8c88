"""What the table says of a run: its state by its lock, its numbers by the ends of its journals."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from resnetlab.board import folder
from resnetlab.board.folder import Folder
from resnetlab.board.glance import KILLED, Glance, Glancing
from resnetlab.board.journal_ends import LastEvents, LastRows
from resnetlab.reporting.reading import read_run
from resnetlab.runs.directory import lock_run
from tests.kit.boards import (
    add_rows,
    crashed,
    every_state,
    finished,
    interrupted,
    killed,
    removed,
    study,
    test_row,
)
from tests.kit.reported_runs import edit, read


def look(path: Path) -> Glance:
    return Glancing(path, path.name, path.parent.resolve()).look()


def test_the_state_is_that_of_the_lock_the_end_and_the_events(tmp_path: Path) -> None:
    held = killed(tmp_path / "held")
    with lock_run(held):
        states = {each.name: each.state for each in Folder(every_state(tmp_path)).look().glances}

    assert states == {
        "crashed": "crashed", "damaged": "damaged", "digits/seed0": "finished", "digits/seed1": "finished",
        "held": "running", "interrupted": "interrupted", "killed": "crashed",
        "study/waiting-seed0": "waiting",
    }  # fmt: skip


def test_why_a_run_is_not_at_its_end(tmp_path: Path) -> None:
    error = look(crashed(tmp_path / "crashed", "the loss is not finite\nmore"))
    signal = look(interrupted(tmp_path / "interrupted"))
    nothing = look(killed(tmp_path / "killed"))
    with lock_run(nothing.path):
        running = look(nothing.path)

    assert error.why == "the loss is not finite"
    assert signal.why == "by SIGINT"
    assert nothing.why == KILLED
    assert running.why.startswith("process ")


def test_a_run_that_frees_its_lock_as_it_ends_is_never_said_to_have_crashed(tmp_path: Path) -> None:
    """RESULT.json is written before the lock is freed; who looks at the lock first cannot miss it."""
    run = finished(tmp_path / "run")
    result = (run / "RESULT.json").read_text()
    (run / "RESULT.json").unlink()
    glancing = Glancing(run, "run", tmp_path.resolve())
    with lock_run(run):
        states = [glancing.look().state]
        (run / "RESULT.json").write_text(result)
        states.append(glancing.look().state)

    assert states == ["running", "finished"]


def test_numbers_are_those_of_reading_the_whole_run(tmp_path: Path) -> None:
    for run in (finished(tmp_path / "a"), interrupted(tmp_path / "b"), killed(tmp_path / "c")):
        add_rows(run / "metrics.jsonl", [test_row(8, 0.25)])
        glance, whole = look(run), read_run(run)

        assert glance.run is not None
        assert (glance.run.step, glance.run.num_steps, glance.run.progress) == (
            whole.step, whole.num_steps, whole.progress,
        )  # fmt: skip
        assert glance.run.evaluations[-1:] == whole.evaluations[-1:]


def test_progress_is_told_in_steps_or_as_what_is_planned(tmp_path: Path) -> None:
    every_state(tmp_path)
    recipe = killed(tmp_path / "epochs") / "recipe.json"
    content = json.loads(recipe.read_text())
    content["run"]["length"] = "12ep"
    recipe.write_text(json.dumps(content))
    told = {each.name: each.progress for each in Folder(tmp_path).look().glances}

    assert told == {
        "crashed": "5 of 10", "damaged": "", "digits/seed0": "8 steps", "digits/seed1": "8 steps",
        "epochs": "step 5 of 12 epochs", "interrupted": "5 of 10", "killed": "5 of 10",
        "study/waiting-seed0": "10 steps",
    }  # fmt: skip


def test_the_accuracy_is_of_the_end_or_of_the_last_evaluation(tmp_path: Path) -> None:
    none = look(killed(tmp_path / "none"))
    some = killed(tmp_path / "some")
    add_rows(
        some / "metrics.jsonl", [test_row(5, 0.25) | {"kind": "val"}, test_row(6, 0.5) | {"kind": "val"}]
    )
    end = look(finished(tmp_path / "end", correct=300))

    assert (none.accuracy, none.split) == (None, "")
    assert (look(some).accuracy, look(some).split) == (0.5, "val")
    assert (end.accuracy, end.split) == (300 / 359, "test")


def test_what_is_left_is_told_by_the_steps_since_the_run_was_begun(tmp_path: Path) -> None:
    """4 steps in 8 seconds: 6 more of 10 take 12; some are over since the last row was written."""
    run = killed(tmp_path / "run")
    os.utime(run / "metrics.jsonl")
    began = (run / "metrics.jsonl").stat().st_mtime - 8
    (run / "events.jsonl").write_text(json.dumps({"event": "start", "time": began}) + "\n")
    with lock_run(run):
        glance = look(run)

    assert glance.seconds_left is not None
    assert 6 < glance.seconds_left <= 12.01


def test_of_what_happens_often_the_last_is_kept(tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    kinds = ["start", *["speed", "speed", "save"] * 40, "bad-sample", "speed"]
    add_rows(events, [{"event": kind, "step": step, "time": 1.0} for step, kind in enumerate(kinds)])
    last = LastEvents(events)

    assert [(row["event"], row["step"]) for row in last.read()] == [
        ("start", 0), ("save", 120), ("bad-sample", 121), ("speed", 122)
    ]  # fmt: skip
    add_rows(events, [{"event": "save", "step": 123, "time": 1.0}])
    assert [row["step"] for row in last.read()] == [0, 121, 122, 123]


def test_a_second_look_reads_nothing_and_a_third_what_came(tmp_path: Path) -> None:
    run = killed(tmp_path / "run")
    glancing = Glancing(run, "run", tmp_path.resolve())
    first, second = glancing.look(), glancing.look()
    add_rows(run / "metrics.jsonl", [test_row(7, 0.5)])
    third = glancing.look()

    assert first is second
    assert first.run is not None
    assert third.run is not None
    assert third.run.spec is first.run.spec
    assert (first.accuracy, third.accuracy, third.run.step) == (None, 0.5, 7)


def test_the_last_evaluation_is_found_behind_many_rows_of_training(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    trained = [{"kind": "train", "step": step, "train_accuracy": 0.5} for step in range(8, 20_008)]
    add_rows(path, [test_row(4, 0.1), test_row(8, 0.2), *trained])
    with path.open("a") as file:
        file.write('{"kind": "train", "st')
    rows = LastRows(path)

    assert rows.read() == (test_row(8, 0.2), trained[-1])
    with path.open("a") as file:
        file.write('ep": 20008, "train_accuracy": 0.75}\n')
    assert rows.read() == (test_row(8, 0.2), {"kind": "train", "step": 20_008, "train_accuracy": 0.75})
    add_rows(path, [test_row(20_009, 0.9)])
    assert rows.read()[-1] == test_row(20_009, 0.9)


def test_a_file_that_a_resume_cut_back_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    add_rows(path, [test_row(4, 0.1), test_row(8, 0.2)])
    rows = LastRows(path)
    rows.read()
    path.write_text(json.dumps(test_row(4, 0.1)) + "\n")
    cut = rows.read()
    path.write_text(
        json.dumps(test_row(4, 0.125)) + "\n" + json.dumps(test_row(8, 0.5) | {"more": "x" * 99}) + "\n"
    )

    assert cut == (test_row(4, 0.1),)
    assert rows.read()[-1]["accuracy"] == 0.5


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("recipe.json", "", "recipe.json"),
        ("spec.json", "[1]", "spec.json"),
        ("data.json", "{}", "data.json"),
        ("metrics.jsonl", "nonsense\n", "metrics.jsonl"),
        ("metrics.jsonl", '{"kind": "test", "step": -1}\n', "step is -1"),
        ("RESULT.json", "{}", "RESULT.json"),
    ],
)
def test_what_is_damaged_is_named(tmp_path: Path, name: str, content: str, told: str) -> None:
    run = finished(tmp_path / "run")
    (run / name).write_text(content)

    glance = look(run)

    assert (glance.state, glance.run) == ("damaged", None)
    assert told in glance.why


def test_a_number_too_large_to_reckon_with_is_damage_and_hides_no_other_run(tmp_path: Path) -> None:
    for name in ("batch", "lr"):
        recipe = finished(tmp_path / name) / "recipe.json"
        recipe.write_text(re.sub(rf'"{name}": [^,]+', f'"{name}": {10**400}', recipe.read_text()))
    begun = killed(tmp_path / "time") / "events.jsonl"
    begun.write_text(re.sub(r'"time": [^,]+', f'"time": {10**400}', begun.read_text()))
    finished(tmp_path / "sound")

    glances = {each.name: each for each in Folder(tmp_path).look().glances}

    assert {name: each.state for name, each in glances.items()} == {
        "batch": "damaged", "lr": "damaged", "sound": "finished", "time": "crashed",
    }  # fmt: skip
    assert "a number of 401 digits" in glances["batch"].why


def test_a_run_of_a_later_version_says_so(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    edit(run / "recipe.json", wishes={"more": 1})

    assert "no such field: wishes" in look(run).why


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    shown, outside = tmp_path / "folder", finished(tmp_path / "outside")
    finished(shown / "own")
    linked = finished(shown / "linked")
    (linked / "metrics.jsonl").unlink()
    (linked / "metrics.jsonl").symlink_to(outside / "metrics.jsonl")
    (shown / "away").symlink_to(outside)
    (shown / "inside").symlink_to(shown / "own")

    listing = Folder(shown).look()

    assert {each.name: each.state for each in listing.glances} == {"own": "finished", "linked": "damaged"}
    assert "metrics.jsonl is a link that leads out" in next(g.why for g in listing.glances if g.run is None)
    assert listing.notes == (f"Links that lead out of {shown} are not followed: away.",)


def test_runs_come_and_go(tmp_path: Path) -> None:
    looked_at = Folder(tmp_path, pause=0)
    seen = [_names(looked_at)]
    finished(tmp_path / "group" / "seed10")
    finished(tmp_path / "group" / "seed2")
    study(tmp_path / "study", ["b", "a"])
    seen.append(_names(looked_at))
    interrupted(tmp_path / "study" / "a")
    removed(tmp_path / "group" / "seed10")
    seen.append(_names(looked_at))

    begun, planned = ["group/seed2", "group/seed10"], ["study/a", "study/b"]
    assert seen == [[], [*begun, *planned], [begun[0], *planned]]


def _names(looked_at: Folder) -> list[str]:
    names = (each.name for each in looked_at.look().glances)
    return sorted(names, key=lambda name: (name.split("/")[0], len(name), name))


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("../run", {}, "'../run' is no name of a run"),
        ("\ud800", {}, r"'\ud800' is no name of a run"),
        ("a", {"val_indices": 5}, "val_indices is 5"),
    ],
)
def test_a_study_that_is_damaged_is_a_note(
    tmp_path: Path, name: str, changes: dict[str, Any], told: str
) -> None:
    finished(tmp_path / "run")
    record = study(tmp_path / "study", [name]) / "study.json"
    rows = read(record)["runs"]
    edit(record, runs=[row | {"data": row["data"] | changes} for row in rows])

    listing = Folder(tmp_path).look()

    assert [each.name for each in listing.glances] == ["run"]
    assert told in listing.notes[0]


def test_seeds_stand_together_and_have_their_mean(tmp_path: Path) -> None:
    rows = Folder(every_state(tmp_path)).look().rows
    several = next(row for row in rows if len(row.glances) > 1 and row.accuracy is not None)

    assert [each.name for each in several.glances] == ["digits/seed0", "digits/seed1"]
    assert several.accuracy == pytest.approx((300 + 310) / 2 / 359, abs=1e-12)


def test_what_a_sweep_sweeps_over_is_told_first(tmp_path: Path) -> None:
    for rate in (0.2, 0.4):
        recipe = finished(tmp_path / f"lr{rate}") / "recipe.json"
        content = json.loads(recipe.read_text())
        content["schedule"]["lr"] = rate
        recipe.write_text(json.dumps(content))
    told = sorted(rows.deviations(40) for rows in Folder(tmp_path).look().rows)

    assert [text.split(", ")[:2] for text in told] == [["lr=0.2", "length=8st"], ["lr=0.4", "length=8st"]]
    assert {len(text) for text in told} == {40}


def test_a_folder_of_very_many_files_is_searched_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tmp_path / "a")
    for number in range(30):
        (tmp_path / "photos" / f"class{number:02}").mkdir(parents=True)
    finished(tmp_path / "photos" / "class29" / "z")
    whole = Folder(tmp_path).look()
    monkeypatch.setattr(folder, "MOST_ENTRIES", 20)
    part = Folder(tmp_path).look()

    assert ([each.name for each in whole.glances], whole.notes) == (["a", "photos/class29/z"], ())
    assert [each.name for each in part.glances] == ["a"]
    assert part.notes[0].startswith("Only the first 20 names below")
