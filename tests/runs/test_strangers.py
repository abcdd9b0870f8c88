"""What this program did not make stays: whatever lies beside its files, and wherever links lead."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from resnetlab.base import files
from resnetlab.base.units import Duration
from resnetlab.data.open import open_source
from resnetlab.errors import DataError, UsageError, WriteError
from resnetlab.network.catalog import model_spec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.runs.checkpoint import retain, save_checkpoint
from resnetlab.runs.directory import RunDirectory, claim_new, lock_run
from resnetlab.trained.evaluate import evaluate
from resnetlab.training.observer import Observer
from resnetlab.training.planning import make_plan
from resnetlab.training.run import resume_run, train_plan
from resnetlab.training.session import start
from resnetlab.training.studies import StudyObserver, plan_rows, resume_study, train_study
from tests.kit.small_runs import CPU, finish, go_on, small_plan, small_source

NEAR = (
    ".resnetlab", ".resnetlab-", ".resnetlab-12", ".resnetlab-12-notes", ".resnetlab-x-01234567-a",
    ".resnetlab-12-01234567-", "resnetlab-12-01234567-a", ".resnetlab-12-0123456-a",
    ".resnetlab-12-0123456g-a", "..resnetlab-12-01234567-a", ".step-00000005", ".step-5.12",
    ".step-00000005.old", ".step-00000005.12.bak", ".removed", ".spec.json.tmp", ".spec.json.12.tmp~",
    ".notes.json.12.tmp", ".n01440764", ".n01440764.12.tar", ".packed.12", ".run.12",
)  # fmt: skip
MINE = {"thesis.tex": b"all of it"}


def dead_process() -> int:
    """A number that no process of this machine has."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def leftover(path: Path, process: int | None = None) -> Path:
    """The name that a killed process's unfinished `path` has."""
    name = files.temporary_path(path).name.replace(f"-{os.getpid()}-", f"-{process or dead_process()}-")
    return path.with_name(name)


def plant(directory: Path) -> None:
    """Put strangers of every kind there."""
    for name in (".ssh", ".Trash-1000", ".git", "home", *NEAR):
        (directory / name).mkdir(parents=True)
        (directory / name / "thesis.tex").write_bytes(MINE["thesis.tex"])
    for name in (".env", ".bashrc", ".step-00000007.99", ".recipe.json.tmp", ".resnetlab-7", "notes"):
        (directory / name).write_bytes(b"mine")
    (directory / ".link").symlink_to(directory / ".ssh")
    (directory / ".dangling").symlink_to(directory / "nowhere")
    (directory / ".step-00000008.99").symlink_to(directory / ".ssh")
    leftover(directory / "linked").symlink_to(directory / ".ssh")
    os.mkfifo(directory / ".fifo")
    os.mkfifo(leftover(directory / "fifo"))
    with contextlib.chdir(directory):  # the name of a socket must be short
        for name in (".socket", ".step-00000009.99"):
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(name)


def snapshot(directory: Path) -> dict[str, object]:
    """Everything below, with what it is and holds."""
    return {
        str(path.relative_to(directory)): os.readlink(path)
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else path.lstat().st_mode
        for path in directory.rglob("*")
    }


@contextlib.contextmanager
def staying(*directories: Path) -> Iterator[None]:
    """Check that what is planted in the directories is there afterwards, and as it was."""
    planted = []
    for directory in directories:
        before = snapshot(directory)
        plant(directory)
        planted.append({n: what for n, what in snapshot(directory).items() if n not in before})
    yield
    for directory, what in zip(directories, planted, strict=True):
        after = snapshot(directory)
        assert {name: after.get(name) for name in what} == what


def begun(run: Path, steps: int = 2) -> RunDirectory:
    """A run of four steps that was left after `steps`."""
    with claim_new(run):
        trainer = start(small_plan(length="4st", checkpoint_every=1), RunDirectory(run), Observer())
        trainer.program.run(steps)
        trainer.save()
        trainer.close()
    return RunDirectory(run)


def test_resume_takes_nothing_but_its_own_leftovers(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    with staying(run.checkpoints, run.path):
        gone = [leftover(run.checkpoints / "step-00000003"), run.checkpoints / ".step-00000003.4711",
                run.checkpoints / ".step-00000001.removed"]  # fmt: skip
        for path in gone:
            path.mkdir()
            (path / "model.safetensors").write_bytes(b"half")
        gone += [leftover(run.path / "recipe.json"), run.path / ".recipe.json.4711.tmp"]
        for path in gone[-2:]:
            path.write_bytes(b"{")

        finish(run)

        assert not any(path.exists() for path in gone)


@pytest.mark.parametrize("place", ["home", "disk/top"])
def test_checkpoints_that_are_a_link_work_and_nothing_else_there_is_touched(
    place: str, tmp_path: Path
) -> None:
    run = begun(tmp_path / "run")
    elsewhere = tmp_path / place
    elsewhere.parent.mkdir(exist_ok=True)
    run.checkpoints.rename(elsewhere)
    run.checkpoints.symlink_to(elsewhere)
    with staying(elsewhere):
        finish(run)

    assert (elsewhere / "step-00000004" / "MANIFEST.json").is_file()


def test_a_run_reached_by_a_link_goes_on_and_is_cleaned(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    (tmp_path / "link").symlink_to(run.path)
    litter = leftover(run.checkpoints / "step-00000003")
    litter.mkdir()

    finish(RunDirectory(tmp_path / "link"))

    assert not litter.exists()
    assert (run.checkpoints / "step-00000004").is_dir()


def test_a_leftover_that_cannot_be_removed_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(tmp_path / "run")
    leftover(run.checkpoints / "step-00000003").mkdir()
    notes: list[str] = []

    def busy(*args: object, **options: object) -> None:
        raise OSError(16, "Device or resource busy")

    with monkeypatch.context() as patch:
        patch.setattr(files.shutil, "rmtree", busy)
        notes += run.remove_leftovers()

    assert len(notes) == 1
    assert "could not be removed" in notes[0] and "busy" in notes[0]


def save(parent: Path, step: int, identity: str = "mine") -> Path:
    tensors = {"model": {"w": torch.full((2, 3), float(step))}}
    return save_checkpoint(parent, step=step, identity=identity, tensors=tensors, state={"step": step})


def test_a_superseded_checkpoint_that_cannot_be_removed_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step)
    rmtree = files.shutil.rmtree

    def immutable(path: Path, **options: object) -> None:
        if "00000001" in str(path):
            raise PermissionError(1, "Operation not permitted")
        rmtree(path)

    with monkeypatch.context() as patch:
        patch.setattr(files.shutil, "rmtree", immutable)
        (problem,) = retain(tmp_path, keep=1, identity="mine")
    assert "step-00000001 is superseded and stays: could not remove" in problem

    assert retain(tmp_path, keep=1, identity="mine") == []
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000003"]


def test_training_goes_on_when_an_old_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held(path: Path) -> None:
        raise WriteError(f"could not remove {path}: Directory not empty")

    notes: list[str] = []

    class Listen(Observer):
        def note(self, text: str) -> None:
            notes.append(text)

    monkeypatch.setattr(files, "remove_directory", held)
    plan = small_plan(length="4st", checkpoint_every=1, keep_checkpoints=1)
    result = train_plan(plan, tmp_path / "run", Listen())

    assert result.step == 4
    assert len(notes) == 3  # each once, though each save tries all again
    events = (tmp_path / "run" / "events.jsonl").read_text()
    assert events.count('"not-removed"') == 3


def test_a_checkpoint_that_holds_files_of_others_is_not_removed(tmp_path: Path) -> None:
    for step in (1, 2):
        save(tmp_path, step)
    (tmp_path / "step-00000001" / "thesis.tex").write_bytes(MINE["thesis.tex"])

    (problem,) = retain(tmp_path, keep=1, identity="mine")

    assert "it holds thesis.tex" in problem
    assert (tmp_path / "step-00000001" / "thesis.tex").read_bytes() == MINE["thesis.tex"]


def test_what_is_named_like_a_checkpoint_and_is_none_of_the_runs_stays(tmp_path: Path) -> None:
    """T07: a foreign step-99999999, another run's checkpoint, a file, a link, an empty directory."""
    run = begun(tmp_path / "run")
    foreign = run.checkpoints / "step-99999999"
    foreign.mkdir()
    (foreign / "thesis.tex").write_bytes(MINE["thesis.tex"])
    save(run.checkpoints, 88888888, identity="another")
    (run.checkpoints / "step-77777777").mkdir()
    (run.checkpoints / "step-66666666").symlink_to(foreign)
    (run.checkpoints / "step-55555555").write_text("mine")
    before = {name: what for name, what in snapshot(run.checkpoints).items() if "step-0000" not in name}

    finish(run)

    after = snapshot(run.checkpoints)
    assert {name: after.get(name) for name in before} == before
    for name in ("step-99999999", "step-88888888", "step-77777777", "step-66666666", "step-55555555"):
        with pytest.raises(WriteError, match=f"{name} is there, and is no checkpoint of this run"):
            save(run.checkpoints, int(name[5:]), identity=run.identity())
    assert snapshot(run.checkpoints) == after


def linked(name: Path, tmp_path: Path, kind: str) -> Path:
    """Put a link to something precious in a file's place."""
    precious = tmp_path / "precious.txt"
    precious.write_text("one\ntwo\nhalf")
    name.unlink(missing_ok=True)
    (name.symlink_to if kind == "symbolic" else name.hardlink_to)(precious)
    return precious


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
@pytest.mark.parametrize("name", ["lock", "events.jsonl", "metrics.jsonl"])
def test_a_file_of_ours_that_is_a_link_is_refused_and_what_it_leads_to_stays(
    name: str, kind: str, tmp_path: Path
) -> None:
    train_plan(small_plan(length="1st"), tmp_path / "run", Observer())
    (tmp_path / "run" / "RESULT.json").unlink()
    precious = linked(tmp_path / "run" / name, tmp_path, kind)

    with pytest.raises(WriteError, match=rf"{name} is a (hard )?link"), lock_run(tmp_path / "run"):
        go_on(RunDirectory(tmp_path / "run"), small_source())

    assert precious.read_text() == "one\ntwo\nhalf"


@pytest.mark.parametrize("name", ["spec.json", "data.json", "RESULT.json", "recipe.json"])
def test_a_file_that_is_written_whole_takes_the_place_of_a_link(name: str, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    precious = tmp_path / "elsewhere" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("mine")
    (tmp_path / name).symlink_to(precious)

    run.write(name.removesuffix(".json"), {"new": 1})

    assert precious.read_text() == "mine"
    assert json.loads((tmp_path / name).read_bytes()) == {"new": 1}


def test_a_fifo_in_a_files_place_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "events.jsonl")

    with pytest.raises(WriteError, match="is no plain file"):
        files.Appender(tmp_path / "events.jsonl")
    with pytest.raises(WriteError, match="is no plain file"):
        files.cut_file(tmp_path / "events.jsonl", 0)


def test_a_lock_of_others_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("Yale, the key is under the mat\nsecond line")

    with pytest.raises(WriteError, match="lock is no lock of ours"):
        files.DirectoryLock(tmp_path, "process 1")

    assert (tmp_path / "lock").read_text().startswith("Yale")


def digits_run(out: Path) -> Path:
    """A run of one step on a dataset that can be opened by its name."""
    spec = model_spec("resnet8").with_(classes=10, width=0.25)
    recipe = override(named_recipe("digits"), {"length": Duration(1, "st"), "compile": "off"})
    train_plan(make_plan(spec, open_source("digits"), "digits", recipe, CPU), out, Observer())
    return out


@pytest.mark.parametrize("name", ["eval", "eval/step-00000001-test"])
def test_an_evaluation_is_not_written_through_a_link(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, home = digits_run(tmp_path / "run"), tmp_path / "home"
    home.mkdir()
    (home / "scores.json").write_text("mine")
    shutil.rmtree(run / "eval")
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).symlink_to(home)

    monkeypatch.chdir(tmp_path)

    evaluation = evaluate(run)

    assert any("is a link: nothing is written outside" in note for note in evaluation.notes)
    assert (tmp_path / "run-eval" / "step-00000001-test" / "scores.json").is_file()
    assert snapshot(home) == {"scores.json": b"mine"}


def test_an_evaluation_keeps_what_lies_in_its_place(tmp_path: Path) -> None:
    run = digits_run(tmp_path / "run")
    out = Path(evaluate(run).out)
    precious = tmp_path / "precious.json"
    precious.write_text("mine")
    (out / "scores.json").unlink()
    (out / "scores.json").symlink_to(precious)
    litter = leftover(out / "scores.json")
    litter.touch()
    with staying(out, run / "eval"):
        evaluate(run)

    assert precious.read_text() == "mine"
    assert not litter.exists()


def test_tensorboard_files_are_not_written_through_a_link(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run = begun(tmp_path / "run")
    for path in run.tensorboard.iterdir():
        path.unlink()
    run.tensorboard.rmdir()
    (tmp_path / "home").mkdir()
    run.tensorboard.symlink_to(tmp_path / "home")

    with pytest.raises(WriteError, match="tensorboard is a link"):
        go_on(run, small_source())

    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../escaped", "/tmp/escaped", "..", ".", "", "a/b", "a\\b", "C:escaped", " ", "a\0b", 7, None]
)
def test_a_study_whose_runs_would_lie_elsewhere_is_refused(name: object, tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "study.json").write_text(
        json.dumps({"runs": [{"name": name, "spec": {}, "recipe": {}, "data": {}}]})
    )

    with pytest.raises(DataError, match="names runs that would not lie in the study"):
        resume_study(study, StudyObserver())

    assert sorted(path.name for path in tmp_path.iterdir()) == ["study"]


def test_a_study_keeps_what_lies_beside_its_runs(tmp_path: Path) -> None:
    rows = plan_rows([small_plan(length="1st")], [0])
    study = tmp_path / "study"
    train_study(rows, study, StudyObserver())
    with staying(study):
        resume_study(study, StudyObserver())
    plan = small_plan()
    with pytest.raises(UsageError, match="can be no folder's name"):
        plan_rows([replace(plan, spec=replace(plan.spec, name="../resnet8"))], [0])


def test_a_directory_with_files_that_only_look_like_a_begun_run_is_not_taken(tmp_path: Path) -> None:
    """A process killed while it began a run leaves its lock too."""
    (tmp_path / "weights.json").write_text('{"mine": 1}')
    (tmp_path / "data.json").write_text('{"mine": 2}')

    with pytest.raises(UsageError, match="not empty and no run"):
        claim_new(tmp_path)

    assert snapshot(tmp_path) == {"weights.json": b'{"mine": 1}', "data.json": b'{"mine": 2}'}


def test_a_growing_directory_takes_the_leftovers_of_the_dead_and_of_nobody_else(tmp_path: Path) -> None:
    dead, alive = leftover(tmp_path / "copy"), leftover(tmp_path / "copy", os.getppid())
    other, elsewhere = leftover(tmp_path / "another"), tmp_path / ".resnetlab-7-00000000-copy"
    for path in (dead, alive, other, elsewhere):
        path.mkdir()
    with staying(tmp_path), files.growing_directory(tmp_path / "copy") as growing:
        files.write_part(growing / "a" / "b.png", b"1")

    assert (tmp_path / "copy" / "a" / "b.png").read_bytes() == b"1"
    assert not dead.exists()
    assert alive.exists() and other.exists() and elsewhere.exists()


def test_the_leftover_of_a_process_that_is_hidden_by_a_container_stays_while_it_works(tmp_path: Path) -> None:
    hidden = leftover(tmp_path / "copy")
    hidden.mkdir()
    with files._in_use(hidden):
        assert files.remove_leftovers(tmp_path) == []
        assert hidden.exists()

    files.remove_leftovers(tmp_path)

    assert not hidden.exists()


def test_a_name_as_long_as_a_name_may_be_can_be_written(tmp_path: Path) -> None:
    for name in ("x" * 255, "é" * 127):
        files.write_file(tmp_path / name, "1")
        files.remove_file(tmp_path / name)
        files.commit_directory(tmp_path / name, {"a": b"1"})

    assert len(list(tmp_path.iterdir())) == 2


def test_a_finished_run_is_read_without_touching_anything(tmp_path: Path) -> None:
    train_plan(small_plan(length="1st"), tmp_path / "run", Observer())
    with staying(tmp_path / "run"):
        assert resume_run(tmp_path / "run", Observer()).step == 1
