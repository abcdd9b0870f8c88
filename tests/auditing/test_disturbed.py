"""What kills, power cuts, clocks and copies leave of an honest run breaks no promise."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from resnetlab.auditing import audit_run, audit_sentence
from resnetlab.runs.directory import RunDirectory
from resnetlab.training.observer import Observer
from resnetlab.training.run import train_plan
from tests.kit.audited import found, told
from tests.kit.doctored_runs import Rows, edit_rows, of
from tests.kit.reported_runs import edit, read
from tests.kit.small_runs import two_stage_plan


def test_a_backup_of_hard_links_breaks_none(honest: Path, tmp_path: Path) -> None:
    backup = shutil.copytree(honest, tmp_path / "backup", copy_function=os.link)

    assert told(backup) == []
    assert found(backup)["rows then"].verdict == "pass"


def test_a_clock_that_was_set_back_is_not_known(copy: Path) -> None:
    """By an hour, as the time of the network may, when all but the start had happened."""
    edit_rows(copy / "events.jsonl", lambda rows: [row.update(time=row["time"] - 3600) for row in rows[3:]])
    edit(copy / "RESULT.json", train_seconds=900.0, images_per_second=16 * 8 / 900)

    verdicts = {name: finding.verdict for name, finding in found(copy).items()}

    assert (verdicts["times"], verdicts["time of training"]) == ("unknown", "unknown")
    assert {name for name, verdict in verdicts.items() if verdict == "fail"} == {"seconds"}, (
        "which are others in the checkpoint"
    )


def killed_after(step: int, copy: Path) -> None:
    """Have been killed between the checkpoint of a step that it was stopped at and the event of it."""

    def kill(rows: Rows) -> None:
        index = next(i for i, row in enumerate(rows) if row["event"] == "save" and row["step"] == step)
        del rows[index : rows.index(of(rows, "resume")[0])]

    edit_rows(copy / "events.jsonl", kill)


def test_a_kill_between_a_checkpoint_and_its_event_breaks_none(copy: Path) -> None:
    killed_after(7, copy)

    assert [row["step"] for row in of(_events(copy), "save")] == [5, 10, 15, 16]
    assert told(copy) == []
    assert found(copy)["saves"].verdict == "pass"
    assert found(copy)["time of training"].verdict == "unknown", "the seconds up to the kill are in no event"


def test_events_that_a_power_cut_took_are_not_known(copy: Path) -> None:
    """Those of the saves of 5 and 7, of which the one of 7 is gone on from."""
    killed_after(5, copy)

    assert told(copy) == []
    assert found(copy)["saves"].verdict == "unknown"


def test_an_end_that_a_power_cut_took_is_not_known(copy: Path) -> None:
    edit_rows(
        copy / "events.jsonl", lambda rows: rows.__delitem__(slice(rows.index(of(rows, "end")[0]), None))
    )

    assert told(copy) == []
    assert found(copy)["end"].verdict == "unknown"


def test_events_whose_beginning_is_lost_are_not_known(copy: Path) -> None:
    """All up to the restart: nobody waits for them, so that the file may not be there after a power cut."""
    edit_rows(
        copy / "events.jsonl", lambda rows: rows.__delitem__(slice(0, rows.index(of(rows, "resume")[0])))
    )

    assert told(copy) == []


def test_events_that_are_all_lost_are_not_known(copy: Path) -> None:
    (copy / "events.jsonl").write_bytes(b"")

    assert told(copy) == []


def test_zeros_in_the_midst_of_events_are_not_known(copy: Path) -> None:
    lines = (copy / "events.jsonl").read_bytes().splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if b'"save"' in line)
    lines[first] = b"\0" * len(lines[first])  # its end too, so that the next line is none either
    (copy / "events.jsonl").write_bytes(b"".join(lines))

    assert told(copy) == []


def test_an_observer_that_fails_at_the_end_is_no_end_of_the_run(tmp_path: Path) -> None:
    class Failing(Observer):
        def ended(self, result: Mapping[str, Any]) -> None:
            raise RuntimeError("no route to the tracker")

    with pytest.raises(RuntimeError, match="no route"):
        train_plan(two_stage_plan(length="4st"), tmp_path / "run", Failing())

    assert _events(tmp_path / "run")[-1]["event"] == "end"
    assert told(tmp_path / "run") == []


def test_source_files_that_were_not_installed_have_no_version(copy: Path) -> None:
    packages = read(copy / "environment.json")["packages"] | {"resnetlab": ""}
    edit(copy / "environment.json", packages=packages)
    edit_rows(
        copy / "events.jsonl",
        lambda rows: [row["environment"].update(packages=packages) for row in of(rows, "start")],
    )

    assert told(copy) == []
    assert found(copy)["environment"].verdict == "unknown"


@pytest.mark.parametrize("name", ["MANIFEST.json", "ema.safetensors"])
def test_a_superseded_checkpoint_that_was_half_removed_is_not_known(name: str, tmp_path: Path) -> None:
    train_plan(
        two_stage_plan(length="4st", checkpoint_every=1, keep_checkpoints=2), tmp_path / "run", Observer()
    )
    checkpoints = tmp_path / "run" / "checkpoints"
    shutil.copytree(checkpoints / "step-00000003", checkpoints / "step-00000001")
    (checkpoints / "step-00000001" / name).unlink()

    assert told(tmp_path / "run") == []
    assert found(tmp_path / "run")["checkpoints"].verdict == "unknown"
    (checkpoints / "step-00000003" / name).unlink()
    assert found(tmp_path / "run")["checkpoints"].verdict == "fail"


def _events(run: Path) -> Rows:
    rows: Rows = []
    edit_rows(run / "events.jsonl", rows.extend)
    return rows


def test_a_report_says_what_the_files_do_not_tell(copy: Path) -> None:
    assert audit_sentence(RunDirectory(copy)) == (True, _sentence(copy, ""))
    shutil.rmtree(copy / "checkpoints")

    assert audit_sentence(RunDirectory(copy)) == (
        True,
        _sentence(copy, "; not known: last checkpoint (the run's checkpoints were removed) and 2 more"),
    )


def _sentence(run: Path, unknown: str) -> str:
    looked_at = [*audit_run(RunDirectory(run), reads_all=False)]
    kept = sum(finding.verdict == "pass" for finding in looked_at)
    told = f"{kept} of {len(looked_at)} promises of its files are kept, none is broken{unknown}"
    return f"{told} (`resnetlab verify`)."
