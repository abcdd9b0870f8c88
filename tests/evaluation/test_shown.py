"""What a notebook shows of an evaluation: all counts of few classes, the commonest confusions of many."""

import re

import numpy as np

from resnetlab.evaluation.answers import make_answers
from resnetlab.evaluation.shown import classes, confusions, mistakes


def texts(html: str) -> list[list[str]]:
    """The texts of a table's rows."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", html)
    return [
        [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)]
        for row in rows
    ]


def test_few_classes_are_shown_with_every_count_and_answers_that_are_none_of_them() -> None:
    html = confusions(np.array([[3, 1, 0], [0, 2, 5]]), ("cat", "dog"), ("cat", "dog", "(another class)"))

    assert texts(html) == [
        ["true \\ answered", "cat", "dog", "(another class)"],
        ["cat", "3", "1", ""],
        ["dog", "", "2", "5"],
    ]


def test_of_many_classes_the_commonest_confusions_are_told() -> None:
    counts = 10 * np.eye(25, dtype=np.int64)
    counts[3, 7], counts[20, 1], counts[0, 24] = 4, 9, 1
    names = [f"class {index}" for index in range(25)]

    assert texts(confusions(counts, names, names))[1:] == [
        ["class 20", "class 1", "9"],
        ["class 3", "class 7", "4"],
        ["class 0", "class 24", "1"],
    ]


def test_classes_stand_with_the_worst_first_and_none_is_left_out() -> None:
    rows = [
        {
            "class": f"{n}",
            "samples": 10,
            "recall": n / 10,
            "taken_for": "x" if n else "",
            "taken_for_count": n,
        }
        for n in range(11)
    ]
    rows.append(
        {"class": "without images", "samples": 0, "recall": 0.0, "taken_for": "", "taken_for_count": 0}
    )

    shown = [row for row in texts(classes(rows)) if row[0] != "class"]

    assert [row[0] for row in shown] == [*map(str, range(11)), "without images"]
    assert shown[10][3] == "100.0 %" and shown[11][3] == ""


def test_the_worst_mistakes_are_those_with_the_greatest_loss() -> None:
    answers = make_answers(
        ("cat", "dog"), sample=[0, 4, 9], place=["a.jpg", "", "c.jpg"], truth=[0, 1, 1], answer=[0, 0, -1],
        probability=[0.9, 0.75, 0.5], probability_of_truth=[0.9, 0.25, 0.1], loss=[0.1, 1.4, 2.3],
    )  # fmt: skip

    assert texts(mistakes(answers))[1:] == [
        ["c.jpg", "dog", "(another class)", "50.0 %", "2.30"],
        ["image 4", "dog", "cat", "75.0 %", "1.40"],
    ]
