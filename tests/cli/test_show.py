"""`resnetlab show`: tables, differences, and what it refuses."""

import json
import math
from pathlib import Path

import pytest

from resnetlab.base.plaindata import to_plain
from resnetlab.base.wire import encode_field, encode_varint
from resnetlab.cli import main
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.runs.directory import RunDirectory

Capture = pytest.CaptureFixture[str]


def show(capsys: Capture, *arguments: str) -> str:
    assert main(["show", *arguments]) == 0
    return capsys.readouterr().out


def made_run(path: Path, spec: ModelSpec, lr: float) -> str:
    """Write what `show` reads of a run; nothing was trained."""
    run = RunDirectory(path)
    run.write("recipe", to_plain(override(named_recipe("quick", spec.depth), {"lr": lr})))
    run.write("spec", spec.to_json())
    said = {"name": "digits", "source": "digits", "fingerprint": "0123456789abcdef", "val_indices": []}
    run.write("data", said | {"class_names": ["a", "b"], "image_shape": [32, 32, 3], "preprocessing": {}})
    return str(path)


def test_a_model_is_shown_with_its_layers(capsys: Capture) -> None:
    text = show(capsys, "resnet20")

    assert text.startswith(model_spec("resnet20").summary() + "\n")
    assert text.splitlines()[-1].split() == [
        "knobs",
        "--set",
        "NAME=VALUE;",
        "resnetlab",
        "show",
        "resnet20",
        "--json",
        "has",
        "the",
        "names",
    ]
    assert text.startswith(f"{model_spec('resnet20')}\n")
    assert "layer2.1-2  x 2" in text
    assert "layer2.1-2  x 2" not in show(capsys, "resnet20", "--full")


def test_flags_and_knobs_reach_the_table(capsys: Capture) -> None:
    spec = model_spec("resnet20").with_(shortcut="B")
    text = show(capsys, "resnet20", "--set", "shortcut=B", "--input-size", "24x40", "--batch", "5")

    assert text.startswith(spec.summary(height=24, width=40, batch=5) + "\n")
    markdown = show(capsys, "resnet20", "--markdown", "--full")
    assert markdown.rstrip("\n") == model_spec("resnet20").summary(markdown=True, full=True)
    assert "HxWxC" in show(capsys, "resnet20", "--layout", "NHWC")


def test_json_holds_the_rows_beside_the_specification(capsys: Capture) -> None:
    content = json.loads(show(capsys, "resnet50", "--json", "--input-size", "64", "--layout", "NHWC"))
    full = json.loads(show(capsys, "resnet50", "--json", "--full"))

    spec = model_spec("resnet50")
    assert spec.to_json().items() <= content.items()
    assert content["multiply_adds"] == spec.num_multiply_adds(64, 64)
    assert sum(row["count"] * row["multiply_adds"] for row in content["layers"]) == content["multiply_adds"]
    assert sum(row["count"] * row["parameters"] for row in content["layers"]) == content["parameters"]
    assert (content["input"], content["batch"], content["layers"][0]["output"]) == (
        [64, 64, 3],
        128,
        [32, 32, 64],
    )
    assert [row["path"] for row in full["layers"]] == [row.path for row in spec.shapes()]


def test_two_models_are_told_apart_in_words_and_as_pairs(capsys: Capture) -> None:
    text = show(capsys, "resnet50_v1", "resnet50", "--set", "classes=10")
    pairs = json.loads(show(capsys, "resnet50_v1", "resnet50", "--json"))

    assert text.startswith("resnet50 differs from resnet50_v1:")
    assert "the stride sits on the 3x3 instead of the first 1x1" in text
    assert "classes " not in text
    assert pairs["stride_on"] == ["first", "3x3"]
    assert pairs["multiply_adds"] == [3_857_973_248, 4_089_184_256]
    assert show(capsys, "resnet20", "resnet20") == "no difference\n"
    assert json.loads(show(capsys, "resnet20", "resnet20", "--json")) == {}


def test_two_recipes_are_told_apart(capsys: Capture) -> None:
    text = show(capsys, "he2015", "he2016")
    values = json.loads(show(capsys, "he2015", "keras", "--json"))

    assert "0st -> 400st" in text
    assert "Length of the warm-up." in text
    assert values["batch"] == [128, 32]
    assert values["milestones"][0] == ["32000st", "48000st"]
    assert show(capsys, "he2015", "he2016", "--model", "resnet110") == "no difference\n"


def test_runs_are_compared_with_runs_models_and_recipes(tmp_path: Path, capsys: Capture) -> None:
    spec = model_spec("resnet20")
    first = made_run(tmp_path / "one", spec, lr=0.1)
    second = made_run(tmp_path / "two", spec.with_(shortcut="B"), lr=0.3)

    both = show(capsys, first, second)
    assert both.startswith(f"network\n{second} differs from {first}:")
    assert "shortcut" in both.partition("\n\nrecipe\n")[0]
    assert "0.1 -> 0.3" in both.partition("\n\nrecipe\n")[2]
    pairs = json.loads(show(capsys, first, second, "--json"))
    assert (pairs["shortcut"], pairs["lr"]) == (["A", "B"], [0.1, 0.3])
    assert show(capsys, first, "resnet20") == "no difference\n"
    assert "shortcut" in show(capsys, "resnet20", second)
    assert "-> 0.3" in show(capsys, "quick", second)


def test_a_run_is_shown_as_such_or_as_its_networks_table(tmp_path: Path, capsys: Capture) -> None:
    run = made_run(tmp_path / "run", model_spec("resnet20").with_(classes=7), lr=0.1)

    text = show(capsys, run)
    assert "resnet20 classes=7 on digits: killed" in text
    assert "fingerprint 0123456789ab" in text
    full = show(capsys, run, "--full")
    assert "this run" in full and "fingerprint 0123456789ab" in full
    assert len(full.splitlines()) > 100 > 30 > len(text.splitlines())
    table = show(capsys, run, "--full", "--batch", "8")
    assert "fingerprint" not in table
    assert "layer3.2" in table


WRONG = [
    (["resnet20", "he2015"], "he2015 is a recipe and resnet20 a model"),
    (["he2015", "resnte20"], "no model, recipe, reproduction or run is called 'resnte20'"),
    (["resnet20", "resent56"], "Did you mean resnet56"),
    (["resnet20", "resnet32", "resnet44"], "3 names: resnet20, resnet32, resnet44"),
    (["he2015", "--full"], "--full: for the layer table of one model only; he2015 is a recipe"),
    (
        ["resnet20", "resnet32", "--markdown", "--batch", "3"],
        "--markdown, --batch: for the layer table of one",
    ),
    (["resnet20", "--input-size", "32by32"], "--input-size 32by32: no size of images"),
    (["resnet20", "--input-size", "0"], "--input-size 0: no size of images"),
    (["chaoji_resnet20", "--input-size", "33"], "for images of 33x33 px the branch makes maps of 17x17 px"),
    (["chaoji_resnet20", "--input-size", "33", "--json"], "take sizes that every stride divides"),
    (["resnet20", "--batch", "0"], "batch must be at least 1, got 0"),
    (["resnet20", "--batch", "0", "--json"], "batch must be at least 1, got 0"),
    (["resnet20", "--json", "--markdown"], "--json and --markdown exclude each other"),
    (["resnet20", "resnet32", "--set", "lr=1"], "lr belongs to a recipe"),
    (["he2015", "he2016", "--set", "classes=3"], "classes belongs to a model"),
    (["resnet20", "--model", "resnet32"], "--model goes with a recipe"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), WRONG, ids=lambda v: " ".join(v) if isinstance(v, list) else ""
)
def test_bad_input_is_answered_with_what_is_wrong(
    arguments: list[str], message: str, capsys: Capture
) -> None:
    assert main(["show", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_run_takes_no_knobs(tmp_path: Path, capsys: Capture) -> None:
    run = made_run(tmp_path / "run", model_spec("resnet20"), lr=0.1)

    for names in ([run], [run, "resnet20"], ["quick", run]):
        assert main(["show", *names, "--set", "classes=3"]) == 2
        assert "do not go with a run" in capsys.readouterr().err


def test_an_onnx_file_of_ours_tells_which_network_it_is(capsys: Capture, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")
    pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
    from resnetlab.trained.export.exporting import export_model
    from tests.kit.artefacts import small_artefact

    path = tmp_path / "net.onnx"
    export_model(small_artefact(), "onnx", path)

    lines = [line.split(None, 1) for line in show(capsys, str(path)).splitlines() if line.startswith("  ")]
    told = {title: text for title, text in lines if title in ("accuracy", "graph", "operations")}
    assert told["accuracy"] == "75.00 % of the test set (3 of 4)"
    assert told["graph"] == "images float32 (batch, 3, 32, 32) -> logits float32 (batch, 3)"
    graph = onnx.load(path).graph  # by another reader
    assert told["operations"].startswith(f"{len(graph.node)}: 7 Conv, ")
    found = json.loads(show(capsys, str(path), "--json"))
    assert found["is_ours"] and found["facts"]["correct"] == 3
    assert ModelSpec.from_json(found["model"]) == small_artefact().spec
    assert found["num_weights"] == sum(math.prod(each.dims) for each in graph.initializer)


def test_an_onnx_file_of_others_tells_its_graph_and_a_damaged_one_is_refused(
    capsys: Capture, tmp_path: Path
) -> None:
    """Sizes of constants lie one by one or packed; inputs that are constants too are none."""

    def value(name: bytes, *sizes: bytes) -> bytes:
        shape = b"".join(encode_field(1, size) for size in sizes)
        tensor = encode_field(1, encode_field(1, 1) + encode_field(2, shape))
        return encode_field(1, name) + encode_field(2, tensor)

    constants = [
        encode_field(8, b"w") + encode_field(1, 300) + encode_field(1, 2),
        encode_field(8, b"v") + encode_field(1, encode_varint(300) + encode_varint(3)),
    ]
    graph = b"".join(
        [encode_field(1, encode_field(4, b"Conv"))] * 2
        + [encode_field(5, each) for each in constants]
        + [
            encode_field(11, value(b"x", encode_field(2, b"n"), encode_field(1, 3))),
            encode_field(11, value(b"w")),
        ]
        + [encode_field(12, encode_field(1, b"y"))]
    )
    texts = encode_field(14, encode_field(1, b"task") + encode_field(2, b"detect"))
    content = (
        encode_field(2, b"other") + encode_field(7, graph) + encode_field(8, encode_field(2, 12)) + texts
    )
    path = tmp_path / "net.ONNX"
    path.write_bytes(content)

    text = show(capsys, str(path))
    assert "another program has made" in text and "is not run here" in text
    assert [line.split() for line in text.splitlines()[1:6]] == [
        ["task", "detect"],
        ["graph", "x", "float32", "(n,", "3)", "->", "y"],
        ["operations", "2:", "2", "Conv"],
        ["numbers", "1,500", "in", f"{len(content)}", "B"],
        ["made", "by", "other,", "opset", "12"],
    ]
    for damaged in (content[:-3], b"hello\n", b""):
        path.write_bytes(damaged)
        assert main(["show", str(path)]) == 5
        assert "not a whole ONNX file" in capsys.readouterr().err
    for arguments in (["--full"], ["--set", "lr=1"], ["resnet20"]):
        assert main(["show", str(path), *arguments]) == 2
