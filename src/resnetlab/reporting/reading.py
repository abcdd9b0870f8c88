"""The run directories at and below given paths, and what each says of its run, checked. Imports no torch."""

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

from resnetlab.base.paths import user_path
from resnetlab.errors import DataError, ResnetlabError, UsageError
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.settings import recipe_from_json
from resnetlab.reporting.growing import GrowingRows, Row
from resnetlab.reporting.values import is_count, is_share
from resnetlab.runs.directory import CONTINUES, RunDirectory, is_run, meant_run
from resnetlab.runs.journal import read_rows

STUDY = "study.json"
"""In a folder: the runs that are planned there."""


def find_runs(paths: Sequence[str | Path]) -> tuple[list[Path], list[ResnetlabError]]:
    """Return the runs at `paths` and below them, each once, and what is wrong with the paths.

    Folders are searched in the order of their names; a run is not searched, nor is a hidden folder.
    """
    found: dict[Path, Path] = {}
    problems: list[ResnetlabError] = []
    for path in map(user_path, paths):
        runs: list[Path] = []
        try:
            runs = [*_search(path)]
        except OSError as error:
            problems.append(UsageError(f"{error.filename or path}: cannot be read ({error.strerror})"))
        else:
            problems += [] if runs else [_nothing_at(path)]
        for run in runs:
            found.setdefault(run.resolve(), run)
    return [*found.values()], problems


def _search(path: Path) -> Iterator[Path]:
    if is_run(path):
        yield path
        return
    if not os.path.isdir(path):
        return
    folders = [entry for entry in os.scandir(path) if entry.is_dir() and not entry.name.startswith(".")]
    for entry in sorted(folders, key=lambda entry: by_number(entry.name)):
        folder = path / entry.name
        if not entry.is_symlink():
            yield from _search(folder)
        elif is_run(folder):  # a link to a folder of runs could lead in a circle
            yield folder


def by_number(name: str) -> tuple[str | int, ...]:
    """Return a key that puts seed2 before seed10: texts and numbers in turn."""
    return tuple(int(part) if odd % 2 else part for odd, part in enumerate(re.split(r"([0-9]+)", name)))


def _nothing_at(path: Path) -> UsageError:
    if not os.path.lexists(path):
        return UsageError(f"no run at {path}: there is no such directory", hint=meant_run(path))
    if not path.is_dir():
        return UsageError(
            f"no run at {path}: it is a file", hint="Name a run's directory, a folder of runs, or a record."
        )
    if (path / STUDY).is_file():
        return UsageError(
            f"no run at {path} yet: a study is written down there, and none of its runs has begun",
            hint="The command that wrote it makes them; runs that were made elsewhere are not in it.",
        )
    return UsageError(
        f"no run at {path} or below it: no directory there holds a recipe.json",
        hint="`resnetlab train` makes one with --out.",
    )


US = "us"
"""Those who keep a folder of records, beside the readers who send some in."""

_MOST_PROBLEMS = 20
"""Problems that are told one by one."""


@dataclass(frozen=True, kw_only=True)
class RecordedRun:
    """A run as its directory tells it."""

    path: Path
    spec: ModelSpec
    recipe: Recipe
    data: Row
    """data.json: name, class names, fingerprint, ..."""
    weights: Row
    """weights.json, of a run that began with trained weights; else empty."""
    continues: Row
    """continues.json, of a run that went on from another one; else empty."""
    rows: Sequence[Row]
    """metrics.jsonl; of very many neighbours are joined: `GrowingRows`."""
    events: Sequence[Row]
    """events.jsonl."""
    result: Row
    """RESULT.json; empty if the run did not come to its end."""
    made_by: str = ""
    """Of a record who made the run: `US`, or a reader; of a run's directory nobody is told."""
    also_at: tuple[Path, ...] = ()
    """Where the same run was found again."""

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.recipe.run.seed

    @property
    def first_weights(self) -> str:
        """The hash of the trained weights that the run began with; "" if it began with the seed's."""
        return str(self.weights.get("origin_sha256") or self.weights.get("sha256") or "")

    @property
    def before(self) -> tuple[tuple[Any, Any], ...]:
        """Of each run that this one went on from, the newest first: at which step, how long it was to be."""
        found, record = [], self.continues
        while record:
            found.append((record.get("step"), record.get("length")))
            before = record.get("before")
            record = before[0] if isinstance(before, list) and before and isinstance(before[0], dict) else {}
        return tuple(found)

    @property
    def lengths_before(self) -> tuple[str, ...]:
        """The same in words."""
        return tuple(f"step {step} of {length}" for step, length in self.before)

    @property
    def machines(self) -> frozenset[str]:
        """The devices, or processors, that it was made on."""
        environments = [row.get("environment") for row in self.events]
        those = [e for e in environments if isinstance(e, dict) and isinstance(e.get("device"), str)]
        return frozenset(str(e.get("cpu")) if e["device"] == "cpu" else e["device"] for e in those)

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return bool(self.result)

    @property
    def error(self) -> float:
        """The test error in %: last step, single view. Of finished runs only."""
        return 100 * float(self.result["seen"] - self.result["correct"]) / int(self.result["seen"])

    @cached_property
    def evaluations(self) -> tuple[Row, ...]:
        """The rows of evaluations: on the test set, or on the validation samples if there are any."""
        return tuple(row for row in self.rows if row["kind"] != "train")

    @property
    def watched(self) -> str:
        """What the evaluations during training are of: test or val."""
        return str(self.evaluations[-1]["kind"]) if self.evaluations else "test"

    @property
    def step(self) -> int:
        """The last update that the directory tells of."""
        if self.is_finished:
            return int(self.result["step"])
        last = self.events[-1].get("step") if self.events else 0
        return max(last if is_count(last) else 0, int(self.rows[-1]["step"]) if self.rows else 0)

    @property
    def num_steps(self) -> int | None:
        """Updates of the whole run; none if its length is in epochs and it evaluated nothing yet."""
        length, batch, cycle = self.recipe.run.length, self.recipe.run.batch, self.recipe.run.cycle_epochs
        if length.unit == "st":
            return length.count
        if not self.evaluations or not (row := self.evaluations[-1]).get("epoch"):
            return None
        if not cycle:
            samples: int = round(row["step"] * batch / row["epoch"])
            return -(-length.count * samples // batch)
        steps = row["step"] * length.count / row["epoch"]  # whole cycles are of equally many steps
        is_whole = row["epoch"] % cycle == 0 and length.count % cycle == 0
        return round(steps) if is_whole else None

    @property
    def progress(self) -> str:
        """How far it is: "step 3,000 of 5,860"."""
        whole, length = self.num_steps, self.recipe.run.length
        of = f"{whole:,}" if whole else f"{length.count:,} epochs"
        return f"step {self.step:,} of {of}"

    @property
    def resumed_at(self) -> tuple[int, ...]:
        """The steps after which the run was begun again."""
        steps = [row.get("step") for row in self.events if row.get("event") == "resume"]
        return tuple(step for step in steps if is_count(step) and step > 0)


def read_runs(paths: Sequence[str | Path]) -> list[RecordedRun]:
    """Return the runs at `paths` and below them.

    Raises:
        UsageError: If there is none at one of them.
        DataError: If a run's files are damaged; all problems are named at once.
    """
    if not paths:
        raise UsageError("no path of a run", hint="Name a run's directory, or a folder of runs.")
    found, problems = find_runs(paths)
    runs = []
    for path in found:
        try:
            runs.append(read_run(path))
        except ResnetlabError as error:
            error.hint = error.hint or "Moved away, what is damaged leaves a report of the others."
            problems.append(error)
    refuse(problems)
    return runs


def refuse(problems: Sequence[ResnetlabError]) -> None:
    """Raise all of them as one: a UsageError if one of them is."""
    if not problems:
        return
    lines = dict.fromkeys(str(problem.args[0]) for problem in problems)
    told = [*lines][:_MOST_PROBLEMS]
    told += [f"... and {len(lines) - len(told)} more"] if len(lines) > len(told) else []
    hints = dict.fromkeys(problem.hint for problem in problems if problem.hint)
    kind = UsageError if any(isinstance(problem, UsageError) for problem in problems) else DataError
    raise kind("\n".join(told), hint="\n".join(hints))


Rows = Callable[[], Sequence[Row]]
"""Reads a journal."""


def read_run(path: Path, *, rows: Rows | None = None, events: Rows | None = None) -> RecordedRun:
    """Return the run in this directory.

    Args:
        path: The directory.
        rows: Returns what is wanted of metrics.jsonl, if not all is: what comes behind the rows that are
            known, or the last ones.
        events: Of events.jsonl.

    Raises:
        DataError: If its files are missing, damaged or contradict each other.
    """
    directory = RunDirectory(path)
    problems: list[ResnetlabError] = []

    def get(read: Any, *arguments: Any, otherwise: Any = None) -> Any:
        try:
            return read(*arguments)
        except UsageError as error:  # of a recipe or a network that cannot be
            problems.append(DataError(f"{path}: {error.args[0]}", hint=error.hint))
        except ResnetlabError as error:
            problems.append(error)
        return otherwise

    recipe = get(lambda: recipe_from_json(directory.read("recipe")))
    spec = get(lambda: _spec(json.dumps(directory.read("spec"))))
    data = get(directory.read, "data", otherwise={})
    metrics = get(rows or GrowingRows(directory.metrics).read, otherwise=())
    happened = get(events or partial(read_rows, directory.events), otherwise=[])
    result = get(directory.read, "RESULT", otherwise={}) if directory.is_finished else {}
    weights = get(directory.read, "weights", otherwise={}) if directory.begins_trained else {}
    continues = get(directory.read, CONTINUES, otherwise={}) if directory.continues else {}
    if not problems:
        texts = [*data_problems(data, spec)]
        texts += [*_result_problems(result)] if directory.is_finished else []
        if data.get("begins_trained") is True and not isinstance(weights.get("sha256"), str):
            texts.append("/weights.json is gone or damaged: by data.json the run began with trained weights")
        problems += [DataError(f"{path}{text}") for text in texts]
    refuse(problems)
    return RecordedRun(
        path=path, spec=spec, recipe=recipe, data=data, weights=weights, continues=continues,
        rows=metrics, events=happened, result=result,
    )  # fmt: skip


@lru_cache(maxsize=256)
def _spec(text: str) -> ModelSpec:
    """Return the network of a spec.json; most runs have the same one as another."""
    return ModelSpec.from_json(json.loads(text))


def data_problems(data: Row, spec: ModelSpec) -> Iterator[str]:
    """Yield what is wrong with data.json, or does not fit the network."""
    names, shape = data.get("class_names"), data.get("image_shape")
    sound = {
        "name": isinstance(data.get("name"), str),
        "fingerprint": isinstance(data.get("fingerprint"), str),
        "class_names": isinstance(names, list) and len(names) > 0,
        "val_indices": isinstance(data.get("val_indices") or [], list),
        "image_shape": isinstance(shape, list) and len(shape) == 3 and all(map(is_count, shape)),
    }
    if damaged := [f"{name} is {data.get(name)!r}" for name, is_sound in sound.items() if not is_sound]:
        yield f"/data.json is damaged: {', '.join(damaged)}"
    elif names is not None and len(names) > spec.classes:
        yield f": data.json has {len(names)} classes, the network of spec.json {spec.classes}"


def _result_problems(result: Row) -> Iterator[str]:
    if wrong := [name for name in ("step", "correct", "seen") if not is_count(result.get(name))]:
        yield f"/RESULT.json is damaged: {', '.join(wrong)} is no count"
        return
    if not 0 < result["seen"] >= result["correct"]:
        yield f"/RESULT.json is damaged: {result['correct']:,} of {result['seen']:,} right"
    elif not is_share(result.get("accuracy")) or not math.isclose(
        result["accuracy"], result["correct"] / result["seen"]
    ):
        yield (
            f"/RESULT.json contradicts itself: an accuracy of {result.get('accuracy')!r} and"
            f" {result['correct']:,} of {result['seen']:,} right"
        )
    seconds = result.get("train_seconds")
    if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        yield f"/RESULT.json is damaged: train_seconds is {seconds!r}"
    if result.get("best_val_step") is not None and not is_count(result["best_val_step"]):
        yield f"/RESULT.json is damaged: best_val_step is {result['best_val_step']!r}, no count"
    for name in ("plain_accuracy", "best_test_accuracy"):
        if result.get(name) is not None and not is_share(result[name]):
            yield f"/RESULT.json is damaged: {name} is {result[name]!r}, not a number in [0, 1]"
