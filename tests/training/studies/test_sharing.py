"""One study and several processes: each run is made once, and none is left because its maker died."""

import json
import re
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from resnetlab.errors import LockedError, UsageError
from resnetlab.runs.directory import RunDirectory, lock_run
from resnetlab.runs.journal import read_rows
from resnetlab.training.studies import sharing
from resnetlab.training.studies.rows import claim_study
from resnetlab.training.studies.sharing import begin_study, open_study
from tests.kit.processes import Command

pytestmark = pytest.mark.processes

SMALL = ("--data", "digits", "--batch", "16", "--set", "width=0.25", "--set", "compile=off", "--no-report")
NAMES = ("resnet8-seed0", "resnet8-seed1", "plain8-seed0", "plain8-seed1")


def job(study: Path, *more: str) -> Command:
    """Begin a process of a study of four runs."""
    return Command("train", "resnet8", "plain8", "--seeds", "2", "--steps", "40", "--checkpoint-every", "10",
                   *SMALL, "--out", str(study), "--resume-if-begun", *more)  # fmt: skip


def events(study: Path, name: str) -> Counter[str]:
    """How often it happened to a run that it started, was resumed, and ended."""
    found = Counter(row["event"] for row in read_rows(study / name / "events.jsonl"))
    return Counter({event: found[event] for event in ("start", "resume", "end")})


ONCE = {"start": 1, "resume": 0, "end": 1}


def stopped_in_its_first_run(study: Path) -> Command:
    """Return a process that was stopped (SIGSTOP) while it made the first run."""
    command = job(study)
    assert command.wait_until((study / NAMES[0] / "checkpoints" / "step-00000010").exists)
    command.send(signal.SIGSTOP)
    return command


def test_processes_that_begin_at_the_same_moment_make_each_run_once(tmp_path: Path) -> None:
    commands = [job(tmp_path / "study") for _ in range(3)]

    printed = [command.finish() for command in commands]

    assert {name: events(tmp_path / "study", name) for name in NAMES} == dict.fromkeys(NAMES, ONCE)
    own = re.compile(r"^(\S+) +[\d.]+ % .*\d of 4(?!, by another)", re.MULTILINE)
    made = [name for text in printed for name in own.findall(text)]
    assert sorted(made) == sorted(NAMES)


def test_who_finds_all_else_taken_ends_and_says_by_whom(tmp_path: Path) -> None:
    study = tmp_path / "study"
    first = stopped_in_its_first_run(study)

    second = job(study, "--json")
    text = second.finish()

    told = json.loads(text[text.index("\n{") :])
    assert list(told["runs"]) == [*NAMES[1:]]
    assert f"is in use by process {first.pid} on " in told["made_elsewhere"][NAMES[0]]
    assert "Nothing is left to do here; 1 of 4 runs are made by other processes:\n  " in text
    first.send(signal.SIGCONT)
    assert first.finish().count("of 4, by another process") == 3
    assert {name: events(study, name) for name in NAMES} == dict.fromkeys(NAMES, ONCE)


def test_the_run_of_a_process_that_is_killed_is_finished_by_another(tmp_path: Path) -> None:
    study = tmp_path / "study"
    first = stopped_in_its_first_run(study)
    second = job(study)
    assert second.wait_until((study / NAMES[1] / "recipe.json").exists)
    first.kill()

    printed = second.finish()

    assert "Nothing is left" not in printed
    assert events(study, NAMES[0]) == {"start": 1, "resume": 1, "end": 1}
    assert {name: events(study, name) for name in NAMES[1:]} == dict.fromkeys(NAMES[1:], ONCE)


def test_who_comes_while_the_study_is_written_down_waits_and_joins(tmp_path: Path) -> None:
    lock = lock_run(tmp_path)

    def write() -> None:
        time.sleep(0.3)
        RunDirectory(tmp_path, lock).write("study", {"runs": []})
        lock.release()

    writer = threading.Thread(target=write)
    writer.start()

    assert not begin_study(tmp_path, {})
    writer.join()
    assert open_study(tmp_path) == []


def test_a_study_that_is_held_for_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_PATIENCE", 0.2)

    with claim_study(tmp_path, {}), pytest.raises(LockedError, match="is in use by process"):
        open_study(tmp_path)


def test_what_is_no_study_is_refused_and_left(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(UsageError, match="is not empty"):
        begin_study(tmp_path, {})

    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
