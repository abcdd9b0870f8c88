"""The picture of a confusion matrix, read as matplotlib would draw it."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resnetlab.evaluation.metrics import Scores
from resnetlab.evaluation.results import Evaluation
from resnetlab.reporting.pictures.confusion import (
    _DPI,
    _LEAST,
    _colors,
    _Sheet,
    confusion_picture,
    draw_confusion,
)


def texts_of(counts: np.ndarray, names: list[str], answers: list[str] | None = None) -> dict[str, float]:
    """The texts on the picture and the points of their letters."""
    figure = _Sheet(counts, names, answers or names, "resnet20 on cifar10, test", "about").figure()
    return {text.get_text(): text.get_fontsize() for text in figure.texts}


@pytest.mark.parametrize("count", [2, 10, 30, 100])
def test_names_and_counts_can_be_read_up_to_100_classes(count: int) -> None:
    counts = np.diag(np.arange(101, 101 + count)) + 7 * np.eye(count, k=1, dtype=int)
    names = [f"class number {index}" for index in range(count)]
    found = texts_of(counts, names)

    assert {*names, "7", *(f"{n}" for n in counts.diagonal())} <= found.keys()
    assert min(found.values()) >= _LEAST
    assert _LEAST * _DPI / 72 >= 10, "pixels"
    assert "94 %" in found  # of the first class, 101 of 108
    assert "class number 0 taken for class number 1: 7 of 108 (6 %)" in found


@pytest.mark.parametrize("names", [["a", "b"], ["a class with a long name of its own", "b"]])
def test_nothing_is_cut_off_where_classes_are_few(names: list[str]) -> None:
    figure = _Sheet(np.array([[1, 0], [0, 1]]), names, names, "", "").figure()
    ends = [text.get_window_extent().x1 for text in figure.texts]
    assert max(ends) < figure.bbox.width


def test_of_more_classes_the_numbers_and_the_commonest_confusions_are_named() -> None:
    counts = np.eye(1000, dtype=int)
    counts[5, 7] = 3
    found = texts_of(counts, [f"n{index:08}" for index in range(1000)])

    assert "n00000005 taken for n00000007: 3 of 4 (75 %)" in found
    assert {"0", "100", "900"} <= found.keys() and "n00000005" not in found


def test_the_picture_says_what_was_scored_on_what(tmp_path: Path) -> None:
    counts = torch.tensor([[8, 2], [1, 9]])
    scores = Scores(0.5, 17, 20, 20, counts)
    evaluation = Evaluation(
        "checkpoint", 64, "digits", "f", "val", "averaged weights", scores, ("a", "b"), str(tmp_path),
        model="resnet8",
    )  # fmt: skip
    heads = {}

    def kept(*_: object, title: str, about: str) -> bytes:
        heads.update(title=title, about=about)
        return b""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resnetlab.reporting.pictures.confusion.draw_confusion", kept)
        confusion_picture(evaluation)

    assert heads["title"] == "resnet8 on digits, val"
    assert heads["about"].startswith("85.00 % of 20 right (95 % interval ")
    assert heads["about"].endswith("averaged weights of step 64")
    picture, note = confusion_picture(evaluation)
    assert picture and not note
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "PNG"


def test_a_confusion_of_one_in_a_hundred_is_seen_and_a_column_of_strangers_too() -> None:
    one, none = _colors(np.array([0.01, 0.0]), np.array([False, False]))
    assert np.abs(one - none).max() > 0.04
    assert draw_confusion(np.array([[3, 0, 1]]), ["cat"], ["cat", "dog", "(another class)"])[:4] == b"\x89PNG"
