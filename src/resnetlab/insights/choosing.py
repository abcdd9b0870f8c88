"""Which images are worth a look, from the answers to all: the worst mistakes, doubtful labels, confusions."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from resnetlab.evaluation.answers import NO_CLASS, Answers

MOST_WORST = 30
MOST_DOUBTFUL = 30
MOST_OF_A_CELL = 12
MOST_IN_CELLS = 240
"""Pictures of confusions, over all of them."""


@dataclass(frozen=True)
class Chosen:
    """Rows of the answers."""

    worst: list[int]
    """The wrong answers with the greatest loss, the greatest first."""
    doubtful: list[int]
    """Whose label is the most doubtful, the most first."""
    cells: dict[tuple[int, int], list[int]]
    """Of each truth and wrong answer those with the greatest loss; the commonest confusion first."""


def choose(answers: Answers) -> Chosen:
    """Return which images are worth a look."""
    wrong = np.flatnonzero(~answers.correct)
    by_loss: list[int] = wrong[np.argsort(-answers.loss[wrong], kind="stable")].tolist()
    return Chosen(by_loss[:MOST_WORST], doubtful_labels(answers)[:MOST_DOUBTFUL], _cells(answers, by_loss))


def doubtful_labels(answers: Answers) -> list[int]:
    """Return the rows whose label is likely wrong, the likeliest first.

    A label is doubtful if the network gives its answer, another class, at least the probability that it
    gives to that class on average where it is the label; how far the label falls behind the answer orders
    them. Source: Northcutt et al., 2021, "Confident Learning", arXiv:1911.00068, equations 1 and 2, and
    the normalised margin of section 3.
    """
    count = len(answers.class_names)
    labelled = np.bincount(answers.truth, minlength=count)
    usual = np.bincount(answers.truth, weights=answers.probability_of_truth, minlength=count)
    least = np.where(labelled > 0, usual / np.maximum(labelled, 1), np.inf)
    named = answers.answer != NO_CLASS
    is_doubtful = (
        ~answers.correct & named & (answers.probability >= least[np.where(named, answers.answer, 0)])
    )
    rows = np.flatnonzero(is_doubtful)
    margin = answers.probability_of_truth[rows] - answers.probability[rows]
    found: list[int] = rows[np.argsort(margin, kind="stable")].tolist()
    return found


def _cells(answers: Answers, by_loss: list[int]) -> dict[tuple[int, int], list[int]]:
    """Return rows of each confusion: the first of each, then the second of each, as long as there is room."""
    every: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row in by_loss:
        every[int(answers.truth[row]), int(answers.answer[row])].append(row)
    cells = sorted(every, key=lambda cell: (-len(every[cell]), cell))
    turns = zip_longest(*(every[cell][:MOST_OF_A_CELL] for cell in cells))
    chosen = [
        (cell, row) for turn in turns for cell, row in zip(cells, turn, strict=True) if row is not None
    ][:MOST_IN_CELLS]
    found: dict[tuple[int, int], list[int]] = {}
    for cell, row in chosen:
        found.setdefault(cell, []).append(row)
    return found
