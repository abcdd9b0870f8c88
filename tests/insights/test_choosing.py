"""Which images are worth a look, on answers written by hand."""

import numpy as np
import pytest

from resnetlab.evaluation.answers import Answers, make_answers
from resnetlab.insights import choosing
from resnetlab.insights.choosing import choose, doubtful_labels

Row = tuple[int, int, float, float]


def answers(*rows: Row, names: tuple[str, ...] = ("a", "b", "c")) -> Answers:
    """Answers of (truth, answer, probability, probability of the truth)."""
    truth, answer, probability, of_truth = zip(*rows, strict=True)
    return make_answers(
        names,
        sample=[10 * row for row in range(len(rows))],
        place=[""] * len(rows),
        truth=truth,
        answer=answer,
        probability=probability,
        probability_of_truth=of_truth,
        loss=-np.log(of_truth),
    )


def test_the_worst_are_the_wrong_ones_by_their_loss() -> None:
    """A right answer is no mistake, however unsure."""
    found = choose(answers((0, 0, 0.4, 0.4), (0, 1, 0.6, 0.2), (1, 2, 0.9, 0.01), (2, 2, 1.0, 1.0)))

    assert found.worst == [2, 1]


def test_a_label_is_doubtful_where_the_answer_is_as_sure_as_is_usual_for_its_class() -> None:
    """For b the network usually gives 0.7: (0.9 + 0.5) / 2. 0.69 is below it, 0.8 and 0.75 are not."""
    rows: list[Row] = [
        (1, 1, 0.9, 0.9),
        (1, 1, 0.5, 0.5),
        (0, 1, 0.69, 0.3),
        (0, 1, 0.8, 0.2),
        (0, 1, 0.75, 0.05),
        (0, 0, 0.9, 0.9),
    ]

    assert doubtful_labels(answers(*rows)) == [4, 3]


def test_no_label_is_doubted_for_a_class_that_has_no_images_or_no_name() -> None:
    assert doubtful_labels(answers((0, 2, 0.9, 0.1), (0, -1, 0.9, 0.1), (1, 1, 0.9, 0.9))) == []


def test_each_confusion_has_its_first_picture_before_any_has_its_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows: list[Row] = [(0, 1, 0.9, 0.1 / (1 + n)) for n in range(20)]
    rows += [(1, 2, 0.9, 0.05), (2, -1, 0.5, 0.3), (2, -1, 0.5, 0.2)]

    whole = choose(answers(*rows)).cells
    monkeypatch.setattr(choosing, "MOST_IN_CELLS", 4)
    few = choose(answers(*rows)).cells

    assert whole == {(0, 1): [*range(19, 7, -1)], (2, -1): [22, 21], (1, 2): [20]}
    assert few == {(0, 1): [19, 18], (2, -1): [22], (1, 2): [20]}


def test_where_all_is_right_there_is_nothing_to_show() -> None:
    found = choose(answers((0, 0, 0.9, 0.9), (1, 1, 1.0, 1.0)))

    assert (found.worst, found.doubtful, found.cells) == ([], [], {})
