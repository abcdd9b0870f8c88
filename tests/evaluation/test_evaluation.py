"""The files of an evaluation."""

import csv
from pathlib import Path

import torch
from PIL import Image

from resnetlab.evaluation.metrics import Scores
from resnetlab.evaluation.results import Evaluation, write_evaluation
from resnetlab.reporting.pictures.confusion import confusion_picture


def evaluation_of(confusion: list[list[int]], names: tuple[str, ...], out: Path) -> Evaluation:
    counts = torch.tensor(confusion)
    right = int(counts.diagonal().sum())
    scores = Scores(0.5, right, right, int(counts.sum()), counts)
    return Evaluation("c", 1, "d", "f", "test", "weights", scores, names, str(out))


def test_an_answer_that_is_no_class_of_the_data_is_counted_and_shown(tmp_path: Path) -> None:
    """A network of four logits on data of two classes: every sample stands in the table."""
    confusion = [[3, 1, 0, 2], [0, 4, 5, 0], [0, 0, 0, 0], [0, 0, 0, 0]]

    write_evaluation(evaluation_of(confusion, ("cat", "dog"), tmp_path), confusion_picture)

    rows = list(csv.reader((tmp_path / "confusion.csv").open()))
    assert rows == [
        ["true \\ answered", "cat", "dog", "(nameless)"],
        ["cat", "3", "1", "2"],
        ["dog", "0", "4", "5"],
    ]
    with Image.open(tmp_path / "confusion.png") as picture:
        assert picture.format == "PNG"


def test_without_such_answers_the_table_is_square(tmp_path: Path) -> None:
    write_evaluation(evaluation_of([[3, 1, 0], [0, 4, 0], [0, 0, 0]], ("cat", "dog"), tmp_path))

    rows = list(csv.reader((tmp_path / "confusion.csv").open()))
    assert rows[0] == ["true \\ answered", "cat", "dog"]
    assert rows[2] == ["dog", "0", "4"]
