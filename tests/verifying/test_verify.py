"""`resnetlab verify` on runs, studies and models: what is printed, and how it ends."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import resnetlab
from resnetlab.base.files import DirectoryLock
from resnetlab.cli import main
from resnetlab.errors import UsageError
from resnetlab.runs.directory import lock_run
from resnetlab.verifying import Verdict
from tests.kit.doctored_runs import edit_rows, evaluation, last_checkpoint, refit
from tests.kit.reported_runs import edit, read


def verdicts(path: Path, **asked: object) -> dict[str, str]:
    """Return the verdicts on the first thing at a path, by the names of the promises."""
    found: Verdict = resnetlab.verify(path, **asked).each[0]  # type: ignore[arg-type]
    return {finding.name: finding.verdict for finding in found.findings}


def test_a_sound_run_ends_well(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}

    assert main(["verify", str(run)]) == 0

    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 100
    kept = [line for line in said.splitlines() if line.startswith("kept")]
    below = said[said.index("\n\n") :].split("\n")[2:-1]
    assert len(kept) == len(below) > 30, "a line for each, below a title"
    assert any(line.startswith("kept      learning rate") for line in kept)
    assert "Promised" not in said
    assert "Why it matters" not in said
    assert main(["verify", str(run), "--full"]) == 0
    in_full = " ".join(capsys.readouterr().out.split())
    assert in_full.count("Promised: ") == in_full.count("Why it matters: ") == len(kept)
    assert "Promised: at every row" in in_full
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before, "nothing is written"


def test_a_broken_promise_stands_first_and_ends_with_3(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_rows(run / "metrics.jsonl", lambda rows: rows[0].update(learning_rate=0.5))

    assert main(["verify", str(run)]) == 3

    said = capsys.readouterr()
    assert "Promised: at every row" in " ".join(said.out.split()), "of what is broken, all of it"
    first = next(line for line in said.out.splitlines() if line.startswith(("broken", "kept", "not known")))
    assert first.startswith("broken")
    assert "line 1, step 2: 0.5, the schedule says" in " ".join(said.out.split())
    assert "Why it matters: a run at another rate is of another recipe than it says." in " ".join(
        said.out.split()
    )
    assert "promises broken, the first: " in said.err


@pytest.mark.parametrize("columns", [80, 60])
def test_it_fits_a_terminal(columns: int, run: Path) -> None:
    edit(run / "RESULT.json", accuracy=0.999)
    text = resnetlab.verify(run).text(columns)

    assert max(len(line) for line in text.splitlines() if str(run) not in line) <= columns


def test_json_says_all_of_it(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(run / "RESULT.json", accuracy=0.999)

    assert main(["verify", str(run), "--json"]) == 3

    found = json.loads(capsys.readouterr().out)
    (verdict,) = found["verdicts"]
    broken = [each for each in verdict["findings"] if each["verdict"] == "fail"]
    assert (found["is_sound"], verdict["kind"], verdict["seal"]) == (False, "run", None)
    assert "accuracies" in [each["name"] for each in broken]
    assert {*broken[0]} == {"name", "expected", "found", "why", "verdict"}


@pytest.mark.parametrize("flags", [[], ["--deep"], ["--json"], ["--seal"], ["--seal-hash", "0" * 64]])
def test_a_run_that_is_being_written_is_not_judged(
    flags: list[str], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No clean verdict, by the exit code and for programs; a promise broken elsewhere weighs more."""
    shutil.copytree(run, tmp_path / "runs/other")
    shutil.copytree(run, tmp_path / "runs/written")
    with lock_run(tmp_path / "runs/written"):
        found = resnetlab.verify(tmp_path / "runs/written")
        assert main(["verify", str(tmp_path / "runs/written"), *flags]) == 6
        said = capsys.readouterr()
        assert main(["verify", str(tmp_path / "runs")]) == 6
        edit(tmp_path / "runs/other/RESULT.json", accuracy=0.999)
        assert main(["verify", str(tmp_path / "runs")]) == 3

    assert (found.is_sound, found.each[0].is_judged, found.each[0].sentence) == (False, False, "not judged")
    assert [each.name for each in found.each[0].findings] == ["at rest"]
    assert f"process {os.getpid()}" in said.out + said.err
    if flags == ["--json"]:
        (verdict,) = json.loads(said.out)["verdicts"]
        assert (verdict["is_sound"], verdict["is_judged"]) == (False, False)
    assert main(["verify", str(tmp_path / "runs/written")]) == 0


def test_a_run_that_somebody_goes_on_with_meanwhile_is_not_judged(run: Path) -> None:
    """Its lock is taken as its rows are opened to be read."""
    locks: list[DirectoryLock] = []
    listens = [True]

    def begin(event: str, given: tuple[object, ...]) -> None:
        if listens and event == "open" and str(given[0]) == str(run / "metrics.jsonl"):
            listens.clear()
            locks.append(lock_run(run))

    sys.addaudithook(begin)
    found = resnetlab.verify(run)
    locks[0].release()

    assert [verdict.is_judged for verdict in found.each] == [False]


@pytest.mark.parametrize("where", ["nowhere", "empty", "file.txt"])
def test_nothing_of_ours_is_refused(where: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("text")

    with pytest.raises(UsageError, match="no run at"):
        resnetlab.verify(tmp_path / where)


def test_names_do_what_no_terminal_obeys(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(run / "data.json", class_names=["\x1b]0;owned\x07"] * 2)
    main(["verify", str(run)])

    assert "\x1b" not in capsys.readouterr().out


def test_weights_that_are_others_have_another_score(run: Path) -> None:
    assert {verdicts(run, deep=True)[name] for name in ("the data again", "the score again")} == {"pass"}

    path = last_checkpoint(run) / "model.safetensors"
    tensors = safetensors.numpy.load_file(path)
    result, scores = read(run / "RESULT.json"), read(evaluation(run) / "scores.json")
    far = [abs(row["samples"] - result["correct"]) for row in scores["per_class"]]
    tensors["fc.weight"] = np.zeros_like(tensors["fc.weight"])
    tensors["fc.bias"][int(np.argmax(far))] = 100.0  # one class is answered to every image
    safetensors.numpy.save_file(tensors, path)
    refit(path.parent)

    assert verdicts(run)["checkpoints"] == "pass", "its hashes fit"
    assert verdicts(run, deep=True)["the score again"] == "fail"


def test_data_that_is_not_there_is_not_known(run: Path, tmp_path: Path) -> None:
    found = verdicts(run, deep=True, data=str(tmp_path / "gone"))

    assert {found[name] for name in ("the data again", "the score again")} == {"unknown"}


def test_other_images_held_out_are_told(run: Path) -> None:
    indices = read(run / "data.json")["val_indices"]
    edit(run / "data.json", val_indices=[index + 1 for index in indices])

    assert verdicts(run, deep=True)["the data again"] == "fail"


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of two steps."""
    out = tmp_path_factory.mktemp("study") / "study"
    words = ("--data", "digits", "--seeds", "2", "--steps", "2", "--set", "width=0.125", "--no-report")
    assert main(["train", "resnet8", *words, "--out", str(out)]) == 0
    return out


def test_a_study_is_its_runs_as_they_were_planned(study: Path, tmp_path: Path) -> None:
    found = resnetlab.verify(study)
    copy = shutil.copytree(study, tmp_path / "study")

    assert [(verdict.kind, verdict.is_sound) for verdict in found.each] == [
        ("study", True), ("run", True), ("run", True),
    ]  # fmt: skip
    longer = ("--steps", "3", "--out", str(copy / "resnet8-seed0-3st"))
    assert main(["resume", str(copy / "resnet8-seed0"), *longer]) == 0
    more = resnetlab.verify(copy).each[0].findings[0]
    assert (more.verdict, more.found) == ("pass", "2 of 2; resnet8-seed0-3st trained on from another run")
    shutil.rmtree(copy / "resnet8-seed1")
    assert verdicts(copy) == {
        "runs of the study": "unknown",
        "as planned": "pass",
        "runs of their own": "pass",
    }
    shutil.copytree(study / "resnet8-seed0", copy / "better")
    assert verdicts(copy)["runs of the study"] == "fail"
    recipe = read(copy / "resnet8-seed0" / "recipe.json")
    edit(copy / "resnet8-seed0" / "recipe.json", schedule=recipe["schedule"] | {"lr": 0.3})
    assert verdicts(copy)["as planned"] == "fail"
    (copy / "study.json").write_text("[")
    assert verdicts(copy) == {"runs of the study": "fail"}


def test_a_run_that_is_there_under_two_seeds_is_told(study: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(study, tmp_path / "study")
    shutil.rmtree(copy / "resnet8-seed1")
    shutil.copytree(copy / "resnet8-seed0", copy / "resnet8-seed1")
    edit(copy / "resnet8-seed1" / "recipe.json", run=read(study / "resnet8-seed1" / "recipe.json")["run"])

    found = resnetlab.verify(copy).each[0].findings

    assert {each.name: each.found for each in found if each.verdict == "fail"} == {
        "runs of their own": "resnet8-seed1 has every loss of resnet8-seed0"
    }


@pytest.mark.parametrize("is_absolute", [True, False])
def test_a_study_names_no_runs_that_lie_elsewhere(study: Path, tmp_path: Path, is_absolute: bool) -> None:
    copy = shutil.copytree(study, tmp_path / "study")
    elsewhere = (copy / "resnet8-seed1").rename(tmp_path / "other")
    edit(elsewhere / "recipe.json", schedule=read(elsewhere / "recipe.json")["schedule"] | {"lr": 0.3})
    rows = read(copy / "study.json")["runs"]
    rows[1]["name"] = str(elsewhere) if is_absolute else "../other"
    edit(copy / "study.json", runs=rows)

    assert verdicts(copy) == {
        "runs of the study": "unknown",
        "as planned": "pass",
        "runs of their own": "pass",
    }


def test_two_references_allow_what_chance_allows(study: Path, tmp_path: Path) -> None:
    run = shutil.copytree(study / "resnet8-seed0", tmp_path / "run")
    others = [study / "resnet8-seed1"]

    assert verdicts(run, reference=others)["not too good"] == "pass"
    assert verdicts(run, reference=[run])["not too good"] == "unknown", "no run is its own reference"
    seen = read(run / "RESULT.json")["seen"]
    edit(run / "RESULT.json", correct=seen, accuracy=1.0)
    assert verdicts(run, reference=others)["not too good"] == "fail"
    edit(run / "RESULT.json", train_seconds=1e-6)
    assert verdicts(run, reference=others)["not too fast"] == "fail"


@pytest.mark.parametrize("target", ["folder", "safetensors", "onnx"])
def test_a_model_is_whole_and_the_network_that_it_says(target: str, run: Path, tmp_path: Path) -> None:
    out = tmp_path / ("net" if target == "folder" else f"net.{target}")
    assert main(["export", str(run), "--to", target, "-o", str(out)]) == 0
    (verdict,) = resnetlab.verify(out).each

    assert (verdict.kind, {each.verdict for each in verdict.findings}) == ("model", {"pass"})
    path = out / "model.safetensors" if target == "folder" else out
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: len(content) // 2])
    assert not resnetlab.verify(out).is_sound


def test_a_file_that_a_missing_package_reads_is_not_known(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "net.onnx"
    assert main(["export", str(run), "--to", "onnx", "-o", str(out)]) == 0
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    assert verdicts(out) == {"network": "unknown"}


def test_a_file_of_another_program_is_refused(run: Path, tmp_path: Path) -> None:
    import onnx

    out = tmp_path / "net.onnx"
    assert main(["export", str(run), "--to", "onnx", "-o", str(out)]) == 0
    graph = onnx.load(out)
    del graph.metadata_props[:]
    onnx.save(graph, out)

    with pytest.raises(UsageError):
        resnetlab.verify(out)


def test_a_number_that_is_none_is_told(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "net.safetensors"
    assert main(["export", str(run), "--to", "safetensors", "-o", str(out)]) == 0
    content = bytearray(out.read_bytes())
    content[-4:] = b"\xff\xff\xff\x7f"  # NaN
    out.write_bytes(content)

    assert "fail" in verdicts(out).values()
