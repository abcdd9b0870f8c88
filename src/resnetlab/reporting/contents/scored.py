"""What evaluations left in RUN/eval: scores, confusions, answers, calibration. What is damaged is said."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resnetlab.base.reading.plain import read_json, read_plain
from resnetlab.evaluation.views import SINGLE, name_in
from resnetlab.reporting.contents.answers_told import told_answers
from resnetlab.reporting.values import is_count, is_number, texts_of

__all__ = ["MOST_CLASSES", "evaluations_in", "read_evaluation"]

MOST_CLASSES = 1000
_MOST_CSV = 2**26
_MOST_NOTES = 50


def evaluations_in(run: Path) -> list[Path]:
    """Return the folders of a run's evaluations, the one to be shown first.

    That is of the test split before others, then of the single view, then the newest step, then by name.
    """
    found = []
    for path in run.glob("eval/*/scores.json"):
        scores = _json(path)
        step = scores.get("step")
        which = scores.get("split") == "test", name_in(scores) == SINGLE
        key = (*which, step if isinstance(step, int) else -1, path.parent.name)
        found.append((key, path.parent))
    return [folder for _, folder in sorted(found, reverse=True)]


def read_evaluation(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """Return what an evaluation found, None if that cannot be read, and what is wrong with its files."""
    scores = _json(folder / "scores.json")
    rows = scores.get("per_class")
    if not _are_scores(scores) or not isinstance(rows, list) or not all(map(_is_class_row, rows)):
        return None, [f"{folder / 'scores.json'} is damaged, or of another version."]
    problems: list[str] = []
    classes = [str(row["class"]) for row in rows]
    counts, answers = _confusion(folder / "confusion.csv", classes, problems)
    calibration = _calibration(folder / "calibration.json", problems)
    return {
        "folder": folder.name,
        **{name: scores.get(name) for name in ("step", "split", "data", "weights", "precision", "loss")},
        **{name: scores[name] for name in ("correct", "seen", "interval")},
        "views": name_in(scores),
        "top_5": scores.get("accuracy_top_5"),
        "notes": texts_of(scores.get("notes"))[:_MOST_NOTES],
        "bad_samples": texts_of(scores.get("bad_samples")),
        "classes": classes,
        "answers": answers,
        "per_class": [{name: row.get(name) for name in _CLASS_FIELDS} for row in rows],
        "confusion": counts,
        **told_answers(folder / "answers.npz", classes, problems),
        "calibration": calibration,
    }, problems


_CLASS_FIELDS = ("samples", "recall", "precision", "f1", "taken_for", "taken_for_count")


def _are_scores(scores: Mapping[str, Any]) -> bool:
    correct, seen, interval = (scores.get(name) for name in ("correct", "seen", "interval"))
    return (
        is_count(scores.get("step")) and is_count(correct) and is_count(seen) and correct <= seen > 0
        and isinstance(interval, list) and len(interval) == 2 and all(map(is_number, interval))
    )  # fmt: skip


def _is_class_row(row: object) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("class"), str):
        return False
    if row.get("taken_for") and not is_count(row.get("taken_for_count")):
        return False
    return all(is_number(row.get(name)) for name in ("samples", "recall", "precision", "f1"))


def _json(path: Path) -> dict[str, Any]:
    """Return a JSON object, an empty one if there is none that can be read."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _confusion(path: Path, classes: Sequence[str], problems: list[str]) -> tuple[list[list[int]], list[str]]:
    """Return [truth, answer, count] of every count above 0, and the answers' names."""
    try:
        lines = [*csv.reader(io.StringIO(read_plain(path, most=_MOST_CSV).decode("utf-8", "replace")))]
        table = [[int(cell) for cell in line[1:]] for line in lines[1:]]
    except FileNotFoundError:
        return [], [*classes]
    except (OSError, ValueError, csv.Error) as error:
        problems.append(f"{path} cannot be read: {error}")
        return [], [*classes]
    count = len(classes)
    if len(table) != count or {len(line) for line in table} - {count, count + 1}:
        problems.append(f"{path} is not of these {count:,} classes.")
        return [], [*classes]
    counts = [[t, a, n] for t, line in enumerate(table) for a, n in enumerate(line) if n > 0]
    # Names of the CSV are defused for spreadsheets; those of the classes are known better.
    return counts, [*classes, *lines[0][count + 1 :]]


def _calibration(path: Path, problems: list[str]) -> dict[str, Any] | None:
    if not path.exists():
        return None
    content = _json(path)
    bins = content.get("bins")
    is_whole = (
        isinstance(bins, list)
        and all(isinstance(each, dict) and is_count(each.get("count")) and _is_bin(each) for each in bins)
        and any(each["count"] for each in bins)
    )
    if not is_whole or not is_number(content.get("ece")):
        problems.append(f"{path} is damaged, or of another version.")
        return None
    names = ("ece", "temperature", "ece_after")
    return {"bins": bins} | {name: content[name] if is_number(content.get(name)) else None for name in names}


def _is_bin(each: Mapping[str, Any]) -> bool:
    """Return whether a bin has shares, which an empty one need not have."""
    return not each["count"] or all(is_number(each.get(name)) for name in ("confidence", "accuracy"))
