"""What an evaluation found: exact counts, per class, as JSON, CSV and a picture."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resnetlab import files
from resnetlab.metrics import Scores, wilson_interval
from resnetlab.runs.manifest import to_json_bytes


@dataclass(frozen=True)
class Evaluation:
    """The scores of one checkpoint on one split, and where they were written."""

    checkpoint: str
    step: int
    data: str
    fingerprint: str
    split: str
    weights: str
    scores: Scores
    class_names: tuple[str, ...]
    out: str
    notes: tuple[str, ...] = ()

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the accuracy (Wilson)."""
        return wilson_interval(self.scores.correct, self.scores.seen)

    def per_class(self) -> list[dict[str, Any]]:
        """Return recall, precision and F1 of every class, with the class it is most often taken for."""
        confusion = self.scores.confusion_KK.numpy()[: len(self.class_names), :]
        rows = []
        for index, name in enumerate(self.class_names):
            right, has = int(confusion[index, index]), int(confusion[index].sum())
            answered = int(confusion[:, index].sum())
            wrong = confusion[index].copy()
            wrong[index] = 0
            other = int(wrong.argmax())
            rows.append(
                {
                    "class": name,
                    "samples": has,
                    "recall": right / has if has else 0.0,
                    "precision": right / answered if answered else 0.0,
                    "f1": 2 * right / (has + answered) if has + answered else 0.0,
                    "taken_for": self.class_names[other]
                    if wrong[other] and other < len(self.class_names)
                    else "",
                    "taken_for_count": int(wrong[other]),
                }
            )
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON data."""
        return {
            "checkpoint": self.checkpoint,
            "step": self.step,
            "data": self.data,
            "fingerprint": self.fingerprint,
            "split": self.split,
            "weights": self.weights,
            **self.scores.row(),
            "interval": list(self.interval),
            "per_class": self.per_class(),
            "out": self.out,
        }


def write_evaluation(evaluation: Evaluation) -> None:
    """Write scores.json, per_class.csv, confusion.csv and confusion.png into `evaluation.out`."""
    out = Path(evaluation.out)
    files.make_directory(out)
    names = evaluation.class_names
    confusion, answers = _confusion(evaluation)
    files.write_file(out / "scores.json", to_json_bytes(evaluation.to_json()))
    rows = evaluation.per_class()
    files.write_file(out / "per_class.csv", _csv([[*rows[0]], *([*row.values()] for row in rows)]))
    table: list[list[Any]] = [
        ["true \\ answered", *answers],
        *([n, *map(int, c)] for n, c in zip(names, confusion, strict=True)),
    ]
    files.write_file(out / "confusion.csv", _csv(table))
    files.write_file(
        out / "confusion.png", draw_confusion(confusion, names, evaluation.scores.accuracy, answers)
    )


def _confusion(evaluation: Evaluation) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the counts, a row per class of the data, a column per answer, and the answers' names.

    A network with more logits than the data has classes may answer with one that has no name.
    """
    names = evaluation.class_names
    confusion = evaluation.scores.confusion_KK.numpy()[: len(names)]
    nameless = confusion[:, len(names) :].sum(1)
    if not nameless.any():
        return confusion[:, : len(names)], names
    return np.column_stack([confusion[:, : len(names)], nameless]), (*names, "(nameless)")


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def draw_confusion(
    confusion_KK: np.ndarray, names: Sequence[str], accuracy: float, answers: Sequence[str] = ()
) -> bytes:
    """Return a PNG of the confusion matrix; each row's shares are colours, its counts are written.

    Above 20 classes the counts, above 100 the names are left out. `answers` names the columns, if
    they are not the classes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(names)
    side = min(max(4.5, 0.55 * count + 2), 16)
    figure = Figure(figsize=(side, side), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shares = confusion_KK / np.maximum(confusion_KK.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("answered")
    axes.set_ylabel("true class")
    if count <= 100:
        size = 9 if count <= 20 else 5
        columns = answers or names
        axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=size)
        axes.set_yticks(range(count), names, fontsize=size)
    if count <= 20:
        for (row, column), number in np.ndenumerate(confusion_KK):
            if number:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(number), ha="center", va="center", fontsize=8, color=colour)
    axes.set_title(f"{100 * accuracy:.2f} % of {int(confusion_KK.sum()):,} right", fontsize=11)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
