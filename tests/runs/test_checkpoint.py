"""Checkpoints are whole or not there, retention removes only what is superseded, journals heal."""

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest
import torch

from resnetlab.base import files
from resnetlab.errors import CheckpointError, DataError, LockedError, UsageError, WriteError
from resnetlab.runs.checkpoint import list_checkpoints, load_checkpoint, load_newest, retain, save_checkpoint
from resnetlab.runs.directory import claim_new, open_run
from resnetlab.runs.journal import Journal, read_rows, refuse_changed


def save(parent: Path, step: int, identity: str = "mine") -> Path:
    tensors = {"model": {"w": torch.full((2, 3), float(step)), "n": torch.tensor(step)}}
    return save_checkpoint(parent, step=step, identity=identity, tensors=tensors, state={"step": step})


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(save(tmp_path, 7))

    assert (checkpoint.step, checkpoint.identity, checkpoint.state) == (7, "mine", {"step": 7})
    assert torch.equal(checkpoint.tensors["model"]["w"], torch.full((2, 3), 7.0))
    assert checkpoint.tensors["model"]["n"].dtype == torch.int64


@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "MANIFEST.json"])
def test_every_flipped_byte_and_every_cut_is_refused(name: str, tmp_path: Path) -> None:
    path = save(tmp_path, 7) / name
    whole = path.read_bytes()
    for index in range(len(whole)):
        path.write_bytes(whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :])
        newest, problems = load_newest(tmp_path, identity="mine")
        if newest is not None:  # a blank of the manifest's layout
            assert name == "MANIFEST.json"
            assert (newest.step, newest.state) == (7, {"step": 7})
        else:
            assert problems
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        assert load_newest(tmp_path, identity="mine")[0] is None


def test_the_message_names_file_and_sizes(tmp_path: Path) -> None:
    path = save(tmp_path, 7)
    whole = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").write_bytes(whole[:-5])

    with pytest.raises(CheckpointError, match=f"{len(whole) - 5:,} bytes, the manifest says {len(whole):,}"):
        load_checkpoint(path)


def test_newest_is_the_highest_step_that_verifies_and_belongs_to_the_run(tmp_path: Path) -> None:
    for step in (9, 10, 100_000_000):
        save(tmp_path, step)
    save(tmp_path, 200_000_000, identity="another")
    (tmp_path / "step-9").mkdir()
    (tmp_path / "old-step-00000099").mkdir()
    (tmp_path / "step-100000000" / "state.json").unlink()

    newest, problems = load_newest(tmp_path, identity="mine")

    assert newest is not None
    assert newest.step == 10
    assert len(problems) == 2
    assert "another run" in problems[0]


def test_retention_removes_only_this_runs_superseded_checkpoints(tmp_path: Path) -> None:
    for step in (5, 10, 15, 20, 25):
        save(tmp_path, step)
    save(tmp_path, 7, identity="another")
    (tmp_path / "step-00000001-keep").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "step-00000003").symlink_to(tmp_path / "step-00000005")

    retain(tmp_path, keep=2, identity="mine", spare={10})

    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(
        ["step-00000003", "step-00000007", "step-00000010", "step-00000020", "step-00000025",
         "step-00000001-keep", "notes.txt"]
    )  # fmt: skip
    assert [step for step, _ in list_checkpoints(tmp_path)] == [7, 10, 20, 25]


def test_saving_a_step_again_keeps_a_whole_checkpoint_and_replaces_a_damaged_one(tmp_path: Path) -> None:
    path = save(tmp_path, 7)
    inode = (path / "state.json").stat().st_ino
    save(tmp_path, 7)
    assert (path / "state.json").stat().st_ino == inode

    (path / "state.json").write_text("{")
    save(tmp_path, 7)

    assert load_checkpoint(path).state == {"step": 7}


def test_a_failing_write_leaves_nothing_behind_and_names_the_path(tmp_path: Path) -> None:
    """The second file cannot be written: its name is longer than a name may be."""
    with pytest.raises(WriteError, match="could not write"):
        files.commit_directory(tmp_path / "new", {"a": b"1", "b" * 300: b"2"})

    assert list(tmp_path.iterdir()) == []


def test_file_modes_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        files.write_file(tmp_path / "x", "1")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o644


def test_a_journal_heals_a_torn_last_line_and_is_cut_back(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    journal = Journal(path)
    journal.add({"step": 1})
    length = journal.length
    journal.add({"step": 2})
    journal.close()
    with path.open("ab") as stream:
        stream.write(b'{"step": 3')
    assert read_rows(path) == [{"step": 1}, {"step": 2}]

    Journal(path).close()
    assert path.read_bytes().count(b"\n") == 2
    assert path.read_bytes().endswith(b"}\n")
    Journal(path, length=length).close()
    assert read_rows(path) == [{"step": 1}]


def test_a_journal_that_was_cut_or_changed_since_its_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    journal = Journal(path)
    journal.add({"step": 1})
    length, digest = journal.length, journal.digest
    journal.add({"step": 2})
    journal.close()
    assert Journal(path).digest == hashlib.sha256(path.read_bytes()).hexdigest()

    refuse_changed(path, length=length, digest=digest)
    with pytest.raises(CheckpointError, match="has 24 bytes of whole rows, and had 99 then"):
        refuse_changed(path, length=99, digest=digest)
    path.write_text(path.read_text().replace("1", "7"))
    with pytest.raises(CheckpointError, match="its first 12 bytes are not those of then"):
        refuse_changed(path, length=length, digest=digest)
    refuse_changed(path, length=length, digest="")  # of version 0.1.0


def test_a_damaged_row_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\nnonsense\n')

    with pytest.raises(DataError, match="line 2: not JSON"):
        read_rows(tmp_path / "metrics.jsonl")


def test_a_new_run_takes_an_empty_directory_and_holds_its_lock(tmp_path: Path) -> None:
    with claim_new(tmp_path / "run"):
        with pytest.raises(LockedError, match=f"process {os.getpid()} on"):
            claim_new(tmp_path / "run")
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["lock"]
    claim_new(tmp_path / "run").release()


def test_a_used_directory_is_refused_and_not_touched(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text("{}")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    with pytest.raises(UsageError, match="unfinished run"):
        claim_new(tmp_path)
    (tmp_path / "RESULT.json").write_text("{}")
    with pytest.raises(UsageError, match="a finished run"):
        claim_new(tmp_path)

    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir() if p.name == "recipe.json"} == before
    assert open_run(tmp_path).is_finished
    with pytest.raises(UsageError, match="is a file"):
        claim_new(tmp_path / "recipe.json")


def test_json_that_is_not_a_number_is_refused() -> None:
    from resnetlab.base.plaindata import to_json_bytes

    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json_bytes({"loss": float("nan")})
    assert json.loads(to_json_bytes({"b": 1, "a": [0.1]})) == {"a": [0.1], "b": 1}
