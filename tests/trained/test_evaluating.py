"""One network on the same images has one score, whatever holds it; what is scored is what was asked for."""

import csv
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.torch
from PIL import Image

import resnetlab
from resnetlab.cli import main
from resnetlab.data.open import open_source
from resnetlab.data.tools.pack import pack_source
from resnetlab.errors import DataError, UsageError
from resnetlab.evaluation.answers import Answers, read_answers
from resnetlab.evaluation.results import Evaluation, NotKept
from resnetlab.trained.artefact import load_artefact
from resnetlab.trained.export.exporting import export_model
from resnetlab.trained.matching import match_classes
from resnetlab.trained.predict import Classifier
from tests.kit.foreign_weights import lively
from tests.kit.torch_files import save

CLASSES = ("ant", "bee", "cat")
SMALL: dict[str, Any] = {
    "steps": 12,
    "batch": 12,
    "compile": "off",
    "eval_every": "0ep",
    "lr": 0.05,
    "workers": 0,
    "report": False,
}


def draw(label: int, seed: int, size: tuple[int, int], channels: int = 3) -> npt.NDArray[np.uint8]:
    """A noisy picture (height, width, channels) whose brightness goes one way for each class."""
    rng = np.random.default_rng([label, seed])
    ramp = np.linspace(0, 120, size[label % 2])
    ramp = ramp[:, None] if label % 2 == 0 else ramp[None, :]
    shape = (*size, channels)
    noise = rng.integers(0, 120, shape)
    pixels = noise + (ramp if label < 2 else 60)[..., None] if label < 2 else noise + 60
    return np.asarray(pixels, np.uint8)


def write(root: Path, parts: dict[str, int], size: tuple[int, int], *, channels: int = 3,
          classes: tuple[str, ...] = CLASSES, first: int = 0) -> Path:  # fmt: skip
    """Write root/PART/CLASS/N.png; a part may be "" for no split."""
    for part, count in parts.items():
        for label, name in enumerate(classes):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = draw(label, first + 1000 * len(part) + number, size, channels)
                Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(folder / f"{number}.png")
    return root


def trained(folder: Path, size: tuple[int, int] = (24, 24), *, channels: int = 3, **values: Any) -> Path:
    """A run on images of this size, in `folder`, which holds its data too."""
    write(folder / "data", {"train": 12, "test": 5}, size, channels=channels)
    spec = resnetlab.model_spec("resnet8").with_(width=0.5, classes=3, in_channels=channels)
    resnetlab.train(spec, data=str(folder / "data"), out=folder / "run", **(SMALL | values))
    return folder / "run"


def others(run: Path, *, onnx: bool = True) -> dict[str, Path]:
    """The run's network in everything that may hold it."""
    (checkpoint,) = sorted((run / "checkpoints").iterdir())[-1:]
    found = {"run": run, "checkpoint": checkpoint}
    targets = {"folder": "net", "safetensors": "net.safetensors"} | ({"onnx": "net.onnx"} if onnx else {})
    artefact = load_artefact(run)
    for target, name in targets.items():
        export_model(artefact, target, run.parent / name)
        found[target] = run.parent / name
    return found


def by_predict(path: Path, data: Path) -> list[list[int]]:
    """The confusion that `predict` makes of data/CLASS/*.png."""
    classifier = Classifier.load(path)
    confusion = [[0] * len(classifier.class_names) for _ in classifier.class_names]
    for label, name in enumerate(classifier.class_names):
        for answer in classifier.predict(sorted((data / name).glob("*.png"))):
            confusion[label][classifier.class_names.index(answer.class_name)] += 1
    return confusion


def confusion_of(evaluation: Evaluation) -> list[list[int]]:
    found: list[list[int]] = evaluation.scores.confusion_KK.tolist()
    return found


def answers_in(evaluation: Evaluation) -> Answers:
    return read_answers(Path(evaluation.out) / "answers.npz")


def answers_bytes(evaluation: Evaluation) -> list[bytes]:
    names = ("answers.npz", "answers.csv", "calibration.json")
    return [(Path(evaluation.out) / name).read_bytes() for name in names]


CASES: dict[str, tuple[tuple[int, int], int, dict[str, Any], tuple[int, int]]] = {
    "as trained": ((24, 24), 3, {}, (24, 24)),
    "larger images": ((24, 24), 3, {}, (40, 40)),
    "oblong images": ((24, 24), 3, {}, (30, 48)),
    "large images": ((24, 24), 3, {}, (90, 70)),
    "bf16": ((24, 24), 3, {"precision": "bf16"}, (24, 24)),
    "averaged": ((24, 24), 3, {"ema_decay": 0.8}, (32, 32)),
    "a grey network": ((24, 24), 1, {}, (40, 40)),
    "an oblong network": ((24, 32), 3, {}, (24, 32)),
}


@pytest.mark.parametrize("name", CASES)
def test_one_network_has_one_score(name: str, tmp_path: Path) -> None:
    """The same counts; the loss to 1e-5 of it (sums of floats in other orders)."""
    pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
    pytest.importorskip("onnx", reason="the extra `export` is not installed")
    size, channels, values, scored_size = CASES[name]
    run = trained(tmp_path, size, channels=channels, **values)
    data = write(tmp_path / "new", {"": 8}, scored_size, channels=channels, first=50)

    scores = {kind: resnetlab.evaluate(path, data=str(data), workers=0) for kind, path in others(run).items()}

    of_run = scores["run"]
    assert of_run.scores.seen == 24
    assert {kind: confusion_of(each) for kind, each in scores.items()} == dict.fromkeys(
        scores, by_predict(run, data)
    )
    for each in scores.values():
        assert each.scores.loss == pytest.approx(of_run.scores.loss, rel=1e-5)
        assert each.precision == each.to_json()["precision"] == "fp32"
    answers = {kind: answers_in(each) for kind, each in scores.items()}
    places = sorted(f"{path.parent.name}/{path.name}" for path in data.glob("*/*.png"))
    for found in answers.values():
        assert sorted(found.place) == places
        assert [found.class_of(n) for n in found.truth] == [place.split("/")[0] for place in found.place]
        for column in ("sample", "place", "truth", "answer", "correct"):
            assert getattr(found, column).tolist() == getattr(answers["run"], column).tolist()
        for column in ("probability", "probability_of_truth", "loss"):  # sums of floats in other orders
            expected = getattr(answers["run"], column)
            np.testing.assert_allclose(getattr(found, column), expected, rtol=1e-4, atol=1e-6)
    for kind in ("checkpoint", "folder", "safetensors"):  # the same arithmetic
        assert answers_bytes(scores[kind]) == answers_bytes(scores["run"])


@pytest.mark.parametrize("weights", ["plain", "averaged"])
def test_the_answers_are_those_of_the_networks_logits(run: Path, weights: str) -> None:
    """In NumPy, from the logits of `predict`."""
    evaluation = resnetlab.evaluate(run, weights=weights, workers=0)
    found = answers_in(evaluation)

    classifier = Classifier.load(run, weights=weights)
    paths = [run.parent / "data" / place for place in found.place]
    logits = classifier.logits([pixels for _, pixels in classifier.read_all([*map(str, paths)])]).double()
    powers = np.exp(logits.numpy())
    shares = powers / powers.sum(1, keepdims=True)
    rows = np.arange(len(found))
    assert found.sample.tolist() == [*range(15)]
    assert found.truth.tolist() == [CLASSES.index(path.parent.name) for path in paths]
    assert found.answer.tolist() == shares.argmax(1).tolist()
    for column, expected in (
        ("probability", shares.max(1)),
        ("probability_of_truth", shares[rows, found.truth]),
        ("loss", -np.log(shares[rows, found.truth])),
    ):
        np.testing.assert_allclose(getattr(found, column), expected, rtol=1e-4, atol=1e-6)
    assert found.correct.sum() == evaluation.scores.correct
    assert found.loss.mean() == pytest.approx(evaluation.scores.loss, rel=1e-5)
    assert json.loads((Path(evaluation.out) / "calibration.json").read_text())["fitted_on"] == (
        "9 validation samples"
    )


def test_images_in_memory_of_another_size_or_colour_are_resized_as_predict_does(tmp_path: Path) -> None:
    """The digits are grey and 32x32, whatever the network takes."""
    pytest.importorskip("sklearn", reason="the digits are not installed")
    spec = resnetlab.model_spec("resnet8").with_(width=0.25, classes=10)
    write(tmp_path / "data", {"train": 2, "test": 1}, (16, 16), classes=tuple("0123456789"))
    resnetlab.train(spec, data=str(tmp_path / "data"), out=tmp_path / "run", **SMALL)
    export_model(load_artefact(tmp_path / "run"), "folder", tmp_path / "net")
    from resnetlab.data.arrays.made import open_digits

    found = [resnetlab.evaluate(tmp_path / each, data="digits", workers=0) for each in ("run", "net")]

    classifier, test = Classifier.load(tmp_path / "net"), open_digits().test
    answers = classifier.predict(list(test.images), top_k=1)
    right = sum(int(each.class_name) == label for each, label in zip(answers, test.labels, strict=True))
    assert [each.scores.correct for each in found] == [right, right]
    assert [each.scores.seen for each in found] == [len(test), len(test)]
    assert "are brought to 16x16 (RGB), as `predict` does" in found[0].notes[-1]


@pytest.mark.parametrize("what", ["run", "net"])
def test_a_grey_picture_among_coloured_ones_takes_no_colour_away(what: str, tmp_path: Path) -> None:
    trained(tmp_path, steps=4)
    export_model(load_artefact(tmp_path / "run"), "folder", tmp_path / "net")
    data = write(tmp_path / "new", {"": 6}, (24, 24), first=800)
    with Image.open(data / "ant" / "0.png") as picture:
        picture.convert("L").save(data / "ant" / "0.png")
    classifier = Classifier.load(tmp_path / "net")
    pictures = [
        (label, path) for label, name in enumerate(CLASSES) for path in sorted((data / name).glob("*"))
    ]
    sure = [each.answers for each in classifier.predict([path for _, path in pictures])]
    losses = [
        -np.log(next(answer.probability for answer in each if answer.class_name == CLASSES[label]))
        for (label, _), each in zip(pictures, sure, strict=True)
    ]

    found = resnetlab.evaluate(tmp_path / what, data=str(data), workers=0)

    assert found.scores.loss == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with averaged weights and validation samples."""
    return trained(tmp_path_factory.mktemp("evaluating"), ema_decay=0.8, val="9")


def without_notes(scores: bytes) -> bytes:
    return json.dumps(json.loads(scores) | {"notes": []}).encode()


LEFT: dict[str, dict[str, Any]] = {
    "in memory": {},
    "averaged, with validation samples": {"ema_decay": 0.8, "val": "9"},
    "files, with a broken one": {"bad_samples": "20%"},
}


@pytest.mark.parametrize("name", LEFT)
def test_a_run_leaves_the_answers_that_eval_would_write(name: str, tmp_path: Path) -> None:
    data = write(tmp_path / "data", {"train": 12, "test": 5}, (24, 24))
    if name.startswith("files"):
        (data / "test" / "bee" / "1.png").write_bytes(b"none")
    spec = resnetlab.model_spec("resnet8").with_(width=0.5, classes=3)
    resnetlab.train(
        spec, data=str(data), out=tmp_path / "run", **(SMALL | {"steps": 4, "report": True} | LEFT[name])
    )
    (left,) = (tmp_path / "run" / "eval").iterdir()
    then = {path.name: path.read_bytes() for path in left.iterdir() if path.is_file()}

    evaluation = resnetlab.evaluate(tmp_path / "run", workers=0)

    assert evaluation.out == str(left)
    assert {*then} == {*evaluation.files} - {"confusion.png", "insights/"}
    assert (left / "insights" / "insights.json").is_file()
    now = {name: (left / name).read_bytes() for name in then}
    if name.startswith("files"):  # opened for training, it is also noted why small images stay files
        then["scores.json"], now["scores.json"] = map(
            without_notes, (then["scores.json"], now["scores.json"])
        )
    assert then == now
    found = answers_in(evaluation)
    assert len(found) == 15 - name.startswith("files")
    assert ("test/bee/1.png" in found.place) == (not name.startswith("files"))
    assert found.correct.sum() == json.loads((tmp_path / "run" / "RESULT.json").read_text())["correct"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_final_evaluation_of_a_run_and_eval_say_the_same_numbers(precision: str, tmp_path: Path) -> None:
    run = trained(tmp_path, precision=precision, ema_decay=0.8, val="9", steps=6)
    result = json.loads((run / "RESULT.json").read_text())

    evaluation = resnetlab.evaluate(run, workers=0)
    plain = resnetlab.evaluate(run, weights="plain", workers=0)

    scores = evaluation.scores
    assert (scores.correct, scores.seen) == (result["correct"], result["seen"])
    assert (scores.accuracy, scores.accuracy_top5) == (result["accuracy"], result["accuracy_top_5"])
    assert scores.loss == result["loss"]
    assert [*evaluation.interval] == result["interval"]
    assert evaluation.weights == result["weights"]
    assert plain.scores.accuracy == result["plain_accuracy"]
    last = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = [row for row in last if row["kind"] == "val"][-1]
    assert resnetlab.evaluate(run, split="val", workers=0).scores.loss == last["loss"]


def test_recall_precision_and_f1_are_sklearns(run: Path, tmp_path: Path) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    data = write(tmp_path / "new", {"": 9}, (24, 24), first=300)
    shutil.rmtree(data / "cat")  # a class without a sample can be answered all the same
    classifier = Classifier.load(run)
    pictures = [(name, path) for name in CLASSES[:2] for path in sorted((data / name).glob("*.png"))]
    answers = [each.class_name for each in classifier.predict([path for _, path in pictures])]
    expected = metrics.precision_recall_fscore_support(
        [name for name, _ in pictures], answers, labels=CLASSES[:2], zero_division=0
    )

    evaluation = resnetlab.evaluate(run, data=str(data), workers=0)

    assert len(set(answers)) > 1, "the network must not answer one class alone"
    rows = evaluation.per_class()
    assert [row["class"] for row in rows] == [*CLASSES[:2]]
    for found, values in zip(("precision", "recall", "f1", "samples"), expected, strict=True):
        assert [row[found] for row in rows] == pytest.approx([*values])
    for row in rows:
        wrong = [a for (n, _), a in zip(pictures, answers, strict=True) if n == row["class"] != a]
        assert row["taken_for_count"] == max((wrong.count(each) for each in CLASSES), default=0)
        assert not wrong or wrong.count(row["taken_for"]) == row["taken_for_count"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"split": "validation"}, "got 'validation'\nDid you mean val?"),
        ({"split": "tset"}, "Did you mean test?"),
        ({"split": "Test"}, "Did you mean test?"),
        ({"split": "training"}, "Did you mean train?"),
        ({"split": None}, "split is one of"),
        ({"weights": "avaraged"}, "got 'avaraged'\nDid you mean averaged?"),
        ({"weights": "ema"}, "Did you mean averaged?"),
        ({"weights": None}, "weights is one of"),
        ({"device": "gpu"}, "no device 'gpu' here"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("what", ["run", "folder"])
def test_what_cannot_be_asked_for_is_refused(
    run: Path, what: str, values: dict[str, Any], message: str
) -> None:
    path = run
    if what == "folder":
        path = run.parent / "refusing"
        if not path.exists():
            export_model(load_artefact(run), "folder", path)

    with pytest.raises(UsageError) as caught:
        resnetlab.evaluate(path, data=str(run.parent / "data"), **values)

    assert message in str(caught.value)


def test_other_data_is_scored_as_it_is(run: Path, tmp_path: Path) -> None:
    data = {
        "undivided": write(tmp_path / "undivided", {"": 3}, (24, 24), first=70),
        "test": write(tmp_path / "only-test", {"test": 4}, (24, 24), first=80),
        "val": write(tmp_path / "only-val", {"val": 2}, (24, 24), first=90),
        "one each": write(tmp_path / "one-each", {"": 1}, (24, 24), first=95),
        "both": write(tmp_path / "both", {"train": 2, "val": 1}, (24, 24), first=99),
    }
    lines = [
        f"{path.relative_to(tmp_path)},{path.parent.name}"
        for path in sorted(data["undivided"].rglob("*.png"))
    ]
    (tmp_path / "new.csv").write_text("\n".join(lines))

    def said(what: str | Path, **more: Any) -> tuple[int, str, str]:
        found = resnetlab.evaluate(run, data=str(what), workers=0, **more)
        return found.scores.seen, found.split, "\n".join(found.notes)

    assert said(data["undivided"]) == (9, "all", "undivided is not divided: all its 9 images are scored")
    assert said(tmp_path / "new.csv") == (9, "all", "new is not divided: all its 9 images are scored")
    assert said(data["test"])[:2] == (12, "test")
    assert said(data["val"]) == (6, "val", "only-val has a val split only: all its 6 images are scored")
    assert said(data["one each"])[:2] == (3, "all")
    assert said(data["both"]) == (3, "val", "both has no test split: its val split serves as one")
    assert said(data["both"], split="train")[:2] == (6, "train")
    assert said(data["both"], split="all") == (9, "all", "scored are all 9 images")
    with pytest.raises(UsageError, match="only-test has no validation split, only test\n--split all"):
        said(data["test"], split="val")
    with pytest.raises(UsageError, match="undivided has no test split, only train"):
        said(data["undivided"], split="test")
    with pytest.raises(DataError) as caught:
        said(tmp_path / "nowhere" / "at-all")
    assert "--data" not in str(caught.value)
    with pytest.raises(UsageError, match="the data's name is empty"):
        said("")


def test_the_runs_own_data_keeps_its_splits_wherever_it_lies(tmp_path: Path) -> None:
    """An undivided folder: its own test split is the fifth that was held out of training."""
    data = write(tmp_path / "data", {"": 10}, (24, 24))
    spec = resnetlab.model_spec("resnet8").with_(width=0.25, classes=3)
    resnetlab.train(spec, data=str(data), out=tmp_path / "run", val="6", **(SMALL | {"steps": 2}))
    export_model(load_artefact(tmp_path / "run"), "folder", tmp_path / "net")
    own = {
        split: resnetlab.evaluate(tmp_path / "run", split=split, workers=0)
        for split in ("test", "val", "train")
    }
    moved = shutil.move(data, tmp_path / "elsewhere")

    assert {split: each.scores.seen for split, each in own.items()} == {"test": 6, "val": 6, "train": 18}
    for holder in ("run", "net"):
        for split, expected in own.items():
            found = resnetlab.evaluate(tmp_path / holder, data=str(moved), split=split, workers=0)
            assert confusion_of(found) == confusion_of(expected)
            assert any("is what the network was trained on" in note for note in found.notes)
    whole = resnetlab.evaluate(tmp_path / "net", data=str(moved), split="all", workers=0)
    assert whole.scores.seen == 30
    write(moved, {"": 1}, (24, 24), classes=("dog",))  # not the run's own any more
    with pytest.raises(DataError, match=r"1 of its 4 are none of the network's 3 \(dog\)"):
        resnetlab.evaluate(tmp_path / "run", data=str(moved), workers=0)
    shutil.rmtree(moved / "dog")
    (moved / "ant" / "0.png").unlink()
    shutil.move(moved, data)
    changed = resnetlab.evaluate(tmp_path / "run", workers=0)
    assert changed.scores.seen == 29
    assert "is not what the network was trained on any more" in "\n".join(changed.notes)


def test_classes_are_matched_by_name_and_a_part_of_them_is_enough(run: Path, tmp_path: Path) -> None:
    whole = resnetlab.evaluate(
        run, data=str(write(tmp_path / "whole", {"": 6}, (24, 24), first=400)), workers=0
    )
    shutil.rmtree(tmp_path / "whole" / "ant")

    part = resnetlab.evaluate(run, data=str(tmp_path / "whole"), workers=0)

    assert part.class_names == ("bee", "cat")
    expected = confusion_of(whole)
    assert confusion_of(part) == [[0, 0, 0], *expected[1:]]
    assert "whole has 2 of the network's 3 classes; any of these can be its answer" in part.notes
    table = [line.split(",") for line in (Path(part.out) / "confusion.csv").read_text().splitlines()]
    assert sum(int(cell) for row in table[1:] for cell in row[1:]) == 12


def test_other_names_are_told_and_may_be_taken_by_their_order(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = write(tmp_path / "named", {"": 4}, (24, 24), first=500)
    expected = confusion_of(resnetlab.evaluate(run, data=str(named), workers=0))
    for old, new in zip(CLASSES, ("n01440764", "n01443537", "n01484850"), strict=True):
        (named / old).rename(named / new)

    with pytest.raises(DataError) as caught:
        resnetlab.evaluate(run, data=str(named), workers=0)
    by_order = resnetlab.evaluate(run, data=str(named), workers=0, by_order=True)

    assert "3 of its 3 are none of the network's 3 (n01440764, n01443537, n01484850)" in str(caught.value)
    assert "in the network alone: ant, bee, cat" in str(caught.value)
    assert "WordNet's numbers" in str(caught.value)
    assert "--by-order" in str(caught.value)
    assert confusion_of(by_order) == expected
    assert "by their order, as asked: n01440764 is the network's ant" in "\n".join(by_order.notes)
    shutil.rmtree(named / "n01484850")
    assert main(["eval", str(run), "--data", str(named), "--by-order", "--workers", "0"]) == 2
    assert "named has 2 classes, the network 3" in capsys.readouterr().err


def test_notes_of_the_data_are_said_and_written(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(tmp_path / "new", {"": 2}, (24, 24), first=600)
    (data / "ant" / "list.txt").write_text("no image")

    assert main(["eval", str(run), "--data", str(data), "--workers", "0", "--json"]) == 0

    captured = capsys.readouterr()
    content = json.loads(captured.out)
    assert "not read: 1 files (.txt)" in captured.err
    assert content["notes"] == json.loads((Path(content["out"]) / "scores.json").read_text())["notes"]
    assert any("not read: 1 files (.txt)" in note for note in content["notes"])
    assert content["split"] == "all"


@pytest.fixture
def copied(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run whose evaluations cannot be written: a file stands in their folder's place."""
    (tmp_path / "there").mkdir()
    shutil.copytree(run, tmp_path / "there" / "run", ignore=shutil.ignore_patterns("eval"))
    (tmp_path / "there" / "run" / "eval").touch()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "there" / "run"


def test_a_run_that_can_only_be_read_is_scored_into_the_working_directory(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluation = resnetlab.evaluate(copied, workers=0)

    assert Path(evaluation.out).parent == Path("run-eval")
    assert (Path(evaluation.out) / "confusion.png").is_file()
    assert "the result lies in the working directory: could not make the directory" in evaluation.notes[-1]
    assert main(["eval", str(copied), "--workers", "0"]) == 0
    told = capsys.readouterr().out
    assert f"written to {evaluation.out}" in told
    files = told[told.index("written to ") :].splitlines()
    assert len(files) > 1 and all(len(line) <= 100 for line in files[1:])
    assert " ".join(" ".join(files).split()).endswith(", ".join(evaluation.files))


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_scores_that_can_be_written_nowhere_are_on_the_screen(
    copied: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    expected = resnetlab.evaluate(copied, out="somewhere", workers=0)
    Path("run-eval").touch()
    Path("taken").touch()

    for out in ([], ["--out", "taken"]):
        assert main(["eval", str(copied), "--workers", "0", *flags, *out]) == 74
        shown, error = capsys.readouterr()
        if flags:
            assert json.loads(shown)["correct"] == expected.scores.correct
        else:
            assert expected.summary() in shown
            assert "written to" not in shown
        assert f"{expected.summary()}; but could not make the directory" in error
        assert "resume" not in error
    with pytest.raises(NotKept) as caught:
        resnetlab.evaluate(copied, out="taken", workers=0)
    assert confusion_of(caught.value.evaluation) == confusion_of(expected)


def test_the_result_goes_where_it_is_asked_to_go(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", str(run), "--workers", "0", "--out", str(tmp_path / "a" / "b"), "--json"]) == 0

    content = json.loads(capsys.readouterr().out)
    assert content["out"] == str(tmp_path / "a" / "b")
    assert json.loads((tmp_path / "a" / "b" / "scores.json").read_text()) == content


def test_pictures_are_asked_for_in_seconds(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["eval", str(run), "--workers", "0", "--out", str(tmp_path / "out"), "--insights"]
    found = []
    for seconds in ("60", "0"):
        assert main([*command, seconds]) == 0
        found.append([path.name for path in tmp_path.glob("out/insights/*.json")])
        assert ("insights/" in capsys.readouterr().out) is (seconds == "60")

    assert found == [["insights.json"], []]
    assert main([*command, "-1"]) == main([*command, "nan"]) == 2
    assert "insights are seconds, 0 or more, got nan" in capsys.readouterr().err


NAMES = {
    "mathematics": ("$5_or_$10", "$20_$50", r"$\frac$"),
    "more mathematics": ("A$$AP", "cash$100_to_$200", "100%_\\$"),
    "other scripts": ("猫", "собака 🐶", "عربي"),
    "commands": ("\x1b]0;owned\x07", "a\nb", "\u202egnp"),
    "long": ("x" * 200, "y" * 200, "z z"),
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.filterwarnings("error")
def test_any_names_can_be_scored_and_drawn(
    names: tuple[str, ...], tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    scores_any_names(names, tmp_path, capsysbinary)


def scores_any_names(
    names: tuple[str, ...], folder: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    write(folder / "data", {"train": 2, "test": 2}, (16, 16), classes=names)
    spec = resnetlab.model_spec("resnet8").with_(width=0.25, classes=len(names))
    resnetlab.train(spec, data=str(folder / "data"), out=folder / "run", **(SMALL | {"steps": 1, "batch": 4}))
    capsysbinary.readouterr()

    assert main(["eval", str(folder / "run"), "--workers", "0", "--out", str(folder / "out")]) == 0

    text, error = capsysbinary.readouterr()
    assert b"\x1b" not in text + error
    notes = error.decode().splitlines()
    assert notes == [] or names == NAMES["other scripts"]  # which not every system has fonts for
    assert all(note.startswith("confusion.png: no font of this system has ") for note in notes)
    assert {path.name for path in (folder / "out").iterdir()} == {
        "scores.json", "per_class.csv", "confusion.csv", "confusion.png", "calibration.json", "answers.npz",
        "answers.csv", "insights",
    }  # fmt: skip
    rows = json.loads((folder / "out" / "scores.json").read_text())["per_class"]
    assert [row["class"] for row in rows] == sorted(names)
    table = (folder / "out" / "confusion.csv").read_bytes().decode(errors="surrogateescape")
    assert [row[0] for row in csv.reader(io.StringIO(table))][1:] == sorted(names)


def test_names_that_are_no_utf8_can_be_scored_and_are_not_packed(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """As unzip leaves the folders of an archive from Windows."""
    names = (os.fsdecode(b"caf\xe9"), os.fsdecode("犬".encode("shift-jis")), "plain")
    try:
        (tmp_path / "data" / "train" / names[0]).mkdir(parents=True)
    except OSError:
        pytest.skip("this file system wants UTF-8")
    shutil.rmtree(tmp_path / "data")

    scores_any_names(names, tmp_path, capsysbinary)

    with pytest.raises(DataError, match=r"no UTF-8: caf\\xe9, .*\nRename their folders, e.g. `convmv"):
        pack_source(open_source(str(tmp_path / "data"), holds_small=False), tmp_path / "packed")
    assert not (tmp_path / "packed").exists()


def test_a_picture_that_cannot_be_drawn_costs_no_score(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from matplotlib.figure import Figure

    def savefig(*_: object, **__: object) -> None:
        raise RuntimeError("no memory for so many pixels")

    monkeypatch.setattr(Figure, "savefig", savefig)

    assert main(["eval", str(run), "--workers", "0", "--out", str(tmp_path / "out")]) == 0

    text, error = capsys.readouterr()
    assert "confusion.png could not be drawn: RuntimeError: no memory for so many pixels" in error
    kept = " ".join(text.split()).split("scores.json", 1)[1]  # in lines of the terminal's width
    assert kept.startswith(", per_class.csv, confusion.csv, calibration.json, answers.npz")
    assert json.loads((tmp_path / "out" / "scores.json").read_text())["notes"][-1].startswith("confusion.png")


def test_weights_of_another_program_are_scored_as_import_and_eval_do(run: Path, tmp_path: Path) -> None:
    state = lively("resnet20", shortcut="A").state_dict()
    tensors = {"module." + name.replace("fc.", "linear."): tensor for name, tensor in state.items()}
    save({"state_dict": tensors}, tmp_path / "resnet20.th")
    same = tmp_path / "resnet20.safetensors"  # read without a process of its own
    safetensors.torch.save_file(tensors, same)
    data = write(tmp_path / "new", {"": 2}, (40, 40), classes=tuple(map(str, range(10))), first=700)
    assert main(["import", str(same), "-o", str(tmp_path / "net")]) == 0

    expected = resnetlab.evaluate(tmp_path / "net", data=str(data), workers=0, by_order=True)
    found = resnetlab.evaluate(tmp_path / "resnet20.th", data=str(data), workers=0, by_order=True)

    assert confusion_of(found) == confusion_of(expected)
    assert found.scores.loss == expected.scores.loss
    assert "read as `resnetlab import` reads it: resnet20" in "\n".join(found.notes)
    with pytest.raises(UsageError, match="holds one set of weights"):
        resnetlab.evaluate(same, data=str(data), weights="plain")
    with pytest.raises(UsageError, match="does not know where its data lies"):
        resnetlab.evaluate(same)


def test_a_file_of_a_checkpoint_is_the_weights_that_it_holds(run: Path) -> None:
    (checkpoint,) = sorted((run / "checkpoints").iterdir())[-1:]
    for file, weights in (("model.safetensors", "plain"), ("ema.safetensors", "averaged")):
        found = resnetlab.evaluate(checkpoint / file, workers=0)
        expected = resnetlab.evaluate(run, weights=weights, workers=0)
        assert found.scores.loss == expected.scores.loss
    with pytest.raises(UsageError, match="holds no weights"):
        resnetlab.evaluate(checkpoint / "optimizer.safetensors", workers=0)


def test_a_validation_split_that_serves_as_the_test_split_is_both(tmp_path: Path) -> None:
    data = write(tmp_path / "data", {"train": 3, "val": 2}, (16, 16))
    spec = resnetlab.model_spec("resnet8").with_(width=0.25, classes=3)
    resnetlab.train(spec, data=str(data), out=tmp_path / "run", **(SMALL | {"steps": 1, "batch": 4}))
    export_model(load_artefact(tmp_path / "run"), "folder", tmp_path / "net")

    for each in ("run", "net"):
        found = [
            resnetlab.evaluate(tmp_path / each, data=str(data), split=s, workers=0) for s in ("val", "auto")
        ]
        assert [one.scores.seen for one in found] == [6, 6]
        assert found[0].scores.loss == found[1].scores.loss


def test_an_export_leaves_out_the_broken_images_that_its_run_leaves_out(tmp_path: Path) -> None:
    data = write(tmp_path / "data", {"train": 4, "test": 3}, (80, 80))
    (data / "test" / "ant" / "0.png").write_bytes(b"no image")
    spec = resnetlab.model_spec("resnet8").with_(width=0.25, classes=3)
    values = SMALL | {"steps": 1, "batch": 4, "image_size": 16, "bad_samples": 0.2}
    resnetlab.train(spec, data=str(data), out=tmp_path / "run", **values)
    export_model(load_artefact(tmp_path / "run"), "folder", tmp_path / "net")

    of_run, of_net = (
        resnetlab.evaluate(tmp_path / each, data=str(data), workers=0) for each in ("run", "net")
    )

    assert (of_run.scores.seen, of_net.scores.seen) == (8, 8)
    assert of_run.scores.loss == pytest.approx(of_net.scores.loss, rel=1e-5)
    assert of_run.notes == of_net.notes
    assert "ant/0.png: not an image" in of_run.notes[-1]


@pytest.mark.parametrize("size", [(80, 80), (24, 24)])
def test_broken_images_of_other_data_are_left_out_if_that_is_asked_for(
    size: tuple[int, int], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(tmp_path / "new", {"": 7}, size, first=500)
    for number in range(6):
        (data / "bee" / f"{number}.png").write_bytes(b"no image")
    (data / "bee" / "9.png").write_bytes(b"")
    for number in range(20, 25):
        (data / "cat" / f"{number}.png").write_bytes(b"")
    whole = write(tmp_path / "whole", {"": 7}, size, first=500)
    for number in range(6):
        (whole / "bee" / f"{number}.png").unlink()
    line = ["eval", str(run), "--data", str(data), "--out", str(tmp_path / "scores"), "--workers", "0"]

    assert main(line) == 3
    assert "bee/0.png: not an image" in (said := capsys.readouterr().err)
    assert "--bad-samples 1% leaves out up to so many" in said
    assert main([*line, "--bad-samples", "30%"]) == 3
    assert f"{data}: 9 of 27 images are broken, more than 30 %" in capsys.readouterr().err
    assert main([*line, "--bad-samples", "0.5"]) == 0
    out, said = capsys.readouterr()

    assert "; 12 broken images left out" in out
    assert said.count("Left out, a broken image: ") == 10
    assert "Left out are 2 more broken images: bad_samples in scores.json" in said
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert len(scores["bad_samples"]) == 12
    assert scores["bad_samples"][0].startswith("bee/0.png: not an image")
    expected = resnetlab.evaluate(run, data=str(whole), workers=0, out=tmp_path / "expected")
    assert (scores["seen"], scores["correct"]) == (expected.scores.seen, expected.scores.correct)
    assert expected.bad_samples == () and "left out" not in expected.summary()
    again = resnetlab.evaluate(run, data=data, bad_samples=0.5, workers=0, out=tmp_path / "again")
    assert again.scores.loss == scores["loss"]
    with pytest.raises(UsageError, match="bad_samples lies in"):
        resnetlab.evaluate(run, data=data, bad_samples="100%", workers=0)


MATCHED = [
    (("a", "b"), [0, 1], ("class 0", "class 1", "class 2"), None),
    (("0", "2"), [0, 1], ("class 0", "class 1", "class 2"), [0, 2]),
    (("x", "y", "z"), [0, 1, 2], ("class 0", "class 1", "class 2"), [0, 1, 2]),
    (("c", "a"), [0, 1], ("a", "b", "c"), [2, 0]),
    (("a", "odd"), [0, 0], ("a", "b", "c"), [0, -1]),
    (("a", "B"), [0, 1], ("a", "b", "c"), None),
    (("3", "1"), [0, 1], ("0", "1"), None),
    (("a",), [0, 0], ("a", "b"), [0]),
]


@pytest.mark.parametrize(("theirs", "labels", "ours", "expected"), MATCHED)
def test_classes_are_the_networks_by_name_or_number(
    theirs: tuple[str, ...], labels: list[int], ours: tuple[str, ...], expected: list[int] | None
) -> None:
    if expected is None:
        with pytest.raises(DataError, match="has other classes than the network"):
            match_classes("data", theirs, np.array(labels), ours)
    else:
        assert match_classes("data", theirs, np.array(labels), ours).logits.tolist() == expected


def test_numbers_in_the_order_of_text_are_not_given_to_a_nameless_network_by_chance() -> None:
    theirs = [str(number) for number in sorted(range(12), key=str)]
    ours = [f"class {number}" for number in range(12)]
    labels = np.arange(12)

    with pytest.raises(DataError, match="10 can be its class 10, or its class 2"):
        match_classes("data", theirs, labels, ours)

    assert match_classes("data", theirs, labels, ours, by_order=True).logits.tolist() == [*range(12)]
    by_number = match_classes("data", theirs, labels, [str(number) for number in range(12)])
    assert by_number.logits.tolist() == [int(name) for name in theirs]
    assert match_classes("data", [*map(str, range(12))], labels, ours).logits.tolist() == [*range(12)]


@pytest.mark.parametrize("target", ["folder", "onnx"])
def test_a_network_exported_for_another_size_knows_its_own_data(target: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "undivided", {"": 10}, (16, 16))  # in memory, a fifth held out for test
    spec = resnetlab.model_spec("resnet8").with_(width=0.25, classes=3)
    resnetlab.train(spec, data=str(folder), out=tmp_path / "run", **(SMALL | {"steps": 2}))
    larger = tmp_path / ("larger.onnx" if target == "onnx" else "larger")
    export_model(load_artefact(tmp_path / "run"), target, larger, size=24)

    found = resnetlab.evaluate(larger, data=str(folder), workers=0)

    assert (found.scores.seen, found.split) == (6, "test")
    assert any("is what the network was trained on" in note for note in found.notes)


@pytest.mark.parametrize("what", ["run", "onnx"])
def test_images_of_another_size_than_a_network_without_a_geometry_takes_are_refused_with_both(
    what: str, tmp_path: Path
) -> None:
    """It was trained on images as they are, 48x16, and squares alone are resized."""
    if what == "onnx":
        pytest.importorskip("onnx")
    spec = resnetlab.model_spec("resnet8").with_(width=0.25)
    write(tmp_path / "data", {"train": 4, "test": 2}, (16, 48))
    write(tmp_path / "others", {"test": 2}, (24, 24))
    path = tmp_path / "run"
    resnetlab.train(spec, data=str(tmp_path / "data"), out=path, **SMALL)
    if what == "onnx":
        path = tmp_path / "net.onnx"
        export_model(load_artefact(tmp_path / "run"), "onnx", path)

    with pytest.raises(DataError, match="others has images of 24x24 pixels; the network takes 48x16"):
        resnetlab.evaluate(path, data=tmp_path / "others", workers=0)

    assert resnetlab.evaluate(path, data=tmp_path / "data", workers=0).scores.seen


def test_a_held_out_split_of_data_that_changed_is_refused_with_the_reason(tmp_path: Path) -> None:
    data = write(tmp_path / "data", {"train": 6, "test": 2}, (16, 16))
    spec = resnetlab.model_spec("resnet8").with_(width=0.25)
    resnetlab.train(spec, data=str(data), out=tmp_path / "run", **(SMALL | {"val": 6}))
    next((data / "train").glob("*/*")).unlink()

    with pytest.raises(UsageError, match=r"no validation split(.|\n)*is not what the network was trained on"):
        resnetlab.evaluate(tmp_path / "run", split="val", workers=0)
