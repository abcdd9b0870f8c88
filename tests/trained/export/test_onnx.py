"""ONNX files: the graph is the network, the description is inside, and they work like a run."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from resnetlab.errors import CheckpointError, ResnetlabError, UsageError
from resnetlab.trained.artefact import Artefact
from resnetlab.trained.artefact.onnx_model import load_onnx
from resnetlab.trained.export.exporting import export_model
from tests.kit.artefacts import normaliser, small_artefact

onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")
pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")

# Each with a layer, a padding or an order that the others have not; the sizes are odd where they may be.
NETWORKS = [
    ("resnet8", 31, {}),
    ("preresnet20", 32, {"act_slope": 0.1}),
    ("resnet18", 65, {"width": 0.125}),
    ("resnet50_v1", 64, {"width": 0.125, "in_channels": 1}),
    ("resnet50_v2", 65, {"width": 0.125, "max_pool": "zeros", "conv_bias": True}),
    ("plain20", 32, {}),
    ("tfofficial_resnet18v2", 63, {"width": 0.125}),
    ("chaoji_resnet20", 32, {}),
    ("chaoji_tf2_resnet20", 33, {}),
]  # fmt: skip


def run(path: Path, images: torch.Tensor) -> np.ndarray:
    """What onnxruntime makes of a file, without anything of ours."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"images": images.numpy()})
    return np.asarray(result)


def images_for(artefact: Artefact, batch: int) -> torch.Tensor:
    height, width, channels = artefact.image_shape
    return torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(("name", "side", "knobs"), NETWORKS, ids=[case[0] for case in NETWORKS])
def test_the_graph_gives_the_networks_logits(
    tmp_path: Path, name: str, side: int, knobs: dict[str, object]
) -> None:
    """For a batch that it was not compared at; float32 sums in another order: 1e-5 of the largest."""
    artefact = small_artefact(name, side=side, **knobs)

    done = export_model(artefact, "onnx", tmp_path / "net.onnx")

    images = images_for(artefact, 3)
    with torch.no_grad():
        expected = artefact.model()(images).numpy()
    found = run(tmp_path / "net.onnx", images)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert done.difference < 1e-5


@pytest.mark.parametrize("kind", ["channel", "per-image", "per-pixel-mean", "none"])
def test_the_pixel_graph_holds_normalisation_and_softmax(tmp_path: Path, kind: str) -> None:
    artefact = small_artefact(kind=kind)
    images = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8))
    images[1] = 77  # a constant image: its standard deviation is 0

    export_model(artefact, "onnx", tmp_path / "net.onnx", takes_pixels=True)

    with torch.no_grad():
        logits = artefact.model()(normaliser(kind)(images).permute(0, 3, 1, 2))
    expected = logits.double().softmax(1).numpy()
    assert run(tmp_path / "net.onnx", images) == pytest.approx(expected, abs=1e-5)


def test_names_classes_and_preprocessing_are_inside(tmp_path: Path) -> None:
    artefact = small_artefact()
    export_model(artefact, "onnx", tmp_path / "net.onnx", folds=False)

    model = onnx.load(tmp_path / "net.onnx")
    texts = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(texts["class_names"]) == ["ant", "bee", "cat"]
    assert json.loads(texts["preprocessing"])["resize"] == 36
    names = {each.name for each in model.graph.initializer}
    weights = {key for key in artefact.tensors if not key.endswith("num_batches_tracked")}
    assert weights <= names
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


@pytest.mark.parametrize(("name", "kept", "folded"), [("resnet8", 0, 7), ("preresnet20", 10, 9)])
def test_bn_after_a_convolution_lies_in_it(tmp_path: Path, name: str, kept: int, folded: int) -> None:
    """preresnet20: of two BNs in each of 9 units one follows a convolution, the last one of all does not."""
    export_model(small_artefact(name), "onnx", tmp_path / "net.onnx")

    graph = onnx.load(tmp_path / "net.onnx").graph
    operators = [node.op_type for node in graph.node]
    assert operators.count("BatchNormalization") == kept
    assert sum(len(node.input) == 3 for node in graph.node if node.op_type == "Conv") == folded


def test_the_graph_computes_with_as_many_threads_as_torch(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    export_model(small_artefact("resnet8"), "onnx", tmp_path / "net.onnx")
    found = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        graph = load_onnx(tmp_path / "net.onnx")
    finally:
        torch.set_num_threads(found)

    assert graph._session.get_session_options().intra_op_num_threads == 3


def test_a_network_that_gives_nan_leaves_no_file(tmp_path: Path) -> None:
    artefact = small_artefact()
    artefact.tensors["fc.bias"][0] = torch.nan

    with pytest.raises(ResnetlabError, match="infinite numbers or NaN"):
        export_model(artefact, "onnx", tmp_path / "net.onnx")

    assert not (tmp_path / "net.onnx").exists()


def test_without_the_package_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)

    with pytest.raises(UsageError, match=r'pip install "resnetlab\[export\]"'):
        export_model(small_artefact(), "onnx", tmp_path / "net.onnx")


def damaged(path: Path, how: str) -> None:
    if how == "short":
        path.write_bytes(path.read_bytes()[:3000])
        return
    model = onnx.load(path)
    if how == "another program's":
        del model.metadata_props[:]
    else:  # the description of another network
        texts = small_artefact(names=("a", "b")).to_texts()
        for entry in model.metadata_props:
            entry.value = texts[entry.key]
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("short", CheckpointError, "not a whole ONNX file"),
        ("another program's", UsageError, "another program has made it\nONNX files of others are not read"),
        ("another network's", CheckpointError, r"to \[3\], its description says .* to \[2\]"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, how: str, kind: type[ResnetlabError], message: str) -> None:
    from resnetlab.trained.artefact.onnx_model import load_onnx

    export_model(small_artefact(), "onnx", tmp_path / "net.onnx")
    damaged(tmp_path / "net.onnx", how)

    with pytest.raises(kind, match=message):
        load_onnx(tmp_path / "net.onnx")


def test_a_size_that_the_strides_do_not_allow_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="for images of 33x33 px"):
        export_model(small_artefact("chaoji_resnet20", side=33), "onnx", tmp_path / "net.onnx")
