"""predict, export, import and eval of files as a user meets them: real files, exit codes."""

import csv
import io
import json
import os
import shutil
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from resnetlab.base.pages.frame import text as escaped
from resnetlab.cli import main
from resnetlab.cli.given_classes import given_class_names, read_class_names
from resnetlab.errors import DataError, UsageError, WriteError
from resnetlab.trained.artefact import write_folder
from resnetlab.trained.artefact.folder import to_safetensors
from resnetlab.trained.evaluate import evaluate
from resnetlab.trained.predict import Classifier
from tests.kit.artefacts import small_artefact
from tests.kit.commands import run
from tests.kit.foreign_weights import lively
from tests.kit.pictures import pixels, write_pictures


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("commands") / "net"
    write_folder(small_artefact(), path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "photos" / "more", 3)
    write_pictures(tmp_path / "photos", 2)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path / "photos"


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main([*arguments]) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def make_class_folders(folder: Path) -> Path:
    for name in ("a", "b"):
        write_pictures(folder / "test" / name, 2)
        write_pictures(folder / "train" / name, 2)
    return folder


def test_a_broken_image_is_named_and_the_others_go_on(net: Path, photos: Path) -> None:
    (photos / "1b.jpg").write_bytes(b"<!doctype html><title>404</title>")
    cut = io.BytesIO()
    Image.fromarray(pixels(0, (200, 200))).save(cut, "JPEG")
    (photos / "cut.jpg").write_bytes(cut.getvalue()[: len(cut.getvalue()) // 2])

    done = run("predict", str(net), str(photos), "--top", "1", "--batch", "2", code=3)

    rows = [line.split()[0] for line in done.stdout.splitlines()[1:]]
    names = ["0.png", "1.png", "more/0.png", "more/1.png", "more/2.png"]
    assert rows == [str(photos / name) for name in names]
    assert "1b.jpg: not an image: the bytes look like an HTML page" in done.stderr
    assert "cut.jpg: damaged" in done.stderr
    assert "2 of 7 images could not be read" in done.stderr.splitlines()[-1]


def test_weights_of_another_program_answer_and_go_out_as_they_are_scored(
    tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """predict, export and eval say the same of how the file was read, as `import` says it."""
    file = tmp_path / "theirs.safetensors"
    safetensors.torch.save_file(dict(lively("resnet8", classes=2).state_dict()), file)
    folder = make_class_folders(tmp_path / "data")
    said = [
        "read as `resnetlab import` reads it: resnet8",
        "Names and shapes do not tell all",
        "no class names given: the classes are numbered",
        "the file does not tell its preprocessing",
    ]

    text, error = printed(capsys, "predict", str(file), str(photos), "--csv", "-")
    assert all(each in error for each in said), error
    printed(capsys, "import", str(file), "-o", str(tmp_path / "net"))
    imported, _ = printed(capsys, "predict", str(tmp_path / "net"), str(photos), "--csv", "-")
    assert text == imported

    _, error = printed(capsys, "export", str(file), "--to", "folder", "-o", str(tmp_path / "out"))
    assert all(each in error for each in said), error
    exported, _ = printed(capsys, "predict", str(tmp_path / "out"), str(photos), "--csv", "-")
    assert exported == text

    scored = " ".join(printed(capsys, "eval", str(file), "--data", str(folder), "--by-order"))
    assert all(each in scored for each in said), scored
    _, error = printed(capsys, "predict", str(file), str(photos), "--weights", "averaged", code=2)
    assert "is no run: it holds one set of weights" in error


def test_what_is_no_network_is_refused_by_predict_and_export_as_by_import(
    tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "theirs.safetensors"
    safetensors.torch.save_file({"blocks.0.attn.qkv.weight": torch.zeros(3, 3)}, file)

    for arguments in (("predict", str(photos)), ("export", "--to", "folder"), ("import",)):
        _, error = printed(capsys, arguments[0], str(file), *arguments[1:], code=5)
        assert "a Vision Transformer" in error


def test_paths_on_standard_input_answers_line_by_line(
    net: Path, photos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "\n".join(map(str, sorted(photos.glob("*.png")))) + "\n\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(os.fsencode(lines))))

    text, _ = printed(capsys, "predict", str(net), "-", "--jsonl", "--top", "2")

    rows = [json.loads(line) for line in text.splitlines()]
    expected = Classifier.load(net).predict(sorted(photos.glob("*.png")), top_k=2)
    assert [row["image"] for row in rows] == [each.place for each in expected]
    for row, one in zip(rows, expected, strict=True):
        assert [each["class"] for each in row["answers"]] == [each.class_name for each in one.answers]
        assert row["answers"][0]["probability"] == pytest.approx(one.probability, abs=1e-5)


def test_table_csv_and_json_say_the_same(
    net: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = str(photos / "0.png")
    text, _ = printed(capsys, "predict", str(net), image)
    content, _ = printed(capsys, "predict", str(net), image, "--json")
    comma, _ = printed(capsys, "predict", str(net), image, "--csv", "-")
    silent, _ = printed(capsys, "predict", str(net), image, "--csv", str(tmp_path / "new" / "answers.csv"))

    (row,) = csv.DictReader(io.StringIO(comma))
    answers = json.loads(content)["images"][0]["answers"]
    assert row["image"] == image
    assert [row[f"class{n}"] for n in (1, 2, 3)] == [each["class"] for each in answers]
    assert float(row["probability1"]) == pytest.approx(answers[0]["probability"], abs=1e-6)
    shown = [line.removeprefix(image).split()[0] for line in text.splitlines()[1:]]
    assert shown == [each["class"] for each in answers]
    assert silent == ""
    assert (tmp_path / "new" / "answers.csv").read_text() == comma


def test_the_truth_is_told_where_the_folder_is_named_as_a_class(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ant", "bee", "others"):
        write_pictures(tmp_path / "sorted" / name, 2)
    images = str(tmp_path / "sorted")
    answers = Classifier.load(net).predict(sorted((tmp_path / "sorted").rglob("*.png")))
    expected = [("ant", "bee", "")[number // 2] for number in range(6)]
    right = sum(each.class_name == truth for each, truth in zip(answers, expected, strict=True))

    comma, said = printed(capsys, "predict", str(net), images, "--csv", "-")
    content, also_said = printed(capsys, "predict", str(net), images, "--json")
    shown, _ = printed(capsys, "predict", str(net), images, "--truth", "--top", "1")
    kept, _ = printed(capsys, "predict", str(net), images, "--csv", str(tmp_path / "a.csv"))

    told = f"{right} of 4 right ({100 * right / 4:.2f} %); of 2 more the folder does not tell the class"
    assert said.splitlines()[-1] == also_said.splitlines()[-1] == told
    assert shown.splitlines()[-1] == kept.strip() == told
    rows = [*csv.DictReader(io.StringIO(comma))]
    assert [row["truth"] for row in rows] == expected
    assert [row["correct"] for row in rows] == [
        "" if not truth else "yes" if each.class_name == truth else "no"
        for each, truth in zip(answers, expected, strict=True)
    ]
    assert [each.get("truth", "") for each in json.loads(content)["images"]] == expected
    lines = shown.splitlines()
    assert lines[0].split() == ["image", "truth", "class", "probability"]
    wrong = [f"{truth} (wrong)" in line for truth, line in zip(expected, lines[1:], strict=False)]
    assert wrong == [row["correct"] == "no" for row in rows]


def test_a_truth_that_no_folder_tells_is_refused_before_anything_is_computed(
    net: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, error = printed(capsys, "predict", str(net), str(photos), "--truth", code=2)

    assert text == ""
    assert "no image lies in a folder that is named as a class of the network" in error
    assert "Its classes: ant, bee, cat." in error


def test_features_and_explanations_are_written(
    net: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern, out = str(photos / "**" / "*.png"), tmp_path / "f.npz"
    printed(capsys, "predict", str(net), pattern, "--features", str(out), "--explain", str(tmp_path / "why"))

    with np.load(out) as found:
        assert found["features"].shape == (5, 64)
        assert [Path(name).name for name in found["images"]] == ["0.png", "1.png", "0.png", "1.png", "2.png"]
        features = found["features"]
    overlays = sorted(path.name for path in (tmp_path / "why").glob("*.png"))
    assert overlays == [f"{i:05d}-{stem}.png" for i, stem in enumerate("01012")]
    with Image.open(tmp_path / "why" / overlays[0]) as picture:
        assert picture.size == (224, 224)
    page = (tmp_path / "why" / "index.html").read_text()
    assert page.count("<figure>") == 5 and page.count("data:image/png;base64,") == 10
    assert all(escaped(name) in page for name in map(str, photos.rglob("*.png")))
    printed(capsys, "predict", str(net), pattern, "--features", str(tmp_path / "f.csv"))
    rows = [*csv.reader((tmp_path / "f.csv").open())]
    assert np.array_equal(np.array([row[1:] for row in rows[1:]], np.float32), features)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jpg", "--top", "0"], "--top and --batch must be at least 1"),
        (["empty"], "a folder without images"),
        (["none-*.jpg"], "no file fits this pattern"),
        (["photo.jpg", "--features", "f.txt"], "ends in .npz or .csv"),
        (["photo.jpg", "--weights", "averaged"], "holds one set of weights"),
        (["photo.jpg", "--json", "--jsonl"], "--json and --jsonl both print"),
        (["photo.jpg", "--json", "--csv", "-"], "--json and --csv - both print"),
        (["photo.jpg", "--jsonl", "--csv", "-"], "--jsonl and --csv - both print"),
    ],
)
def test_bad_usage_is_told(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()

    _, error = printed(capsys, "predict", str(net), *arguments, code=2)

    assert message in error


def test_a_missing_image_is_told_like_a_broken_one(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, error = printed(capsys, "predict", str(net), "nowhere.jpg", code=3)

    assert text == ""
    assert "nowhere.jpg: cannot be read: No such file or directory" in error


def test_export_and_eval_of_an_onnx_file_work_like_the_folders(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same counts; the loss to 1e-5 of it."""
    pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
    pytest.importorskip("onnx", reason="the extra `export` is not installed")
    for part, count in (("train", 1), ("val", 4)):
        for label in ("ant", "bee", "cat"):
            write_pictures(tmp_path / "data" / part / label, count, (70, 80))
    scores = []
    for flag in ([], ["--uint8", "--force"]):
        out = str(tmp_path / "net.onnx")
        told = json.loads(printed(capsys, "export", str(net), "--to", "onnx", "-o", out, *flag, "--json")[0])
        assert told["path"] == out
        assert told["difference"] < 1e-5
        for model in (str(net), out):
            text, _ = printed(
                capsys, "eval", model, "--data", str(tmp_path / "data"), "--json", "--workers", "0"
            )
            scores.append(json.loads(text))
    assert (tmp_path / "net.onnx-eval").is_dir()
    folder, *others = scores
    assert folder["seen"] == 12
    for each in others:
        assert (each["correct"], each["seen"]) == (folder["correct"], folder["seen"])
        assert each["loss"] == pytest.approx(folder["loss"], rel=1e-5)
    _, error = printed(capsys, "eval", str(tmp_path / "net.onnx"), "--data", "digits", code=3)
    assert "digits has other classes than the network: 10 of its 10 are none of the network's 3 (0, " in error
    _, error = printed(capsys, "eval", str(tmp_path / "net.onnx"), code=2)
    assert "Name it with --data" in error


def test_small_images_of_another_size_are_resized_as_predict_does(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Images of one size up to 64 px are held in memory as they are, for networks of that size."""
    for part in ("train", "val"):
        for label in ("ant", "bee", "cat"):
            write_pictures(tmp_path / "data" / part / label, 4, (40, 40))

    text, _ = printed(
        capsys, "eval", str(net), "--data", str(tmp_path / "data"), "--json", "--workers", "0"
    )  # fmt: skip

    paths = sorted((tmp_path / "data" / "val").glob("*/*.png"))
    answers = Classifier.load(net).predict(paths, top_k=1)
    right = sum(each.class_name == path.parent.name for each, path in zip(answers, paths, strict=True))
    assert (json.loads(text)["correct"], json.loads(text)["seen"]) == (right, 12)


def test_a_model_folder_is_scored_from_within_and_where_nothing_can_be_written_beside_it(
    net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("train", "val"):
        for label in ("ant", "bee", "cat"):
            write_pictures(tmp_path / "data" / part / label, 1)
    shutil.copytree(net, tmp_path / "place" / "net")
    monkeypatch.chdir(tmp_path / "place" / "net")

    inside = evaluate(".", data=str(tmp_path / "data"), workers=0)

    assert Path(inside.out).parent == tmp_path / "place" / "net-eval"
    shutil.rmtree(tmp_path / "place" / "net-eval")
    (tmp_path / "place" / "net-eval").touch()  # in the place of a directory without the right to write
    monkeypatch.chdir(tmp_path)
    elsewhere = evaluate("place/net", data=str(tmp_path / "data"), workers=0)
    assert Path(elsewhere.out).parent == Path("net-eval")
    assert (tmp_path / elsewhere.out / "scores.json").is_file()
    assert "could not make the directory" in elsewhere.notes[-1]
    with pytest.raises(WriteError):
        evaluate("place/net", data=str(tmp_path / "data"), workers=0, out="place/net-eval")


def test_import_makes_a_folder_that_predicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], photos: Path
) -> None:
    torch.manual_seed(0)
    classes = tmp_path / "names.txt"
    classes.write_text("\ufeffant\nbee\ncat\n\n", encoding="utf-8")
    source = tmp_path / "net.safetensors"
    source.write_bytes(to_safetensors(small_artefact("resnet18", side=48, width=0.125).tensors))

    text, _ = printed(
        capsys, "import", str(source), "-o", str(tmp_path / "new"), "--classes", str(classes)
    )  # fmt: skip

    assert text.splitlines()[-1] == str(tmp_path / "new")
    assert "torchvision's and timm's ResNets" in text
    text, _ = printed(capsys, "predict", str(tmp_path / "new"), str(photos / "0.png"), "--json")
    answers = json.loads(text)["images"][0]["answers"]
    assert {each["class"] for each in answers} == {"ant", "bee", "cat"}
    _, error = printed(
        capsys, "import", str(source), "-o", str(tmp_path / "new"), "--classes", str(classes), code=2
    )  # fmt: skip
    assert "is there already" in error


def test_a_list_of_class_names_without_a_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("ant\n\ncat\n")
    with pytest.raises(DataError, match="line 2 is empty"):
        read_class_names(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="no text in UTF-8"):
        read_class_names(path)
    with pytest.raises(UsageError, match="No such file"):
        read_class_names(tmp_path / "nowhere.txt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_names_of_classes_may_come_through_a_pipe(tmp_path: Path) -> None:
    """As of --classes <(cut -f 2 table)."""
    os.mkfifo(tmp_path / "names")
    writer = threading.Thread(target=(tmp_path / "names").write_text, args=("ant\nbee\n",))
    writer.start()

    assert given_class_names(str(tmp_path / "names")) == ("ant", "bee")
    writer.join()


def test_names_of_classes_may_begin_as_homes_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("~names.txt").write_text("ant\nbee\n")

    assert given_class_names("~nobody,~names.txt") == ("~nobody", "~names.txt")
    assert given_class_names("./~names.txt") == read_class_names(Path("~names.txt")) == ("ant", "bee")


def test_what_is_ours_is_not_imported(net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An import would lose the class names and the preprocessing, which it has."""
    for place in (net, net / "model.safetensors"):
        _, err = printed(capsys, "import", str(place), code=2)
        assert "nothing to import" in err
