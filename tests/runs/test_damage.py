"""Damaged and hostile JSON of a run is an error of ours with its place, or an earlier checkpoint is taken."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from resnetlab.cli import main
from resnetlab.errors import CheckpointError, DataError, UsageError
from resnetlab.runs.checkpoint import load_checkpoint, load_newest
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.journal import read_rows
from resnetlab.runs.manifest import make_manifest, read_manifest
from resnetlab.runs.records import read_records
from resnetlab.training.observer import Observer
from resnetlab.training.planning import plan_of
from resnetlab.training.session import resume
from tests.kit.small_runs import CPU, go_on, small_plan, small_source, train, train_whole

DEEP = "[" * 100_000


class Notes(Observer):
    """Keeps what it is told."""

    text = ""

    def note(self, text: str) -> None:
        """Keep it."""
        self.text += f"{text}\n"


NO_JSON = [DEEP, '{"a":' * 50_000, "NaN", '{"step": Infinity}', "", "\0", "\ufeff{}", "[1]", '"text"', "null",
           '{"a": 1} x', "9" * 5000]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run of four steps with a checkpoint at each; tests read it or copy it."""
    return train_whole(tmp_path_factory.mktemp("whole") / "run", small_plan(length="4st", checkpoint_every=1))


@pytest.fixture
def run(whole: RunDirectory, tmp_path: Path) -> RunDirectory:
    import shutil

    shutil.copytree(whole.path, tmp_path / "run")
    return RunDirectory(tmp_path / "run")


@pytest.mark.parametrize("text", NO_JSON)
@pytest.mark.parametrize("name", ["recipe", "spec", "data", "environment"])
def test_what_is_no_json_object_is_refused_with_its_name(text: str, name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.json").write_text(text)

    with pytest.raises(DataError, match=rf"{name}\.json is damaged"):
        RunDirectory(tmp_path).read(name)


@pytest.mark.parametrize("text", NO_JSON)
def test_a_damaged_row_of_a_journal_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n' + text.replace("\n", "") + "\n")

    with pytest.raises(DataError, match="line 2: not "):
        read_rows(tmp_path / "metrics.jsonl")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_neither_read_nor_waited_for(make: object, tmp_path: Path) -> None:
    assert callable(make)
    for name in ("data.json", "metrics.jsonl", "MANIFEST.json"):
        make(tmp_path / name)

    with pytest.raises(DataError, match=r"data\.json (is damaged|cannot be read)"):
        RunDirectory(tmp_path).read("data")
    with pytest.raises(DataError, match=r"metrics\.jsonl cannot be read"):
        read_rows(tmp_path / "metrics.jsonl")
    with pytest.raises(CheckpointError):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", NO_JSON)
@pytest.mark.parametrize("name", ["MANIFEST.json", "state.json"])
def test_a_checkpoint_with_damaged_json_is_passed_over(text: str, name: str, run: RunDirectory) -> None:
    newest = run.checkpoints / "step-00000004"
    (newest / name).write_text(text)
    if name == "state.json":  # its hash fits: somebody made it so
        refit(newest)

    checkpoint, problems = load_newest(run.checkpoints, identity=run.identity())

    assert checkpoint is not None and checkpoint.step == 3
    assert "step-00000004" in problems[0]


def refit(path: Path) -> None:
    """Write a manifest that fits the files."""
    manifest = read_manifest(path)
    contents = {each.name: each.read_bytes() for each in path.iterdir() if each.name != "MANIFEST.json"}
    fitting = make_manifest(contents, step=manifest["step"], identity=manifest["identity"])
    (path / "MANIFEST.json").write_bytes(fitting)


@pytest.mark.parametrize(
    "name", ["../state.json", "a/b", "a\0b", "\ud800", "", ".", "..", "C:x", "a\\b", "é\n"]
)
def test_a_manifest_that_names_what_is_no_file_in_it_is_refused(name: str, run: RunDirectory) -> None:
    path = run.checkpoints / "step-00000004"
    manifest = json.loads((path / "MANIFEST.json").read_bytes())
    manifest["files"][name] = {"bytes": 1, "sha256": "0"}
    (path / "MANIFEST.json").write_text(json.dumps(manifest))

    with pytest.raises(CheckpointError, match="names a file outside it"):
        load_checkpoint(path)


def test_a_file_of_a_checkpoint_is_not_read_if_its_size_is_wrong(run: RunDirectory) -> None:
    path = run.checkpoints / "step-00000004"
    os.truncate(path / "model.safetensors", 2**42)  # it takes no room on the disk, and would in memory

    with pytest.raises(CheckpointError, match=r"4,398,046,511,104 bytes, the manifest says"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("seconds", "x"), ("metrics_length", -1), ("metrics_length", 1.5), ("best_accuracy", None),
     ("reached", 1), ("evaluated", True), ("interval", []), ("epoch", None), ("seconds", [1]),
     ("interval", {"loss": "x", "correct": 1, "seen": 1}), ("best_step", 10**299)],
)  # fmt: skip
def test_a_state_of_wrong_kinds_is_refused(name: str, value: object, run: RunDirectory) -> None:
    path = run.checkpoints / "step-00000004"
    state = json.loads((path / "state.json").read_bytes())
    (path / "state.json").write_text(json.dumps(state | {name: value}))
    refit(path)

    notes = Notes()
    trainer = resume(run, plan_of(read_records(run), small_source(), CPU), notes)
    trainer.close()
    assert trainer.state.step == 3
    assert f"state.json is damaged: {name}" in notes.text


def test_an_emptied_optimizer_is_passed_over(run: RunDirectory, whole: RunDirectory) -> None:
    path = run.checkpoints / "step-00000004"
    save_file({}, path / "optimizer.safetensors")
    refit(path)

    notes = Notes()
    trainer = resume(run, plan_of(read_records(run), small_source(), CPU), notes)
    train(trainer)
    trainer.close()

    assert "optimizer tensors do not fit this run: missing: momentum_buffer/" in notes.text
    assert run.metrics.read_bytes() == whole.metrics.read_bytes()
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert (path / name).read_bytes() == (whole.checkpoints / path.name / name).read_bytes()


@pytest.mark.parametrize("group", ["model", "optimizer", "ema"])
@pytest.mark.parametrize("other", [torch.float16, torch.float64, torch.int32])  # one of them of the same size
def test_tensors_of_another_type_are_passed_over(group: str, other: torch.dtype, run: RunDirectory) -> None:
    path = run.checkpoints / "step-00000004"
    tensors = load_file(path / f"{group}.safetensors")
    name = next(name for name, tensor in tensors.items() if tensor.dtype == torch.float32)
    save_file(tensors | {name: tensors[name].to(other)}, path / f"{group}.safetensors")
    refit(path)

    notes = Notes()
    trainer = resume(run, plan_of(read_records(run), small_source(), CPU), notes)
    trainer.close()

    assert trainer.state.step == 3
    assert f"{group} {name} is {other}, expected torch.float32" in notes.text


@pytest.mark.parametrize("group", ["model", "optimizer", "ema"])
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_tensors_that_are_not_finite_are_passed_over(
    group: str, value: float, run: RunDirectory, whole: RunDirectory
) -> None:
    """T31: with hashes that fit, too; the steps since the checkpoint before are made again."""
    path = run.checkpoints / "step-00000004"
    tensors = load_file(path / f"{group}.safetensors")
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    tensors[name].view(-1)[-1] = value
    save_file(tensors, path / f"{group}.safetensors")
    refit(path)

    newest, problems = load_newest(run.checkpoints)
    notes = Notes()
    trainer = resume(run, plan_of(read_records(run), small_source(), CPU), notes)
    train(trainer)
    trainer.close()

    assert newest is not None and newest.step == 3
    assert problems == [f"{path / group}.safetensors: {name} is not finite"]
    assert f"{group}.safetensors: {name} is not finite" in notes.text
    assert (path / f"{group}.safetensors").read_bytes() == (
        whole.checkpoints / path.name / f"{group}.safetensors"
    ).read_bytes()


def test_of_a_thousand_unknown_tensors_some_are_named(run: RunDirectory) -> None:
    path = run.checkpoints / "step-00000004"
    tensors = load_file(path / "model.safetensors")
    save_file(tensors | {f"x{i}": torch.zeros(1) for i in range(1000)}, path / "model.safetensors")
    refit(path)

    notes = Notes()
    trainer = resume(run, plan_of(read_records(run), small_source(), CPU), notes)
    trainer.close()

    assert trainer.state.step == 3
    assert " and 980 more" in notes.text
    assert notes.text.count(" x") + notes.text.count(",x") <= 21


def test_an_edited_recipe_is_told_value_by_value_and_can_be_put_back(run: RunDirectory) -> None:
    before = {name: (run.path / f"{name}.json").read_bytes() for name in ("recipe", "spec", "data")}
    recipe = run.read("recipe")
    recipe["schedule"]["lr"] = 7.0
    recipe["run"] |= {"batch": 9, "seed": 3}
    run.write("recipe", recipe)
    run.write("data", run.read("data") | {"source": "elsewhere"})

    with pytest.raises(UsageError) as raised:
        resume(run, plan_of(read_records(run), small_source(), CPU), Notes())

    told = str(raised.value)
    assert [line.split(": ")[0] for line in told.splitlines()[1:4]] == ["recipe.json"] * 3
    assert all(text in told for text in ("run.batch was 8, is 9", "run.seed was 0, is 3", "schedule.lr was "))
    assert "data.json was changed; `resnetlab resume --data`" in told
    assert len(list(run.checkpoints.glob("step-*"))) == 4
    for name, content in before.items():
        (run.path / f"{name}.json").write_bytes(content)
    trainer = go_on(run, small_source())
    trainer.close()
    assert trainer.state.step == 4


def test_metrics_that_were_changed_are_noticed_and_made_anew(run: RunDirectory, whole: RunDirectory) -> None:
    lines = whole.metrics.read_bytes().splitlines(keepends=True)
    lines[-1] = lines[-1].replace(b'"step": 4', b'"step": 5')
    run.metrics.write_bytes(b"".join(lines))

    notes = Notes()
    trainer = resume(run, plan_of(read_records(run), small_source(), CPU), notes)
    train(trainer)
    trainer.close()

    assert "metrics.jsonl was changed since" in notes.text
    assert run.metrics.read_bytes() == whole.metrics.read_bytes()


def test_the_state_of_another_step_is_passed_over(run: RunDirectory) -> None:
    path = run.checkpoints / "step-00000004"
    (path / "state.json").write_bytes((run.checkpoints / "step-00000002" / "state.json").read_bytes())
    refit(path)

    checkpoint, problems = load_newest(run.checkpoints, identity=run.identity())

    assert checkpoint is not None and checkpoint.step == 3
    assert "state.json is not that of step 4" in problems[0]


@pytest.mark.parametrize(
    "change",
    [{"image_shape": None}, {"image_shape": [1, 2]}, {"image_shape": [16, 16, "3"]}, {"class_names": 3},
     {"class_names": [1]}, {"val_indices": ["x"]}, {"val_indices": [-1]}, {"source": 5},
     {"fingerprint": None}, {"preprocessing": []}, {"name": {}}],
)  # fmt: skip
def test_data_of_wrong_kinds_is_refused_by_every_command(
    change: dict[str, object], run: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    data = json.loads((run.path / "data.json").read_bytes())
    (run.path / "data.json").write_text(json.dumps(data | change))

    for verb in ("resume", "eval"):
        assert main([verb, str(run.path)]) == 3
        told = capsys.readouterr().err
        assert "data.json is damaged" in told and next(iter(change)) in told


def test_events_with_zeros_in_their_midst_do_not_keep_a_run_from_going_on(run: RunDirectory) -> None:
    """Nobody waits for them to reach the disk: a power cut may leave a hole."""
    whole = run.events.read_bytes()
    run.events.write_bytes(whole + b"\0" * 50 + b'\n{"event": "bad-sample"}\n{"event": "save"}\n')

    trainer = go_on(run, small_source())
    train(trainer)
    trainer.close()

    assert trainer.state.step == 4
    assert run.events.read_bytes().startswith(whole)
