"""The description of a network in a file that somebody may have edited: what does not fit is told."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from resnetlab.data.batches.normalise import Normaliser
from resnetlab.data.batches.preprocessing import Geometry, Preprocessing
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.trained.artefact.class_names import distinct_names
from resnetlab.trained.artefact.model import fit_geometry, from_texts
from resnetlab.trained.predict import Classifier
from tests.kit.artefacts import small_artefact
from tests.kit.pictures import pixels
from tests.kit.small_runs import CPU

TEXTS = small_artefact().to_texts()
PREPROCESSING = json.loads(TEXTS["preprocessing"])


def with_preprocessing(**changes: object) -> dict[str, str]:
    return {"preprocessing": json.dumps(PREPROCESSING | changes)}


def test_the_unchanged_description_is_read() -> None:
    assert from_texts(TEXTS, "here").to_texts() == TEXTS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_names": '["a", "b"]'}, "2 class names, but the network has 3"),
        ({"class_names": '["a", "b", "c", "d"]'}, "4 class names, but the network has 3"),
        ({"class_names": '"abc"'}, "class_names is no list"),
        ({"class_names": '["a", "a", "b"]'}, "class names occur twice: a"),
        ({"class_names": '["a", 1, "b"]'}, "a class name is no text or empty"),
        ({"class_names": '["a", "", "b"]'}, "a class name is no text or empty"),
        ({"class_names": '["a", ["b"], "c"]'}, "a class name is no text or empty"),
        ({"image_shape": "[16, 16, 3]"}, r"takes images of \(16, 16, 3\), its preprocessing makes .*32"),
        ({"image_shape": "[32, 32, 1]"}, "images of 1 channels, but the network takes 3"),
        ({"image_shape": "[32.5, 32.5, 3]"}, "image_shape .* is no"),
        ({"image_shape": "[-32, 32, 3]"}, "image_shape .* is no"),
        ({"image_shape": '["32", 32, 3]'}, "image_shape .* is no"),
        ({"image_shape": "32"}, "TypeError"),
        ({"facts": "[]"}, "its facts are a list"),
        ({"facts": '{"step": "7"}'}, "step '7' is no count"),
        ({"facts": '{"accuracy": "good", "correct": 1, "seen": 2}'}, "accuracy 'good' is no number"),
        ({"facts": '{"accuracy": 0.5}'}, "an accuracy without the counts"),
        ({"spec": "[]"}, "missing blocks"),
        ({"preprocessing": "[]"}, "TypeError"),
        ({"preprocessing": "[" * 100_000}, "RecursionError"),
        (with_preprocessing(pixel_range=0), "pixel_range=0"),
        (with_preprocessing(pixel_range="1"), "pixel_range='1'"),
        (with_preprocessing(normalise="foo"), "normalise='foo'"),
        (with_preprocessing(interpolation="foo"), "interpolation='foo'"),
        (with_preprocessing(image_size=32.5), "image_size=32.5"),
        (with_preprocessing(resize="3"), "resize='3'"),
        (with_preprocessing(resize=-1), "resize=-1"),
        (with_preprocessing(resize=0), "resize=0 is below image_size=32"),
        (with_preprocessing(draft="yes"), "draft='yes'"),
        (with_preprocessing(channels=2), "channels=2"),
        (with_preprocessing(mean=["a", "b", "c"]), "mean is"),
        (with_preprocessing(mean=[[0.5], [0.5, 0.5]]), "ValueError"),
        (with_preprocessing(mean=[0.5] * 5), r"normalisation does not fit images of \(32, 32, 3\)"),
        (with_preprocessing(std=[0.5, 0.5, 0]), "std has 0.0"),
    ],
)  # fmt: skip
def test_a_damaged_description_is_told(change: dict[str, str], message: str) -> None:
    with pytest.raises(CheckpointError, match=rf"here: its description is damaged \(.*{message}"):
        from_texts(TEXTS | change, "here")


def test_all_ways_to_a_description_are_checked() -> None:
    artefact = small_artefact()

    with pytest.raises(UsageError, match=r"2 class names.*; the network takes images of \(8, 8, 3\)"):
        replace(artefact, class_names=("a", "b"), image_shape=(8, 8, 3))


@pytest.mark.parametrize("shape", [(24, 32, 1), (24, 24, 1), (24, 32, 3)])
def test_a_preprocessing_of_pixels_in_memory_learns_the_channels(shape: tuple[int, int, int]) -> None:
    """Whether the images are square or not."""
    fitted = fit_geometry(Preprocessing(Normaliser("per-image", 255)), shape)

    assert fitted.channels == shape[2]
    assert fitted.geometry == (Geometry(24, 24) if shape[0] == shape[1] else Geometry(0, 0))


def test_names_that_occur_twice_get_their_number() -> None:
    assert distinct_names(("crane", "ant", "crane")) == (("crane (0)", "ant", "crane (2)"), ["crane"])
    assert distinct_names(("a", "b")) == (("a", "b"), [])
    assert distinct_names(("a", "a", "a (0)")) == (("a (0) (0)", "a (1)", "a (0)"), ["a"])


def test_a_network_that_gives_nan_has_no_answer() -> None:
    artefact = small_artefact()
    tensors = {key: tensor.clone() for key, tensor in artefact.tensors.items()}
    tensors["fc.bias"][1] = torch.nan
    broken = replace(artefact, tensors=tensors)
    classifier = Classifier(broken.model(), broken, broken.preprocessing, CPU)

    for ask in (classifier.predict, classifier.features, classifier.explain):
        with pytest.raises(CheckpointError, match="made here: answers with infinite numbers or NaN"):
            ask(pixels(0))
    with pytest.raises(CheckpointError):
        classifier.refuse_non_finite(np.inf)
