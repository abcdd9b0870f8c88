"""What an evaluation found: exact counts, per class, as JSON, CSV and a picture."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from resnetlab.base import files
from resnetlab.base.lettering import in_a_line
from resnetlab.base.pages import cell
from resnetlab.base.plaindata import csv_text, to_json_bytes
from resnetlab.errors import WriteError
from resnetlab.evaluation import calibration as calibrating
from resnetlab.evaluation import shown
from resnetlab.evaluation.answers import Answers, write_answers
from resnetlab.evaluation.calibration import Calibration
from resnetlab.evaluation.insights import FOLDER as INSIGHTS
from resnetlab.evaluation.insights import Insights, write_insights
from resnetlab.evaluation.metrics import Scores, wilson_interval
from resnetlab.evaluation.views import SINGLE, Views


@dataclass(frozen=True, repr=False)
class Evaluation:
    """The scores of one checkpoint on one split, and where they were written. A notebook shows them."""

    checkpoint: str
    step: int
    data: str
    fingerprint: str
    split: str
    weights: str
    scores: Scores
    class_names: tuple[str, ...]
    """The classes that were scored: those of the data."""
    out: str
    notes: tuple[str, ...] = ()
    """What is to be known of these numbers: of the data, of how it was opened, of what was left out."""
    logits: tuple[int, ...] = ()
    """The number of each class' logit; empty if they are the first ones."""
    answers: tuple[str, ...] = ()
    """The names of all the logits."""
    precision: str = "fp32"
    """The number format of the arithmetic."""
    engine: str = "reference"
    """Who made the logits: the network itself in torch, or an engine whose answers are the network's."""
    engine_said: str = ""
    """It, and why it was that one, for people."""
    threads: int = 0
    """Threads of the CPU that made them, on which a sum's last bits may depend; 0 on a GPU."""
    made_on: Mapping[str, str] = field(default_factory=dict)
    """Device, processor and version of torch, on which a sum's last bits may depend too."""
    views: Views | None = None
    """The views of each image whose answers were averaged; None: the single view of all other evaluations."""
    otherwise: str = ""
    """Where the result lies if `out` cannot be written to."""
    bad_samples: tuple[str, ...] = ()
    """The broken images that were left out: place and problem of each."""
    files: tuple[str, ...] = ()
    """What was written into `out`."""
    model: str = ""
    """The network's name."""
    per_image: Answers | None = field(default=None, repr=False)
    """The answer to each image."""
    calibration: Calibration | None = field(default=None, repr=False)
    """How far the answers' probabilities can be believed."""
    insights: Insights | None = field(default=None, repr=False)
    """What a page shows of the inside of the network and of its worst answers."""

    @property
    def rows(self) -> list[int]:
        """The number of each class' logit."""
        return [*(self.logits or range(len(self.class_names)))]

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the accuracy (Wilson)."""
        return wilson_interval(self.scores.correct, self.scores.seen)

    def per_class(self) -> list[dict[str, Any]]:
        """Return recall, precision and F1 of every class, with the class it is most often taken for."""
        confusion = self.scores.confusion_KK.numpy()
        answers = self.answers or self.class_names
        rows = []
        for index, name in zip(self.rows, self.class_names, strict=True):
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
                    "taken_for": answers[other] if wrong[other] and other < len(answers) else "",
                    "taken_for_count": int(wrong[other]),
                }
            )
        return rows

    def confusion(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return the counts, a row per class of the data, a column per answer, and the answers' names.

        A network with more logits than the data has classes may answer with one that is none of these.
        """
        names, rows = self.class_names, self.rows
        confusion = self.scores.confusion_KK.numpy()[rows]
        others = confusion.sum(1) - confusion[:, rows].sum(1)
        if not others.any():
            return confusion[:, rows], names
        word = "(another class)" if self.answers else "(nameless)"
        return np.column_stack([confusion[:, rows], others]), (*names, word)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON data."""
        return {
            "checkpoint": self.checkpoint,
            "model": self.model,
            "step": self.step,
            "data": self.data,
            "fingerprint": self.fingerprint,
            "split": self.split,
            "weights": self.weights,
            "precision": self.precision,
            "engine": self.engine,
            "threads": self.threads,
            **self.made_on,
            "views": self.views.name if self.views else SINGLE,
            **({"averaged_views": self.views.to_json()} if self.views else {}),
            **self.scores.row(),
            "interval": list(self.interval),
            "bad_samples": list(self.bad_samples),
            "per_class": self.per_class(),
            "notes": list(self.notes),
            "out": self.out,
        }

    def _left_out(self) -> str:
        number = len(self.bad_samples)
        return f"; {number:,} broken image{'s' * (number > 1)} left out" if number else ""

    def summary(self) -> str:
        """Return the scores in a line."""
        scores, (low, high) = self.scores, self.interval
        return (
            f"top-1 {100 * scores.accuracy:.2f} % ({scores.correct:,} of {scores.seen:,}; 95 % interval "
            f"{100 * low:.2f} to {100 * high:.2f} %), top-5 {100 * scores.accuracy_top5:.2f} %, "
            f"loss {scores.loss:.4f}{self._left_out()}{self._by_views()}"
        )

    def _by_views(self) -> str:
        return f" [{self.views.name}]" if self.views else ""

    def __repr__(self) -> str:
        score = f"{100 * self.scores.accuracy:.2f} % of {self.scores.seen:,} images right{self._by_views()}"
        return f"<{in_a_line(self.data)} {in_a_line(self.split)}: {score}, after step {self.step:,}>"

    def _repr_html_(self) -> str:
        scores, (low, high) = self.scores, self.interval
        about = (
            f"{self.data}, {self.split}; 95 % interval {100 * low:.2f} to {100 * high:.2f} %, top-5 "
            f"{100 * scores.accuracy_top5:.2f} %, loss {scores.loss:.4f}{self._left_out()}"
        )
        kept = self.per_image
        confusion, answers = self.confusion()
        parts = [
            shown.confusions(confusion, self.class_names, answers),
            cell.fold("Accuracy by class, the worst first", shown.classes(self.per_class())),
            cell.fold("The worst mistakes", shown.mistakes(kept)) if kept is not None else "",
            *(cell.paragraph(f"note: {note}", is_faint=True) for note in self.notes),
            cell.paragraph(f"{self.checkpoint}, {self.weights}, written to {self.out}", is_faint=True),
        ]
        title = f"{100 * scores.accuracy:.2f} % of {scores.seen:,} images right{self._by_views()}"
        return cell.cell(title, *parts, about=about)


class NotKept(WriteError):
    """Scores that could not be written to a file; `evaluation` holds them."""

    def __init__(self, evaluation: Evaluation, error: WriteError) -> None:
        super().__init__(f"{evaluation.summary()}; but {error.args[0]}", hint=_ELSEWHERE)
        self.evaluation = evaluation


_ELSEWHERE = "The scores are whole, only their files are not. --out DIR writes them elsewhere."


Painter = Callable[[Evaluation], tuple[bytes | None, str]]
"""Returns a picture as PNG and a note, either of which may be missing."""


def write_evaluation(evaluation: Evaluation, draw: Painter | None = None) -> Evaluation:
    """Write what was found into `evaluation.out`, and return the evaluation with the names of its files.

    These are scores.json, per_class.csv, confusion.csv and confusion.png; calibration.json, answers.npz,
    answers.csv and the folder insights as far as they are known. A picture that cannot be drawn is left out,
    insights that cannot be written, and a CSV of too many images, which a note of the returned evaluation
    says.

    Args:
        evaluation: What was found.
        draw: Draws confusion.png; None leaves it out, which takes longer than all else.

    Raises:
        WriteError: If a file cannot be written, or a link within a run leads elsewhere.
    """
    out = Path(evaluation.out)
    files.make_directory(out.absolute(), within=files.run_above(out))
    files.remove_leftovers(out)
    names = evaluation.class_names
    confusion, answers = evaluation.confusion()
    picture, note = draw(evaluation) if draw else (None, "")
    if note:
        evaluation = replace(evaluation, notes=(*evaluation.notes, note))
    evaluation, kept = _write_kept(evaluation, out)
    rows = evaluation.per_class()
    files.write_file(out / "per_class.csv", csv_text([[*rows[0]], *([*row.values()] for row in rows)]))
    table: list[list[Any]] = [
        ["true \\ answered", *answers],
        *([n, *map(int, c)] for n, c in zip(names, confusion, strict=True)),
    ]
    files.write_file(out / "confusion.csv", csv_text(table))
    if picture is not None:
        files.write_file(out / "confusion.png", picture)
    files.write_file(out / "scores.json", to_json_bytes(evaluation.to_json()))
    drawn = ("confusion.png",) if picture is not None else ()
    return replace(evaluation, files=("scores.json", "per_class.csv", "confusion.csv", *drawn, *kept))


def _write_kept(evaluation: Evaluation, out: Path) -> tuple[Evaluation, tuple[str, ...]]:
    """Write what is known of single images; return the evaluation with a note of it, and the files' names."""
    names: tuple[str, ...] = ()
    if evaluation.calibration is not None:
        names = (calibrating.NAME,)
        files.write_file(out / calibrating.NAME, to_json_bytes(evaluation.calibration.to_json()))
    if evaluation.per_image is not None:
        written, note = write_answers(out, evaluation.per_image)
        names += written
        evaluation = replace(evaluation, notes=(*evaluation.notes, *filter(None, [note])))
    try:
        write_insights(out, evaluation.insights)
    except WriteError as error:
        note = f"no pictures of answers and layers: {error.args[0]}"
        return replace(evaluation, notes=(*evaluation.notes, note)), names
    return evaluation, (*names, *([f"{INSIGHTS}/"] if evaluation.insights else []))
