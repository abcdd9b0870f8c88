"""What a run's files say, read once, for all who check it. Imports no torch."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

from resnetlab.auditing.finding import NotTold
from resnetlab.base.reading.plain import is_count, is_number, read_json
from resnetlab.base.units import Duration
from resnetlab.errors import CheckpointError, ResnetlabError
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.due import Due
from resnetlab.recipe.epoch_size import epoch_sizes
from resnetlab.recipe.schedule import LearningRate
from resnetlab.recipe.settings import recipe_from_json
from resnetlab.recipe.timeline import Timeline
from resnetlab.runs.directory import BAD_SAMPLE, CONTINUES, RunDirectory
from resnetlab.runs.journal import read_content, read_rows
from resnetlab.runs.manifest import NAME, list_checkpoints, read_manifest

Row = Mapping[str, Any]

_MOST_ASKED = 8
"""Evaluations that are asked how many images an epoch has."""

_ENOUGH = 32
"""Problems by which an epoch is not of that many images."""

SLACK = 1e-9
"""Relative: what another machine's libm may round otherwise."""


def first_line(error: BaseException) -> str:
    """Return what an error says, in a line."""
    return str(error.args[0] if error.args else error).split("\n")[0]


def is_close(one: object, other: object, slack: float = SLACK) -> bool:
    """Return whether two values of files are the same number."""
    if not (is_number(one) and is_number(other)):
        return False
    return abs(one - other) <= slack * max(abs(one), abs(other))


def is_near(one: object, other: float) -> bool:
    """Return whether a value of a file is this number, of which little may be left near 0."""
    return is_close(one, other) or (is_number(one) and abs(one - other) < 1e-12)


_ROUNDED = 0.002
"""Share of the images of which the roundings of another device or build may decide, if not of one."""

_WHOLE = 1e-5
"""How far a share times its images may be from a whole number, which rounding keeps below 1e-9."""


def may_be_rounded(one: int, other: int, seen: int) -> bool:
    """Return whether the roundings of another device or build may make two such counts of right answers."""
    return abs(one - other) <= max(1, _ROUNDED * seen)


def is_share_of(share: float, seen: int) -> bool:
    """Return whether a share is one of a whole number of so many images."""
    return abs(share * seen - round(share * seen)) <= _WHOLE


@dataclass(frozen=True)
class Stretch:
    """Steps that were made under one length: a run that trains on from another one has several."""

    after: int
    """The first of them follows so many updates."""
    last: int
    """The updates that are made at its end, as far as the run has come."""
    recipe: Recipe

    def timeline(self, size: int) -> Timeline:
        """Return its timeline if an epoch has so many images."""
        run = self.recipe.run
        return Timeline(num_samples=size, batch=run.batch, length=run.length, cycle_epochs=run.cycle_epochs)

    def rate(self, size: int) -> LearningRate:
        """Return its learning rate."""
        return LearningRate(self.recipe.schedule, self.timeline(size))

    def due(self, size: int) -> Due:
        """Return what is written down when."""
        return Due(self.recipe.run, self.timeline(size))


@dataclass(frozen=True)
class KeptCheckpoint:
    """A checkpoint that is there."""

    step: int
    """By its name."""
    path: Path
    state: Row | None
    """What its state.json says; None if that cannot be read."""


class Facts:
    """A run's files. What cannot be read raises NotTold where it is asked for.

    Args:
        run: The run's directory.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run

    @property
    def path(self) -> Path:
        """The run's directory."""
        return self.run.path

    @staticmethod
    def _told(read: Callable[[], Any]) -> Any:
        try:
            return read()
        except ResnetlabError as error:
            raise NotTold(first_line(error)) from error

    def read(self, name: str) -> Row:
        """Return what NAME.json says."""
        found: Row = self._told(lambda: self.run.read(name))
        return found

    @cached_property
    def identity(self) -> str:
        """The run's identity."""
        found: str = self._told(self.run.identity)
        return found

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe."""
        found: Recipe = self._told(lambda: recipe_from_json(self.run.read("recipe")))
        return found

    @cached_property
    def spec(self) -> ModelSpec:
        """The network."""
        found: ModelSpec = self._told(lambda: ModelSpec.from_json(self.run.read("spec")))
        return found

    @cached_property
    def data(self) -> Row:
        """What data.json says."""
        return self.read("data")

    @cached_property
    def result(self) -> Row | None:
        """What RESULT.json says; None of a run that is not at its end."""
        return self.read("RESULT") if self.run.is_finished else None

    @cached_property
    def rows(self) -> Sequence[Row]:
        """The rows of metrics.jsonl, each with what every row has."""
        rows: list[Row] = self._told(lambda: read_rows(self.run.metrics))
        for number, row in enumerate(rows, start=1):
            if row.get("kind") not in ("train", "val", "test") or not is_count(row.get("step")):
                raise NotTold(f"metrics.jsonl, line {number}: no row with its kind and step")
        return rows

    @cached_property
    def evaluations(self) -> Sequence[Row]:
        """Those of evaluations."""
        return [row for row in self.rows if row["kind"] != "train"]

    @cached_property
    def events(self) -> Sequence[Row]:
        """The rows of events.jsonl."""
        rows: list[Row] = self._told(lambda: read_rows(self.run.events, passes_over_damage=True))
        return rows

    @cached_property
    def are_events_damaged(self) -> bool:
        """Whether events.jsonl has lines that are none: a power cut may leave zeros in its midst."""
        content: bytes = self._told(lambda: read_content(self.run.events))
        return content.count(b"\n") != len(self.events)

    @cached_property
    def unsaid_saves(self) -> Sequence[tuple[int, int]]:
        """The steps, from one to another, whose saves a kill may have cut off events.jsonl.

        A checkpoint comes before its event: a run goes on at one that no event tells of, from wherever the
        events of the process before end.
        """
        found: list[tuple[int, int]] = []
        at, saved = 0, {0}
        for row in self.events:
            if not is_count(step := row.get("step")):
                continue
            if row.get("event") == "resume" and step not in saved and not self.is_before(step):
                found += [(at, step)] if at <= step else []
            at = step
            saved |= {step} if row.get("event") in ("save", "resume") else set()
        return found

    def may_be_unsaid(self, step: int) -> bool:
        """Return whether a kill may have cut the event of a step's save off."""
        return any(first <= step <= last for first, last in self.unsaid_saves)

    @property
    def may_lack_events(self) -> bool:
        """Whether a kill or a power cut has, or may have, cut events off or destroyed some."""
        has_end = any(row.get("event") == "end" for row in self.events)
        return self.are_events_damaged or bool(self.unsaid_saves) or (bool(self.result) and not has_end)

    def happened(self, *kinds: str) -> list[Row]:
        """Return the events of these kinds."""
        return [row for row in self.events if row.get("event") in kinds]

    @cached_property
    def has_broken(self) -> bool:
        """Whether training left broken images out, so that its batches may have had fewer."""
        return any(row.get("part") == "train" for row in self.happened(BAD_SAMPLE))

    @cached_property
    def continues(self) -> Row:
        """What continues.json says; empty if the run goes on from none."""
        return self.read(CONTINUES) if self.run.continues else {}

    def is_before(self, step: int) -> bool:
        """Return whether a step may be one of the run that this one goes on from."""
        return bool(self.continues) and step <= self.continues.get("step", 0)

    @cached_property
    def last(self) -> int:
        """The last update that a row or the result tells of."""
        ends = [row["step"] for row in self.rows[-1:]]
        ends += [step for step in [(self.result or {}).get("step")] if is_count(step)]
        return max(ends, default=0)

    @cached_property
    def stretches(self) -> Sequence[Stretch]:
        """The run's steps by the length that they were made under, the first ones first."""
        before: list[tuple[int, str]] = []
        record: Any = self.continues
        while isinstance(record, Mapping) and record:
            if not is_count(record.get("step")):
                raise NotTold("continues.json does not say from which step on")
            before.append((record["step"], str(record.get("length"))))
            earlier = record.get("before")
            record = earlier[0] if isinstance(earlier, list) and earlier else {}
        found: list[Stretch] = []
        after = 0
        for step, length in reversed(before):
            run = self._told(partial(Duration.parse, length))
            found.append(Stretch(after, step, _with_length(self.recipe, run)))
            after = step
        return [*found, Stretch(after, max(self.last, after), self.recipe)]

    def stretch_of(self, step: int) -> Stretch:
        """Return the stretch in which a step was made, as `step` updates are made after it."""
        return next(each for each in self.stretches if step <= each.last or each is self.stretches[-1])

    @cached_property
    def sizes(self) -> Sequence[int]:
        """How many images an epoch can have, by most of what the run tells of its steps and epochs."""
        told = [*self.evaluations]
        told = told[:: -(-len(told) // _MOST_ASKED)] if told else []
        pairs = [(row["step"], row.get("epoch")) for row in [*told, *self.evaluations[-1:]]]
        if self.result:
            pairs.append((self.result.get("step"), self.result.get("epochs")))
        votes = Counter(
            size
            for step, epoch in pairs
            if is_count(step) and is_number(epoch)
            for size in epoch_sizes(self.stretch_of(step).recipe.run, step, epoch)
        )
        if not votes:
            raise NotTold("no evaluation yet that tells how many images an epoch has")
        most = max(votes.values())
        return sorted(size for size, count in votes.items() if count == most)

    @property
    def least_num_steps(self) -> int:
        """The steps of the whole run, or what it has of them at least."""
        return min(self.stretches[-1].timeline(size).num_steps for size in self.sizes)

    def least(self, problems_of: Callable[[int], Iterable[str]]) -> list[str]:
        """Return the problems for that size of an epoch, of those that can be, for which they are fewest.

        There may be a thousand sizes, each with a problem at every row: more than `_ENOUGH` are not counted.
        """
        fewest, best = _ENOUGH, self.sizes[0]
        for size in self.sizes:
            count = sum(1 for _ in islice(problems_of(size), fewest))
            if count < fewest:
                fewest, best = count, size
            if not fewest:
                return []
        return [*problems_of(best)]

    @cached_property
    def checkpoints(self) -> Sequence[KeptCheckpoint]:
        """Those of the run by their steps, without superseded ones that a power cut left half removed."""
        paths = list_checkpoints(self.run.checkpoints)
        superseded = {step for step, _ in paths[: -self.recipe.run.keep_checkpoints]}
        return [
            KeptCheckpoint(step, path, _state(path))
            for step, path in paths
            if step not in superseded or not _is_torn(path)
        ]

    @cached_property
    def environments(self) -> Sequence[Row]:
        """What the run's starts say of where it was made."""
        return [e for row in self.events if isinstance(e := row.get("environment"), Mapping)]


def _with_length(recipe: Recipe, length: Duration) -> Recipe:
    return replace(recipe, run=replace(recipe.run, length=length))


def _is_torn(path: Path) -> bool:
    """Return whether files of a checkpoint are gone, or what says which there were."""
    if not (path / NAME).exists():
        return True
    try:
        return any(not (path / name).exists() for name in read_manifest(path)["files"])
    except CheckpointError:
        return False


def _state(path: Path) -> Row | None:
    try:
        found = read_json(path / "state.json")
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
