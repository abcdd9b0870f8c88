"""Logits of TensorFlow's networks, reproduced from the files that TensorFlow wrote.

`make test-parity` makes the files with TensorFlow in an environment of its own (generate.py) and
names their folder in RESNETLAB_PARITY. Both sides compute in float32, in other orders: 1e-4 of the
largest logit.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from resnetlab.data.images.decode import decode
from resnetlab.data.records.tfrecord import open_tfrecord
from resnetlab.models import ResNet
from resnetlab.trained.artefact import import_weights
from resnetlab.weights import load_weights

FOLDER = Path(os.environ.get("RESNETLAB_PARITY", ""))
pytestmark = pytest.mark.skipif("RESNETLAB_PARITY" not in os.environ, reason="`make test-parity` runs it")
TOLERANCE = 1e-4

# File, its logits, its naming, its network, the images' channels in the network's order.
CASES = [
    ("ResNet50.h5", "ResNet50", "keras-applications", "resnet50_v1", "BGR"),
    ("ResNet50.keras", "ResNet50", "keras-applications", "resnet50_v1", "BGR"),
    ("ResNet50_old_layout.h5", "ResNet50", "keras-applications", "resnet50_v1", "BGR"),
    ("ResNet50V2.h5", "ResNet50V2", "keras-applications-v2", "resnet50_v2", "RGB"),
    ("ResNet50V2.keras", "ResNet50V2", "keras-applications-v2", "resnet50_v2", "RGB"),
    ("ResNet50V2.weights.h5", "ResNet50V2", "keras-applications-v2", "resnet50_v2", "RGB"),
    ("official_50_v1", "official_50_v1", "tensorflow-official", "tfofficial_resnet50v1", "RGB"),
    ("official_50_v2", "official_50_v2", "tensorflow-official", "tfofficial_resnet50v2", "RGB"),
    ("official_18_v1", "official_18_v1", "tensorflow-official", "tfofficial_resnet18v1", "RGB"),
    (
        "official_cifar_20_v1",
        "official_cifar_20_v1",
        "tensorflow-official-cifar",
        "tfofficial_cifar_resnet20v1",
        "RGB",
    ),
    (
        "official_cifar_20_v2",
        "official_cifar_20_v2",
        "tensorflow-official-cifar",
        "tfofficial_cifar_resnet20v2",
        "RGB",
    ),
    ("chaoji_tf1_20", "chaoji_tf1_20", "chaoji-tf1", "chaoji_resnet20", "RGB"),
    ("chaoji_tf2_20-1", "chaoji_tf2_20", "chaoji-tf2", "chaoji_tf2_resnet20", "RGB"),
    ("research_20", "research_20", "tensorflow-research", "tfresearch_resnet20", "RGB"),
]

# The sizes that generate.py asked TensorFlow at, by the logits; 32 where none stands here.
SIZES = {
    "ResNet50": {224, 197},
    "ResNet50V2": {224, 197},
    "official_50_v1": {224, 197},
    "official_50_v2": {224, 197},
    "official_18_v1": {97},
}


def images(size: int) -> torch.Tensor:
    """generate.py's, which TensorFlow's networks saw; the same seed."""
    made = np.random.default_rng(1).normal(0, 1, (2, size, size, 3)).astype(np.float32)
    return torch.from_numpy(made).permute(0, 3, 1, 2)


@pytest.mark.parametrize(("file", "logits", "naming", "network", "order"), CASES, ids=[c[0] for c in CASES])
def test_logits_are_tensorflows(file: str, logits: str, naming: str, network: str, order: str) -> None:
    state, report = load_weights(None, FOLDER / file)
    model = ResNet(report.spec).eval()
    model.load_state_dict(state)

    assert (report.naming.name, report.spec.name) == (naming, network)
    compared = np.load(FOLDER / f"{logits}.npz")
    assert set(map(int, compared)) == SIZES.get(logits, {32})
    for size, expected in compared.items():
        pixels = images(int(size))
        with torch.no_grad():
            found = model(pixels.flip(1) if order == "BGR" else pixels).numpy()
        worst = float(np.abs(found - expected).max() / np.abs(expected).max())
        print(f"{file} at {size} px: {worst:.1e}")
        assert worst < TOLERANCE


@pytest.mark.parametrize("name", ["keras_resnet20v1", "keras_resnet20v2", "keras_resnet110v2"])
def test_the_models_that_keras_example_saves_answer_alike(name: str) -> None:
    artefact, report = import_weights(FOLDER / f"whole_{name}.h5")
    assert (report.naming.name, artefact.spec.name) == ("keras-example", name)

    expected = np.load(FOLDER / f"whole_{name}.npz")["arr_0"]
    with torch.no_grad():
        found = artefact.model()(images(32)).numpy()

    worst = float(np.abs(found - expected).max() / np.abs(expected).max())
    print(f"{name}, whole: {worst:.1e}")
    assert worst < TOLERANCE


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", ["rescaling", "normalization", "division", "preprocess_input"])
def test_what_a_keras_model_does_with_pixels_is_done(name: str, suffix: str) -> None:
    saved = np.load(FOLDER / f"pixels_{name}.npz")
    artefact, _ = import_weights(FOLDER / f"pixels_{name}{suffix}")

    images = artefact.preprocessing.normaliser(torch.from_numpy(saved["pixels"]))
    with torch.no_grad():
        found = artefact.model()(images.permute(0, 3, 1, 2)).numpy()

    assert np.abs(found - saved["logits"]).max() <= TOLERANCE * np.abs(saved["logits"]).max()


def test_records_that_tensorflow_wrote_are_read_and_ours_are_for_it() -> None:
    """The other half, TensorFlow reading ours, is load_records.py."""
    source = open_tfrecord(FOLDER / "records")
    expected = np.load(FOLDER / "records.npz")

    assert source.train.labels.tolist() == (expected["labels"] - 1).tolist()
    for index, pixels in enumerate(expected["pixels"]):
        found = decode(source.train.read(index), channels=3)
        assert np.abs(found.astype(int) - pixels).max() <= 3  # two decoders of JPEG
        assert np.allclose(source.train.read(index).boxes, [expected["boxes"][index]])
