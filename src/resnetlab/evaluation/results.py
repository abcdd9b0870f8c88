"""What an evaluation found: exact counts, per class, as JSON, CSV and a picture."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from resnetlab.base import files
from resnetlab.base.lettering import boxes_in_silence, drawable, font_families, in_a_line, without_font
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
    otherwise: str = ""
    """Where the result lies if `out` cannot be written to."""
    bad_samples: tuple[str, ...] = ()
    """The broken images that were left out: place and problem of each."""
    files: tuple[str, ...] = ()
    """What was written into `out`."""
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

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain JSON data."""
        return {
            "checkpoint": self.checkpoint,
            "step": self.step,
            "data": self.data,
            "fingerprint": self.fingerprint,
            "split": self.split,
            "weights": self.weights,
            "precision": self.precision,
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
            f"loss {scores.loss:.4f}{self._left_out()}"
        )

    def __repr__(self) -> str:
        score = f"{100 * self.scores.accuracy:.2f} % of {self.scores.seen:,} images right"
        return f"<{in_a_line(self.data)} {in_a_line(self.split)}: {score}, after step {self.step:,}>"

    def _repr_html_(self) -> str:
        scores, (low, high) = self.scores, self.interval
        about = (
            f"{self.data}, {self.split}; 95 % interval {100 * low:.2f} to {100 * high:.2f} %, top-5 "
            f"{100 * scores.accuracy_top5:.2f} %, loss {scores.loss:.4f}{self._left_out()}"
        )
        kept = self.per_image
        parts = [
            shown.confusions(*_confusion(self)),
            cell.fold("Accuracy by class, the worst first", shown.classes(self.per_class())),
            cell.fold("The worst mistakes", shown.mistakes(kept)) if kept is not None else "",
            *(cell.paragraph(f"note: {note}", is_faint=True) for note in self.notes),
            cell.paragraph(f"{self.checkpoint}, {self.weights}, written to {self.out}", is_faint=True),
        ]
        return cell.cell(
            f"{100 * scores.accuracy:.2f} % of {scores.seen:,} images right", *parts, about=about
        )


class NotKept(WriteError):
    """Scores that could not be written to a file; `evaluation` holds them."""

    def __init__(self, evaluation: Evaluation, error: WriteError) -> None:
        super().__init__(f"{evaluation.summary()}; but {error.args[0]}", hint=_ELSEWHERE)
        self.evaluation = evaluation


_BY_NUMBER = "such classes are drawn by number, in the order of per_class.csv"
_MOST_NAMES = 100  # in the picture
_MOST_LETTERS = 40  # of a class' name in the picture
_ELSEWHERE = "The scores are whole, only their files are not. --out DIR writes them elsewhere."


def write_evaluation(evaluation: Evaluation, *, draws: bool = True) -> Evaluation:
    """Write what was found into `evaluation.out`, and return the evaluation with the names of its files.

    These are scores.json, per_class.csv, confusion.csv and confusion.png; calibration.json, answers.npz,
    answers.csv and the folder insights as far as they are known. A picture that cannot be drawn is left out,
    insights that cannot be written, and a CSV of too many images, which a note of the returned evaluation
    says.

    Args:
        evaluation: What was found.
        draws: Whether confusion.png is drawn, which takes longer than all else.

    Raises:
        WriteError: If a file cannot be written, or a link within a run leads elsewhere.
    """
    out = Path(evaluation.out)
    files.make_directory(out.absolute(), within=files.run_above(out))
    files.remove_leftovers(out)
    names = evaluation.class_names
    confusion, _, answers = _confusion(evaluation)
    picture, note = _picture(evaluation, confusion, answers) if draws else (None, "")
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


def _picture(
    evaluation: Evaluation, confusion: np.ndarray, answers: Sequence[str]
) -> tuple[bytes | None, str]:
    """Return the picture of the confusion matrix, and a note on what could not be drawn.

    There is no picture if that was all of it: that must cost no score.
    """
    names = evaluation.class_names
    try:
        picture = draw_confusion(confusion, names, evaluation.scores.accuracy, answers)
        unshown = without_font([*names, *answers], _BY_NUMBER) if len(names) <= _MOST_NAMES else ""
    except Exception as error:  # of matplotlib, its fonts and its configuration: anything
        return None, f"confusion.png could not be drawn: {type(error).__name__}: {error}"
    return picture, f"confusion.png: {unshown}" if unshown else ""


def _confusion(evaluation: Evaluation) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """Return the counts, a row per class of the data, a column per answer, the classes and the answers.

    A network with more logits than the data has classes may answer with one that is none of these.
    """
    names, rows = evaluation.class_names, evaluation.rows
    confusion = evaluation.scores.confusion_KK.numpy()[rows]
    others = confusion.sum(1) - confusion[:, rows].sum(1)
    if not others.any():
        return confusion[:, rows], names, names
    word = "(another class)" if evaluation.answers else "(nameless)"
    return np.column_stack([confusion[:, rows], others]), names, (*names, word)


def draw_confusion(
    confusion_KK: np.ndarray, names: Sequence[str], accuracy: float, answers: Sequence[str] = ()
) -> bytes:
    """Return a PNG of the confusion matrix; each row's shares are colours, its counts are written.

    Above 20 classes the counts, above 100 the names are left out. `answers` names the columns, if
    they are not the classes. In place of a name with letters that no font here has, its class' number
    stands, from 0 on, and what can be drawn of it.
    """
    import matplotlib

    names, columns = _labels(names), _labels(answers or names)
    with matplotlib.rc_context(), boxes_in_silence():
        matplotlib.rcdefaults()  # whatever the user's own file says
        matplotlib.rcParams["font.family"] = font_families([*names, *columns])[0]
        return _drawn(confusion_KK, names, columns, accuracy)


def _labels(names: Sequence[str]) -> list[str]:
    shown = [drawable(name) for name in names]
    shown = [name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 3]}..." for name in shown]
    _, missing = font_families(shown)
    removed = dict.fromkeys(map(ord, missing))
    return [
        f"class {index} {name.translate(removed).strip()}".strip() if set(name) & set(missing) else name
        for index, name in enumerate(shown)
    ]


def _drawn(confusion_KK: np.ndarray, names: Sequence[str], columns: Sequence[str], accuracy: float) -> bytes:
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
    if count <= _MOST_NAMES:
        size = 9 if count <= 20 else 5
        axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=size, parse_math=False)
        axes.set_yticks(range(count), names, fontsize=size, parse_math=False)
    if count <= 20:
        for (row, column), number in np.ndenumerate(confusion_KK):
            if number:
                colour = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(number), ha="center", va="center", fontsize=8, color=colour)
    axes.set_title(f"{100 * accuracy:.2f} % of {int(confusion_KK.sum()):,} right", fontsize=11)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
