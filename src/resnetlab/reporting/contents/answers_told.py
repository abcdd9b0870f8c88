"""What a page tells of the answers that an evaluation kept: the worst, and some of every confusion."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resnetlab.errors import DataError

MOST_WORST = 60
_MOST_OF_A_CELL = 12
_MOST_EXAMPLES = 600
_COLUMNS = ("sample", "place", "truth", "answer", "probability", "loss")


def told_answers(path: Path, classes: Sequence[str], problems: list[str]) -> dict[str, Any]:
    """Return `worst`, the wrong answers with the greatest loss, and `examples` of each confusion.

    Numbers of classes are places in `classes`; an answer that is none of them is one behind the last.
    Without a file of answers both are None.
    """
    nothing: dict[str, Any] = {"worst": None, "examples": None}
    if not path.exists():
        return nothing
    from resnetlab.evaluation.answers import read_answers  # NumPy: a tenth of a second

    try:
        answers = read_answers(path)
    except DataError as error:
        problems.append(str(error.args[0]))
        return nothing
    if answers.class_names != tuple(classes):
        problems.append(f"{path} is not of the same classes as the scores.")
        return nothing
    columns = {name: getattr(answers, name) for name in _COLUMNS}
    wrong = (~answers.correct).nonzero()[0]
    order = wrong[(-answers.loss[wrong]).argsort(kind="stable")]
    return {
        "worst": [_row(columns, int(index), len(classes)) for index in order[:MOST_WORST]],
        "examples": _examples(columns, order.tolist(), len(classes)),
    }


def _row(columns: dict[str, Any], index: int, count: int) -> dict[str, Any]:
    answer = int(columns["answer"][index])
    return {
        "sample": int(columns["sample"][index]),
        "place": str(columns["place"][index]),
        "truth": int(columns["truth"][index]),
        "answer": answer if 0 <= answer < count else count,
        "probability": round(float(columns["probability"][index]), 4),
        "loss": round(float(columns["loss"][index]), 4),
    }


def _examples(columns: dict[str, Any], order: list[int], count: int) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    number = 0
    for index in order:
        answer = int(columns["answer"][index])
        key = f"{int(columns['truth'][index])}>{answer if 0 <= answer < count else count}"
        if len(found[key]) < _MOST_OF_A_CELL:
            found[key].append(_row(columns, index, count))
            number += 1
        if number >= _MOST_EXAMPLES:
            break
    return dict(found)
