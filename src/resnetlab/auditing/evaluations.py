"""What evaluations left: every image once, counts that agree, on the data that the run was trained on."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from resnetlab.auditing.facts import Facts, first_line, is_close, is_near, may_be_rounded
from resnetlab.auditing.finding import Found, Promise, judged, unknown
from resnetlab.base.lettering import in_a_line
from resnetlab.base.reading.plain import is_count, is_number, read_json, read_plain
from resnetlab.base.units import counted
from resnetlab.errors import DataError
from resnetlab.evaluation.significance import wilson_interval

if TYPE_CHECKING:
    from resnetlab.evaluation.answers import Answers

_MOST_CSV, _MOST_CELL, _MOST_NAME = 2**28, 20, 2**13
"""Bytes of confusion.csv, of one of its counts, and of the name of a class, which is there twice."""
_ANSWERS = "answers.npz"
_LOSS = 1e-3
"""Between a mean of float32 losses of single images and one of batches."""


def _folders(facts: Facts) -> list[Path]:
    """Return the folders of evaluations of one checkpoint, which have their counts."""
    return sorted(path.parent for path in (facts.path / "eval").glob("*/scores.json"))


def _scores(folder: Path) -> dict[str, Any]:
    return _json(folder / "scores.json")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path.parent.name}/{path.name} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path.parent.name}/{path.name} is no JSON object")
    return found


def _each(facts: Facts, problems_of: Any) -> Found | None:
    folders = _folders(facts)
    if not folders:
        return None
    problems = []
    for folder in folders:
        try:
            problems += [f"{folder.name}: {text}" for text in problems_of(facts, folder, _scores(folder))]
        except DataError as error:
            problems.append(first_line(error))
    return judged(problems, counted(len(folders), "evaluation"))


def scores(facts: Facts) -> Found | None:
    """Compare the counts of every evaluation with each other."""
    return _each(facts, _contradictions)


def _contradictions(facts: Facts, folder: Path, told: Mapping[str, Any]) -> Iterator[str]:
    correct, seen = told.get("correct"), told.get("seen")
    if not (is_count(correct) and is_count(seen) and correct <= seen > 0):
        yield f"{correct!r} of {seen!r} right"
        return
    if told.get("accuracy") != correct / seen:
        yield f"an accuracy of {told.get('accuracy')!r}, and {correct:,} of {seen:,} right"
    interval = told.get("interval")
    if not isinstance(interval, list) or not all(map(is_near, interval, wilson_interval(correct, seen))):
        yield f"an interval of {interval!r}"
    rows = told.get("per_class")
    samples = sum(row["samples"] for row in rows) if isinstance(rows, list) else None
    if samples != seen:
        yield f"{samples!r} images by class, {seen:,} in all"
    confusion = _confusion(folder, facts.spec.classes)
    if confusion is not None:
        if (confusion.correct, confusion.seen) != (correct, seen):
            there = f"{confusion.correct:,} of {confusion.seen:,}"
            yield f"confusion.csv has {there} right, not {correct:,} of {seen:,}"
        if isinstance(rows, list) and confusion.by_class != [row["samples"] for row in rows]:
            yield "confusion.csv has other images by class"
        told_names = [row["class"] for row in rows] if isinstance(rows, list) else confusion.names
        if not all(
            cell in (name, f"'{name}") for cell, name in zip(confusion.names, told_names, strict=False)
        ):
            yield "confusion.csv has other classes"


class _Confusion(NamedTuple):
    """What confusion.csv has of each class of the data."""

    names: list[str]
    by_class: list[int]
    right: list[int]
    answered: Counter[int]
    """How often each class was the answer."""

    @property
    def seen(self) -> int:
        return sum(self.by_class)

    @property
    def correct(self) -> int:
        return sum(self.right)


def _confusion(folder: Path, classes: int) -> _Confusion | None:
    found = _Confusion([], [], [], Counter())
    most = min(_MOST_CSV, (classes + 1) ** 2 * _MOST_CELL + (classes + 1) * _MOST_NAME)
    try:
        text = read_plain(folder / "confusion.csv", most=most).decode(errors="surrogateescape")
        for index, line in enumerate(csv.reader(io.StringIO(text, newline="")), start=-1):
            if index < 0:
                continue
            counts = [int(cell) for cell in line[1:]]
            found.right.append(counts[index] if index < len(counts) else 0)
            found.answered.update(dict(enumerate(counts)))
            found.names.append(line[0])
            found.by_class.append(sum(counts))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise DataError(f"{folder.name}/confusion.csv cannot be read: {error}") from error
    return found


def by_class(facts: Facts) -> Found | None:
    """Compute the shares of every class again from the confusions, and compare the table of them."""
    return _each(facts, _other_shares)


def _other_shares(facts: Facts, folder: Path, told: Mapping[str, Any]) -> Iterator[str]:
    rows, confusion = told.get("per_class"), _confusion(folder, facts.spec.classes)
    if not isinstance(rows, list):
        return
    if confusion is not None:
        for index, (row, right, has) in enumerate(
            zip(rows, confusion.right, confusion.by_class, strict=False)
        ):
            answered = confusion.answered[index]
            due = {"recall": (right, has), "precision": (right, answered), "f1": (2 * right, has + answered)}
            for name, (part, whole) in due.items():
                if name in row and not is_near(row[name], part / whole if whole else 0.0):
                    yield f"{row['class']}: {name} {row[name]!r}, and {part:,} of {whole:,} in confusion.csv"
    if (table := _table(folder / "per_class.csv")) is not None:
        head, *cells = table
        if not _are_the_same(cells, ([str(row.get(name)) for name in head] for row in rows)):
            yield "per_class.csv has other numbers than scores.json"


def _table(path: Path) -> list[list[str]] | None:
    """Return the lines of a CSV, its head first; None if it is not there or empty."""
    try:
        text = read_plain(path, most=_MOST_CSV).decode(errors="surrogateescape")
        return [*csv.reader(io.StringIO(text, newline=""))] or None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path.parent.name}/{path.name} cannot be read: {error}") from error


def _are_the_same(cells: list[list[str]], lines: Iterable[list[str]]) -> bool:
    """Return whether a CSV has these lines, an apostrophe or not before what would be a formula."""
    plain = [[cell.removeprefix("'") for cell in line] for line in cells]
    return plain == [[cell.removeprefix("'") for cell in line] for line in lines]


def each_once(facts: Facts) -> Found | None:
    """Compare the answers to single images with the counts: every image once."""
    found = _each(facts, _answers)
    kept = any((folder / _ANSWERS).exists() for folder in _folders(facts))
    return (
        unknown("no evaluation keeps its answers")
        if found and found.verdict == "pass" and not kept
        else found
    )


def _answers(facts: Facts, folder: Path, told: Mapping[str, Any]) -> Iterator[str]:
    path = folder / _ANSWERS
    if not path.exists():
        return
    import numpy as np  # which the other checks do without

    from resnetlab.evaluation import answers as answering

    kept = answering.read_answers(path)  # its own check: samples that rise, so that none is there twice
    correct, seen = told.get("correct"), told.get("seen")
    if (right := int(kept.correct.sum()), len(kept)) != (correct, seen):
        yield f"answers.npz has {right:,} of {len(kept):,} right, not {correct!r} of {seen!r}"
        return
    left_out = int(kept.sample[-1]) + 1 - len(kept)
    broken = told.get("bad_samples")
    if left_out > (len(broken) if isinstance(broken, list) else 0):
        yield f"{left_out:,} images have no answer"
    by_class = np.bincount(kept.truth, minlength=len(kept.class_names)).tolist()
    rows = told.get("per_class")
    if isinstance(rows, list) and by_class != [row["samples"] for row in rows]:
        yield "answers.npz has other images by class"
    loss, mean = told.get("loss"), float(kept.loss.mean(dtype=np.float64))
    if not is_number(loss) or abs(loss - mean) > _LOSS * max(1.0, mean):
        yield f"a loss of {loss!r}, and {mean:.4f} of its answers"
    yield from _of_other_answers(folder, kept)


def _of_other_answers(folder: Path, kept: "Answers") -> Iterator[str]:
    """Compare what else is made of the answers with them."""
    from resnetlab.evaluation.answers import CSV_NAME
    from resnetlab.evaluation.calibration import NAME, bins_of, expected_error

    cells = _table(folder / CSV_NAME)
    names = [in_a_line(kept.class_of(number)) for number in range(-1, len(kept.class_names))]
    columns = (each.tolist() for each in (kept.sample, kept.truth, kept.answer, kept.correct))
    lines = (
        [str(sample), names[truth + 1], names[answer + 1], "yes" if is_right else "no"]
        for sample, truth, answer, is_right in zip(*columns, strict=True)
    )
    if cells is not None and not _are_the_same(
        [[*line[:1], *line[2:4], *line[-1:]] for line in cells[1:]], lines
    ):
        yield f"{CSV_NAME} has other answers than {_ANSWERS}"
    if not (folder / NAME).exists():
        return
    told, due = _json(folder / NAME).get("ece"), expected_error(bins_of(kept.probability, kept.correct))
    if not is_number(told) or abs(told - due) > _ECE:
        yield f"{NAME} has an error of {told!r}, and it is {due:.4f} by its answers"


_ECE = 1e-3
"""Between probabilities in float32 and what they were made of."""


def on_its_data(facts: Facts) -> Found | None:
    """Look what the evaluations of the run's own test images were of."""
    found = _each(facts, _elsewhere)
    if found and found.verdict == "pass" and _is_of_the_first_version(facts):
        others = _each(facts, _of_other_fingerprint)
        if others and others.verdict == "fail":
            return unknown(f"0.1.0 made another fingerprint of a table's images: {others.text}")
    return found


def _is_of_the_first_version(facts: Facts) -> bool:
    packages = facts.read("environment").get("packages")
    return isinstance(packages, Mapping) and packages.get("resnetlab") == "0.1.0"


def _of_other_fingerprint(facts: Facts, folder: Path, told: Mapping[str, Any]) -> Iterator[str]:
    other, own = str(told.get("fingerprint")), facts.data["fingerprint"]
    if _own_name(folder.name) and other != own:
        yield f"on data of fingerprint {other[:12]}, the run's is {own[:12]}"


def _elsewhere(facts: Facts, folder: Path, told: Mapping[str, Any]) -> Iterator[str]:
    match = _own_name(folder.name)
    if match is None:  # of other data, whose name the folder has
        return
    step, split = match
    if told.get("split") != split:
        yield f"of the split {told.get('split')!r}"
    if told.get("step") != step:
        yield f"of step {told.get('step')!r}"
    if not _is_of_the_first_version(facts):
        yield from _of_other_fingerprint(facts, folder, told)
    rows = told.get("per_class")
    names = [row["class"] for row in rows] if isinstance(rows, list) else []
    if names != facts.data["class_names"]:
        yield "of other classes than the run's"


def _own_name(name: str) -> tuple[int, str] | None:
    """Return step and split of an evaluation of the run's own data, by the name of its folder."""
    step, _, split = name.removeprefix("step-").partition("-")
    is_own = name.startswith("step-") and step.isdecimal() and split in ("test", "val", "train")
    return (int(step), split) if is_own else None


def is_the_result(facts: Facts) -> Found | None:
    """Compare the result with the evaluation of the last step."""
    if not (result := facts.result):
        return None
    folder = facts.path / "eval" / f"step-{int(result['step']):08d}-test"
    if not (folder / "scores.json").exists():
        return unknown("no evaluation of the last step is kept")
    told = _scores(folder)
    pairs = {name: (result.get(name), told.get(name)) for name in ("correct", "seen", "accuracy_top_5")}
    pairs["weights"] = (result.get("weights"), told.get("weights"))
    problems = [
        f"{name}: {one!r}, and {other!r} in {folder.name}"
        for name, (one, other) in pairs.items()
        if one != other
    ]
    one, other = result.get("loss"), told.get("loss")
    if not is_close(one, other, _LOSS):
        problems.append(f"loss: {one!r}, and {other!r} in {folder.name}")
    problems += _majority(result, told)
    if problems and not _is_of_the_end(facts, told):
        return unknown(f"{folder.name} was scored again, elsewhere or by {told.get('engine')}: {problems[0]}")
    return judged(problems, f"that of {folder.name}")


def _is_of_the_end(facts: Facts, told: Mapping[str, Any]) -> bool:
    """Return whether an evaluation is the one of the run's end, and no later one of other roundings.

    Of a GPU that is not known: it rounds the same work otherwise the next time.
    """
    result, environment = facts.result or {}, [facts.read("environment"), *facts.environments][-1]
    gone = abs(len(told.get("bad_samples") or []) - len(result.get("bad_samples") or []))
    if not gone and not may_be_rounded(told["correct"], result["correct"], told["seen"]):
        return True
    is_there = all(told.get(name) == environment.get(name) for name in (*_MADE_ON, "threads"))
    is_exact = environment.get("device") == "cpu" or facts.recipe.execution.deterministic
    return is_there and is_exact and not gone and told.get("engine") == "reference"


_MADE_ON = ("device", "cpu", "torch")


def _majority(result: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    rows = told.get("per_class")
    if not result.get("majority_class") or not isinstance(rows, list):
        return
    most = max(rows, key=lambda row: row["samples"])
    share = most["samples"] / told["seen"]
    if (result["majority_class"], result.get("majority_accuracy")) != (most["class"], share):
        yield f"most images are of {most['class']!r}, {share:.4f}, not {result['majority_class']!r}"


PROMISES = (
    Promise(
        "scores",
        "counts that agree in all, by class and in the confusions",
        "they are the same answers",
        scores,
    ),
    Promise(
        "by class",
        "the shares of each class that the confusions give, in every table",
        "a class is not recognised better than its answers were",
        by_class,
    ),
    Promise(
        "each image once",
        "an answer to every image of the set, and those of the counts and tables",
        "images that are counted twice or left out shift the score",
        each_once,
        reads_all=True,
    ),
    Promise(
        "its own data",
        "evaluations of the run's data, split and classes by its fingerprint",
        "scores on training images say nothing of others",
        on_its_data,
    ),
    Promise(
        "result",
        "the score of the last step's weights on the test images",
        "it is what is compared with others",
        is_the_result,
    ),
)
