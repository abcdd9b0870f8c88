"""What an evaluation shows of itself in a cell of a notebook: confusions and classes, as markup."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from resnetlab.base.pages import cell
from resnetlab.evaluation.answers import Answers

_MOST_CLASSES = 20  # of a matrix in a cell
_MOST_ROWS = 8  # of a list
_MOST_LETTERS = 24  # of a class in a list

Counts = npt.NDArray[np.int64]


def confusions(counts_KA: Counts, names: Sequence[str], answers: Sequence[str]) -> str:
    """Return the confusion matrix, or of many classes the commonest confusions.

    Args:
        counts_KA: Images by true class and by answer.
        names: The true classes, K.
        answers: The answers, A.
    """
    if len(names) <= _MOST_CLASSES:
        return _matrix(counts_KA, names, answers)
    wrong = counts_KA.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_ROWS]
    rows = [
        (_short(names[truth]), _short(answers[answer]), f"{wrong[truth, answer]:,}")
        for truth, answer in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[truth, answer]
    ]
    return cell.table(("true class", "taken for", "images"), rows, numbers=(2,)) if rows else ""


def _matrix(counts_KA: Counts, names: Sequence[str], answers: Sequence[str]) -> str:
    shares = counts_KA / np.maximum(counts_KA.sum(1, keepdims=True), 1)
    rows = [
        (_short(name), *(_count(int(n), float(shares[k, a]), k == a) for a, n in enumerate(counts_KA[k])))
        for k, name in enumerate(names)
    ]
    header = ("true \\ answered", *(_cut(name) for name in answers))
    return cell.table(header, rows, numbers=range(1, len(answers) + 1))


def _count(count: int, share: float, is_right: bool) -> str:
    if not count:
        return ""
    color = "43,135,200" if is_right else "207,106,26"
    ground = f"background:rgba({color},{0.12 + 0.5 * share:.2f});border-radius:.2em;padding:0 .35em"
    return f'<span style="{ground}">{count:,}</span>'


def classes(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a bar for each class, the worst first; the rest of many is folded away."""
    order = sorted(rows, key=lambda row: (not row["samples"], row["recall"]))
    header = ("class", "images", "recall", "", "most often taken for")
    shown = cell.table(header, map(_class_row, order[:_MOST_ROWS]), numbers=(1, 3))
    rest = cell.table(header, map(_class_row, order[_MOST_ROWS:]), numbers=(1, 3), most_px=400)
    more = f"the other {len(order) - _MOST_ROWS:,} classes"
    return shown + (cell.fold(more, rest) if len(order) > _MOST_ROWS else "")


def _class_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    other = f"{_cut(row['taken_for'])} ({row['taken_for_count']:,})" if row["taken_for"] else ""
    recall = f"{100 * row['recall']:.1f} %" if row["samples"] else ""
    return _short(row["class"]), f"{row['samples']:,}", cell.bar(row["recall"]), recall, cell.text(other)


def mistakes(answers: Answers) -> str:
    """Return the wrong answers with the greatest loss."""
    wrong = np.flatnonzero(~answers.correct)
    worst = wrong[np.argsort(-answers.loss[wrong], kind="stable")][:_MOST_ROWS]
    rows = [
        (
            cell.text(answers.place[index] or f"image {answers.sample[index]:,}"),
            _short(answers.class_of(int(answers.truth[index]))),
            _short(answers.class_of(int(answers.answer[index]))),
            f"{100 * answers.probability[index]:.1f} %",
            f"{answers.loss[index]:.2f}",
        )
        for index in worst
    ]
    header = ("image", "true class", "answered", "sure", "loss")
    return cell.table(header, rows, numbers=(3, 4)) if rows else ""


def _short(name: str) -> str:
    return cell.text(_cut(name))


def _cut(name: str) -> str:
    return name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"
