"""What is compared: runs in groups that differ in nothing but the seed, or evaluations of networks."""

import dataclasses
import json
import shlex
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnetlab.base.paths import as_word, user_path
from resnetlab.base.reading.plain import read_json
from resnetlab.errors import DataError, ResnetlabError, UsageError
from resnetlab.evaluation.views import SINGLE, VIEWS, name_in
from resnetlab.reporting.groups import Group, group_runs, key_of, names_apart
from resnetlab.reporting.reading import RecordedRun, find_runs, read_run, refuse
from resnetlab.runs.directory import is_run

_SCORES = "scores.json"
_MORE = "`resnetlab compare` takes runs, folders of runs, and folders that `resnetlab eval` wrote."


@dataclass(frozen=True, kw_only=True)
class Member:
    """One trained network, as it was scored."""

    path: Path
    """The run, or the folder of the evaluation."""
    run: RecordedRun | None
    """The run that it is of, if that is known."""
    data: str
    fingerprint: str
    split: str
    correct: int
    seen: int
    step: int
    weights: str
    """Of a run: weights, or averaged weights."""
    views: str
    """Of each image: single, or those whose answers were averaged."""
    answers: Path
    """The folder with its answers.npz, if there is one."""
    command: str
    """What is typed to have its answers written."""

    @property
    def error(self) -> float:
        """In %."""
        return 100 * (self.seen - self.correct) / self.seen

    @property
    def seed(self) -> int | None:
        """The seed of its run."""
        return self.run.seed if self.run else None

    @property
    def is_of_a_run(self) -> bool:
        """Whether it is the run's own result, not an evaluation."""
        return self.run is not None and self.run.path == self.path

    @property
    def held_out(self) -> tuple[int, ...]:
        """Where the split depends on it, the images that were held out for validation."""
        if self.run is None or self.split not in ("val", "train"):
            return ()
        return tuple(self.run.data["val_indices"])


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of those that are compared: networks that differ in nothing but the seed."""

    letter: str
    name: str
    members: tuple[Member, ...]
    """By seed."""
    group: Group | None
    """The runs, where it is their own results that are compared."""

    @property
    def run(self) -> RecordedRun | None:
        """The first of its runs, which stands for all in everything but the seed."""
        return self.members[0].run

    @property
    def by_seed(self) -> Mapping[int | None, Sequence[Member]]:
        """Its members by seed: a seed can have been made twice."""
        found: dict[int | None, list[Member]] = defaultdict(list)
        for member in self.members:
            found[member.seed].append(member)
        return found

    @property
    def errors(self) -> tuple[float, ...]:
        """The error in % of each seed; of a seed's several runs the mean."""
        return tuple(statistics.fmean(m.error for m in members) for members in self.by_seed.values())

    @property
    def mean(self) -> float:
        """The mean of the errors."""
        return statistics.fmean(self.errors)

    @property
    def std(self) -> float | None:
        """Their sample standard deviation; none of one."""
        return statistics.stdev(self.errors) if len(self.errors) > 1 else None

    @property
    def title(self) -> str:
        """Letter and name: "A (resnet20)"; a long name stands in the table alone."""
        return f"{self.letter} ({self.name})" if len(self.name) <= 32 else self.letter


def sides_of(groups: Iterable[Group]) -> list[Side]:
    """Return groups of runs as sides, those without a finished run left out."""
    kept = [group for group in groups if group.finished]
    names = _apart(names_apart(kept), [group.runs[0].path for group in kept])
    return [_side(group, name, index) for index, (group, name) in enumerate(zip(kept, names, strict=True))]


def _side(group: Group, name: str, index: int) -> Side:
    members = tuple(map(_member, group.finished))
    return Side(letter=_letter(index), name=name, members=members, group=group)


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"S{index + 1}"


def _apart(names: Sequence[str], paths: Sequence[Path]) -> list[str]:
    """Return the names; of those that are equal, with where each lies."""
    counts = Counter(names)
    return [name if counts[name] == 1 else f"{name}, {path}" for name, path in zip(names, paths, strict=True)]


def _member(run: RecordedRun) -> Member:
    return Member(
        path=run.path,
        run=run,
        data=str(run.data["name"]),
        fingerprint=str(run.data["fingerprint"]),
        split="test",
        correct=run.result["correct"],
        seen=run.result["seen"],
        step=run.step,
        weights=str(run.result.get("weights", "weights")),
        views=SINGLE,
        answers=run.path / "eval" / f"step-{run.step:08d}-test",
        command=f"resnetlab eval {as_word(run.path)}",
    )


def find_sides(paths: Sequence[str | Path]) -> tuple[list[Side], list[str]]:
    """Return what is to be compared, at least two sides, and notes on what is left out.

    Runs are put into groups that differ in nothing but the seed, wherever they lie. If there is one such
    group alone, each path is a side, so that two runs of one recipe can be compared, or two studies.

    Raises:
        UsageError: If there is nothing at a path, one thing is named twice, or there is only one side.
        DataError: If files are damaged; all problems are named at once.
    """
    by_path: dict[Path, list[RecordedRun]] = {}
    evaluations: list[Member] = []
    problems: list[ResnetlabError] = []
    for path in map(user_path, paths):
        try:
            if not is_run(path) and (path / _SCORES).is_file():
                evaluations.append(_read_evaluation(path))
            else:
                by_path.setdefault(path, []).extend(_read_runs(path))
        except ResnetlabError as error:
            problems.append(error)
    refuse(problems)
    _refuse_twice([*((run.path, str(p)) for p, runs in by_path.items() for run in runs)])
    _refuse_twice([(member.path, str(member.path)) for member in evaluations])
    unfinished = [run for runs in by_path.values() for run in runs if not run.is_finished]
    notes = [f"left out, as it is not at its end: {run.path}, {run.progress}" for run in unfinished]
    return _lettered([*_sides_of_runs(by_path), *_sides_of_evaluations(evaluations)], notes), notes


def _read_runs(path: Path) -> list[RecordedRun]:
    found, problems = find_runs([path])
    for problem in problems:
        problem.hint = _MORE if path.exists() else problem.hint
    runs = []
    for each in found:
        try:
            runs.append(read_run(each))
        except ResnetlabError as error:
            problems.append(error)
    refuse(problems)
    return runs


def _refuse_twice(named: Sequence[tuple[Path, str]]) -> None:
    """Raise UsageError if one thing is there by two of the names."""
    seen: dict[Path, str] = {}
    for path, by in named:
        if (real := path.resolve()) in seen:
            before = seen[real]
            told = f"{path} is named twice" if by == before else f"{before} and {by} both hold {path}"
            raise UsageError(f"the same thing twice: {told}", hint="A comparison is of different networks.")
        seen[real] = by


def _sides_of_runs(by_path: Mapping[Path, Sequence[RecordedRun]]) -> list[Side]:
    """Return the finished runs as sides, in the order of the paths; of one path, in a report's."""
    finished = {path: [run for run in runs if run.is_finished] for path, runs in by_path.items()}
    groups = group_runs(run for runs in finished.values() for run in runs)
    if len(groups) == 1 and sum(map(bool, finished.values())) > 1:  # then each path is a side
        parts = [group_runs(runs)[0] for runs in finished.values() if runs]
        names = [str(path) for path, runs in finished.items() if runs]
        return [_side(group, name, 0) for group, name in zip(parts, names, strict=True)]
    order = {run.path: index for index, runs in enumerate(finished.values()) for run in runs}
    return sides_of(sorted(groups, key=lambda group: min(order[run.path] for run in group.runs)))


def _read_evaluation(path: Path) -> Member:
    """Return the network that an evaluation is of.

    Raises:
        DataError: If its scores.json is damaged.
    """
    file = path / _SCORES
    try:
        scores = read_json(file)
        wrong = _wrong_of(scores)
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    if wrong:
        raise DataError(f"{file} is damaged: {wrong}", hint="`resnetlab eval` writes it anew.")
    above = path.absolute().parent.parent
    run = read_run(above) if is_run(above) else None
    return Member(
        path=path,
        run=run,
        data=scores["data"],
        fingerprint=scores["fingerprint"],
        split=scores["split"],
        correct=scores["correct"],
        seen=scores["seen"],
        step=scores["step"],
        weights=scores["weights"],
        views=name_in(scores),
        answers=path,
        command=_command(path, scores, run),
    )


def _command(path: Path, scores: Mapping[str, Any], run: RecordedRun | None) -> str:
    """Return what is typed to make an evaluation anew; of data, only the name is known."""
    words = ["resnetlab", "eval", scores["checkpoint"]]
    if run is None or run.data["fingerprint"] != scores["fingerprint"]:
        words += ["--data", scores["data"]]
    if run is not None and run.result.get("weights") == "averaged weights" != scores["weights"]:
        words += ["--weights", "plain"]
    if (views := name_in(scores)) != SINGLE:
        words += ["--views", views]
    return shlex.join([*words, "--split", scores["split"], "-o", str(path)])


def _wrong_of(scores: Any) -> str:
    if not isinstance(scores, dict):
        return "not a JSON object"
    texts = [
        n
        for n in ("data", "fingerprint", "split", "weights", "checkpoint")
        if not isinstance(scores.get(n), str)
    ]
    counts = [n for n in ("correct", "seen", "step") if type(scores.get(n)) is not int or scores[n] < 0]
    if texts or counts:
        return ", ".join(f"{name} is {scores.get(name)!r}" for name in (*texts, *counts))
    if not 0 < scores["seen"] >= scores["correct"]:
        return f"{scores['correct']:,} of {scores['seen']:,} right"
    if name_in(scores) not in VIEWS:
        return f"views is {scores['views']!r}"
    return ""


def _sides_of_evaluations(evaluations: Iterable[Member]) -> list[Side]:
    """Return the evaluations, those of runs that differ in nothing but the seed as one side.

    If that leaves one alone, each is a side.
    """
    alike: dict[str, list[Member]] = defaultdict(list)
    for member in evaluations:
        facts = [member.fingerprint, member.split, member.step, member.weights, member.views]
        alike[json.dumps([key_of(member.run), *facts]) if member.run else str(member.path)].append(member)
    sides = [*alike.values()]
    if len(sides) == 1:
        sides = [[member] for member in sides[0]]
    names = []
    for members in sides:
        run = members[0].run
        names.append(f"{run.spec.name}, {run.recipe.name}" if run else str(members[0].path))
    named = zip(sides, _apart(names, [members[0].path for members in sides]), strict=True)
    return [
        Side(letter="", name=name, members=tuple(sorted(those, key=lambda m: m.seed or 0)), group=None)
        for those, name in named
    ]


def _lettered(sides: Sequence[Side], notes: Sequence[str]) -> list[Side]:
    """Return the sides with their letters.

    Raises:
        UsageError: If there are not two; it has the notes.
    """
    if len(sides) < 2:
        what = f"{sides[0].name} has nothing to be compared with" if sides else "there is nothing to compare"
        if sides and (count := len(sides[0].members)) > 1:
            what += f": its {count} runs differ in nothing but the seed"
        raise UsageError("\n".join([what, *notes]), hint=f"Name two or more. {_MORE}")
    names = _apart([side.name for side in sides], [side.members[0].path for side in sides])
    return [
        dataclasses.replace(side, letter=_letter(index), name=name)
        for index, (side, name) in enumerate(zip(sides, names, strict=True))
    ]
