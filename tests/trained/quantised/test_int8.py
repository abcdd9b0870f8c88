"""Exports in int8: small files that answer as the network does, calibrated on training images."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resnetlab
from resnetlab.data.sources.choices import Choices
from resnetlab.data.sources.source import Split
from resnetlab.errors import DataError, ResnetlabError, UsageError
from resnetlab.trained.artefact import Artefact, load_artefact, write_folder
from resnetlab.trained.quantised.calibration import choose_images
from resnetlab.trained.quantised.verdict import Verdict, judge
from resnetlab.trained.scored_network import load_network
from tests.kit.artefacts import small_artefact
from tests.kit.commands import Done, run
from tests.kit.pictures import write_pictures

onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")


def facts_of(path: Path) -> dict[str, Any]:
    texts = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    found: dict[str, Any] = json.loads(texts["facts"])
    return found


def test_the_command_writes_whole_numbers_that_score_like_the_network(
    digits: Path, small: tuple[Path, Done], tmp_path: Path
) -> None:
    file, done = small

    graph = onnx.load(file).graph
    kinds = {each.name: each.data_type for each in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    products = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
    assert len(products) == 8
    for node in products:  # images and weights come out of whole numbers
        assert [makers[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
        assert kinds[makers[node.input[1]].input[0]] == onnx.TensorProto.INT8
    exact = tmp_path / "exact.onnx"
    run("export", str(digits), "--to", "onnx", "-o", str(exact))
    assert file.stat().st_size < 0.5 * exact.stat().st_size
    line = next(line for line in done.stdout.splitlines() if line.startswith("int8: "))
    assert " on 1,138 images, " in line  # of 1,438 training images 100 are held out, 200 calibrate
    assert line.endswith(" times as fast here")
    assert "calibrated on 200 images of digits (train)" in done.stdout

    scored = run(
        "eval", str(file), "-o", str(tmp_path / "small"), "--data", "digits", "--json", "--insights", "0"
    )
    own = run("eval", str(digits), "--json", "--insights", "0", "-o", str(tmp_path / "eval"))
    assert "int8, calibrated on 200 images of digits" in scored.stderr
    whole, fp32 = json.loads(scored.stdout), json.loads(own.stdout)
    assert fp32["correct"] > 300
    assert (
        abs(whole["correct"] - fp32["correct"]) <= 7
    )  # of 359: some 7 answers change, most of doubtful ones
    assert whole["weights"] == f"{fp32['weights']} in int8"


def test_the_file_says_what_it_is_and_is_the_same_file_each_time(
    digits: Path, small: tuple[Path, Done], tmp_path: Path
) -> None:
    told = resnetlab.export_int8(digits, tmp_path / "again.onnx", calibration_images=200).more["int8"]

    assert (tmp_path / "again.onnx").read_bytes() == small[0].read_bytes()
    facts = facts_of(small[0])
    own = load_artefact(digits).facts
    assert facts["int8"]["fingerprint"] == own["fingerprint"]
    assert (facts["int8"]["images"], facts["int8"]["method"]) == (200, "min-max")
    assert facts["int8"]["fp32"] == {name: own[name] for name in ("accuracy", "correct", "seen", "loss")}
    assert "accuracy" not in facts  # which is not this file's
    assert isinstance(told, dict)
    assert told["correct"] == facts["int8"]["correct"]


def test_pixels_go_in_and_probabilities_come_out(digits: Path, tmp_path: Path) -> None:
    done = resnetlab.export_int8(digits, tmp_path / "app.onnx", calibration_images=100, takes_pixels=True)

    classifier = resnetlab.Classifier.load(tmp_path / "app.onnx")
    test = resnetlab.open_source("digits").test
    answers = classifier.logits(list(test.images[:200])).exp()
    assert answers.sum(1).numpy() == pytest.approx(np.ones(200), abs=1e-5)
    exact = resnetlab.Classifier.load(digits, device="cpu").logits(list(test.images[:200])).softmax(1)
    assert float((answers - exact).abs().mean()) < 0.01
    assert done.difference < 1e-4


def test_images_of_every_size_are_taken_where_that_is_asked_for(tmp_path: Path) -> None:
    write_folder(small_artefact(), tmp_path / "net")
    for name in ("ant", "bee", "cat"):
        write_pictures(tmp_path / "data" / name, 6, (40, 40))

    done = resnetlab.export_int8(
        tmp_path / "net", tmp_path / "net.onnx", calibrate=tmp_path / "data", calibration_images=5, size="any"
    )

    assert isinstance(done.more["int8"], dict)
    assert done.more["int8"]["compared_on"] == 13
    shape = onnx.load(tmp_path / "net.onnx").graph.input[0].type.tensor_type.shape.dim
    assert [side.dim_param for side in shape] == ["batch", "", "height", "width"]


def as_bytes(split: Any) -> list[bytes]:
    assert isinstance(split, Split)
    return [image.tobytes() for image in split.images]


def test_training_images_calibrate_and_others_of_them_are_compared_on(digits: Path) -> None:
    """None is a test image, none was held out, none does both."""
    trained, source = load_network(str(digits), "auto", "cpu"), resnetlab.open_source("digits")

    chosen = choose_images(trained, None, Choices.of(None), 300)

    calibrating, comparing = as_bytes(chosen.calibrating), as_bytes(chosen.comparing)
    held_out = np.asarray(trained.record["val_indices"] if trained.record else [])
    allowed = set(as_bytes(source.train.take(np.setdiff1d(np.arange(len(source.train)), held_out))))
    assert (len(calibrating), len(comparing)) == (300, len(source.train) - 100 - 300)
    assert {*calibrating, *comparing} <= allowed
    labels = np.concatenate([chosen.calibrating.labels, chosen.comparing.labels])
    assert len(labels) == len(source.train) - 100
    assert len(np.unique(chosen.calibrating.labels[:60])) == 10  # in no order of the data's
    named = choose_images(trained, "digits", Choices.of(None), 300)
    assert as_bytes(named.calibrating) == calibrating


def test_half_of_few_images_calibrate(digits: Path) -> None:
    trained = load_network(str(digits), "auto", "cpu")

    chosen = choose_images(trained, None, Choices.of(None), 5000)

    assert (len(chosen.calibrating), len(chosen.comparing)) == (669, 669)
    assert any("669 of them calibrate, not 5,000" in note for note in chosen.notes)


def test_images_of_other_classes_calibrate_and_the_answers_are_compared(digits: Path, tmp_path: Path) -> None:
    for name in ("ant", "bee"):
        write_pictures(tmp_path / "data" / name, 8, (32, 32))

    done = run(
        "export", str(digits), "--to", "onnx", "--int8", "--calibrate", str(tmp_path / "data"),
        "-o", str(tmp_path / "net.onnx"),
    )  # fmt: skip

    assert "of the answers to 8 images are fp32's" in done.stdout
    assert "correct" not in facts_of(tmp_path / "net.onnx")["int8"]


def with_one_loud_channel(artefact: Artefact) -> Artefact:
    """The same network: after BN a channel is 2**16 times as large, and what reads it so much smaller."""
    tensors = {name: tensor.clone() for name, tensor in artefact.tensors.items()}
    for unit in ("layer1.0", "layer2.0", "layer3.0"):
        tensors[f"{unit}.bn1.weight"][0] *= 2**16
        tensors[f"{unit}.bn1.bias"][0] *= 2**16
        tensors[f"{unit}.conv2.weight"][:, 0] *= 2.0**-16
    return dataclasses.replace(artefact, tensors=tensors)


def test_a_network_that_int8_cannot_hold_is_refused(digits: Path, tmp_path: Path) -> None:
    write_folder(with_one_loud_channel(load_artefact(digits)), tmp_path / "loud")

    with pytest.raises(ResnetlabError, match=r"right answers of 826 are lost in int8 .*nothing was written"):
        resnetlab.export_int8(tmp_path / "loud", tmp_path / "loud.onnx", calibrate="digits")

    assert not (tmp_path / "loud.onnx").exists()


def verdict(**changes: Any) -> Verdict:
    kept = Verdict(
        seen=1000, same=990, answers=10, correct=917, correct_fp32=920, size=278_000, size_fp32=1_090_000,
        times_as_fast=2.34,
    )  # fmt: skip
    return dataclasses.replace(kept, **changes)


def test_what_is_lost_is_told_warned_of_and_refused() -> None:
    (line,) = judge(verdict())
    assert (
        line == "int8: 92.0 % -> 91.7 % on 1,000 images, 271.5 KiB (1.0 MiB in fp32), 2.3 times as fast here"
    )
    (_, warning) = judge(verdict(correct=909))
    assert "warning: 11 right answers of 1,000 are lost in int8" in warning
    with pytest.raises(ResnetlabError, match="51 right answers of 1,000 are lost"):
        judge(verdict(correct=869))
    unknown = {"correct": None, "correct_fp32": None}
    (line,) = judge(verdict(**unknown))
    assert line.startswith("int8: 99.0 % of the answers to 1,000 images are fp32's, ")
    assert "warning: 51 answers of 1,000" in judge(verdict(same=949, **unknown))[1]
    with pytest.raises(ResnetlabError, match="201 answers of 1,000"):
        judge(verdict(same=799, **unknown))
    assert len(judge(verdict(seen=10, same=7, correct=5, correct_fp32=8))) == 1  # 3 images are chance
    assert "all 1,000 images get the same answer" in judge(verdict(answers=1))[1]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--to", "folder", "--int8"], 2, "int8 is written as onnx alone, not as folder"),
        (
            ["--to", "onnx", "--int8", "--unfolded"],
            2,
            "--unfolded: int8 is for convolutions that hold their BN",
        ),
        (["--to", "onnx", "--calibrate", "digits"], 2, "--calibrate: only with int8"),
        (["--to", "onnx", "--calibration-images", "5"], 2, "--calibration-images: only with int8"),
        (["--to", "onnx", "--data-set", "label_column=x"], 2, "--data-set: only with int8"),
        (["--to", "onnx", "--int8", "--calibration-images", "0"], 2, "0 calibration images: at least one"),
        (["--to", "onnx", "--int8", "--calibrate", "nowhere"], 2, "no such path: nowhere"),
    ],
)
def test_what_does_not_go_together_is_refused(
    digits: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    done = run("export", str(digits), *arguments, code=code, cwd=tmp_path)

    assert message in done.stderr
    assert not [*tmp_path.iterdir()]


def test_a_network_without_data_of_its_own_needs_images(tmp_path: Path) -> None:
    write_folder(small_artefact(), tmp_path / "net")
    with pytest.raises(UsageError, match=r"int8 is calibrated on images\nName .*--calibrate DATA"):
        resnetlab.export_int8(tmp_path / "net", tmp_path / "net.onnx")

    write_pictures(tmp_path / "data" / "ant", 1)
    with pytest.raises(DataError, match=r"1 .* images: int8 is calibrated on some, compared"):
        resnetlab.export_int8(tmp_path / "net", tmp_path / "net.onnx", calibrate=tmp_path / "data")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        resnetlab.export_int8(tmp_path / "net", tmp_path / "net.onnx", calibrate=tmp_path / "empty")


def test_without_onnxruntime_the_error_says_how_to_get_it(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)

    with pytest.raises(
        UsageError, match=r'^int8 needs the package onnxruntime, .*\n.*pip install "resnetlab\[export\]"'
    ):
        resnetlab.export_int8(digits, tmp_path / "net.onnx")


def test_an_onnx_file_is_no_network_for_this(tmp_path: Path) -> None:
    resnetlab.export_model(small_artefact(), "onnx", tmp_path / "net.onnx")

    with pytest.raises(UsageError, match="an ONNX file holds a finished graph"):
        resnetlab.export_int8(tmp_path / "net.onnx", tmp_path / "small.onnx")
