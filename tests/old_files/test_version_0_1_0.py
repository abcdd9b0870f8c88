"""What version 0.1.0 wrote is read, to the same numbers, whatever has come to networks and recipes since."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import resnetlab
from resnetlab.base.plaindata import required_fields
from resnetlab.cli import main
from resnetlab.errors import ResnetlabError
from resnetlab.network.spec import ModelSpec
from resnetlab.runs.directory import RunDirectory
from resnetlab.runs.journal import read_rows
from resnetlab.training.run import resume_run
from tests.kit.interrupted_runs import StopAt

WRITTEN = Path(__file__).parent / "0.1.0"
MODELS = ("folder", "net.safetensors", "net.onnx")
ROUNDING = 2e-5  # of a loss, from one processor's kernels to another's


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy that may be written into."""
    return shutil.copytree(WRITTEN, tmp_path / "old")


def rewrite(run: Path, name: str, content: dict[str, Any]) -> None:
    """Write another NAME.json into a run, whose checkpoints are to be that run's."""
    (run / f"{name}.json").write_text(json.dumps(content))
    for path in run.glob("checkpoints/*/MANIFEST.json"):
        manifest = json.loads(path.read_bytes()) | {"identity": RunDirectory(run).identity()}
        path.write_text(json.dumps(manifest))


def without_defaults(run: Path) -> dict[str, Any]:
    """Drop from a run's spec.json every field that has a default, as if it came later; return the rest."""
    content = json.loads((run / "spec.json").read_bytes())
    left = {name: content[name] for name in required_fields(ModelSpec)}
    rewrite(run, "spec", left)
    return left


def test_a_run_scores_what_it_scored(old: Path) -> None:
    then = json.loads((WRITTEN / "run/RESULT.json").read_bytes())

    now = resnetlab.evaluate(old / "run", device="cpu").scores
    plain = resnetlab.evaluate(old / "run", weights="plain", device="cpu").scores

    assert (now.correct, now.seen) == (then["correct"], then["seen"])
    assert now.loss == pytest.approx(then["loss"], abs=ROUNDING)
    assert plain.correct / plain.seen == then["plain_accuracy"]
    assert resnetlab.evaluate(old / "run", split="val", device="cpu").scores.seen == 64


def test_a_run_on_files_scores_what_it_scored(old: Path) -> None:
    then = json.loads((WRITTEN / "run-on-files/RESULT.json").read_bytes())

    now = resnetlab.evaluate(old / "run-on-files", data=str(old / "photos"), device="cpu", workers=0).scores

    assert (now.correct, now.seen) == (then["correct"], then["seen"])
    assert now.loss == pytest.approx(then["loss"], abs=1e-3)  # what resizes may round otherwise


@pytest.mark.parametrize("name", MODELS)
def test_an_exported_network_scores_what_its_run_scored(old: Path, name: str) -> None:
    then = json.loads((WRITTEN / "run/RESULT.json").read_bytes())

    now = resnetlab.evaluate(old / name, data="digits", device="cpu").scores

    assert (now.correct, now.seen) == (then["correct"], then["seen"])
    assert now.loss == pytest.approx(then["loss"], abs=ROUNDING)


@pytest.mark.parametrize("name", [*MODELS, "run", "run-on-files", "folder-of-files"])
def test_everything_tells_of_pictures(old: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(old / name), str(old / "photos/test/broad/0.png")]) == 0
    assert "%" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["run", "run-on-files", "folder", "folder-of-files"])
@pytest.mark.parametrize("target", ["onnx", "folder"])
def test_everything_is_exported(old: Path, name: str, target: str) -> None:
    assert main(["export", str(old / name), "--to", target, "-o", str(old / f"new.{target}")]) == 0


@pytest.mark.parametrize("name", ["run", "run-on-files", "folder", "folder-of-files", "net.safetensors"])
def test_everything_is_trained_on(old: Path, name: str) -> None:
    result = resnetlab.finetune(
        old / name, data=str(old / "photos"), steps=2, batch=4, out=old / "tuned", device="cpu", workers=0
    )

    assert result.step == 2


def test_runs_are_reported(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(old), "--csv", str(old / "table.csv")]) == 0
    said = capsys.readouterr().out
    assert "resnet8" in said and "digits" in said and "photos" in said
    assert main(["show", str(old / "run")]) == 0


def test_an_interrupted_run_is_brought_to_its_end(old: Path) -> None:
    result = resume_run(old / "interrupted", StopAt(-1), device="cpu")

    rows = read_rows(old / "interrupted/metrics.jsonl")
    assert result.step == 10 and (result.seen, result.best_val_step) == (359, 10)
    assert [row["step"] for row in rows if row["kind"] == "train"] == [2, 4, 6, 8, 10]


def test_a_spec_is_whole_without_the_fields_that_have_defaults(old: Path) -> None:
    """As if all these had come after 0.1.0: nothing that a version can read may ask for what it brings."""
    whole = ModelSpec.from_json(json.loads((old / "run/spec.json").read_bytes()))
    then = json.loads((WRITTEN / "run/RESULT.json").read_bytes())
    content = without_defaults(old / "run")
    without_defaults(old / "interrupted")
    own = {f.name: f.default for f in dataclasses.fields(ModelSpec) if f.default is not dataclasses.MISSING}

    assert ModelSpec.from_json(content) == dataclasses.replace(whole, **own)
    assert resnetlab.evaluate(old / "run", device="cpu").scores.seen == then["seen"]
    assert resume_run(old / "interrupted", StopAt(-1), device="cpu").step == 10


@pytest.mark.parametrize(
    ("file", "group", "key"),
    [
        ("spec", None, "squeeze"),
        ("recipe", None, "distillation"),
        ("recipe", "optimizer", "rho"),
        ("data", "preprocessing", "antialias"),
    ],
)
def test_what_only_a_later_version_knows_is_refused_by_name(
    old: Path, file: str, group: str | None, key: str
) -> None:
    """Never to be passed over: the network, or the images, would not be what they were."""
    content = json.loads((old / "run" / f"{file}.json").read_bytes())
    (content[group] if group else content)[key] = 0.5
    rewrite(old / "run", file, content)

    readers = [resnetlab.evaluate] if file == "recipe" else [resnetlab.evaluate, resnetlab.load_artefact]
    for perform in readers:
        with pytest.raises(ResnetlabError, match=key) as caught:
            perform(old / "run")
        assert "later version" in str(caught.value)
