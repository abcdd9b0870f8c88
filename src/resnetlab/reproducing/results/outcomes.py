"""What records say of the rows of a table: errors over seeds beside the published ones. No torch."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.reporting.groups import Published
from resnetlab.reporting.reading import US
from resnetlab.reporting.records.collecting import Found
from resnetlab.reporting.records.record import Record
from resnetlab.reproducing.budgets import BUDGETS, Budget
from resnetlab.reproducing.datasets import DATASETS
from resnetlab.reproducing.reproduction import Reproduction, Row
from resnetlab.show.tables.differences import decided_for_us, differing_fields, differing_leaves


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A row at one budget: its records, one for each seed, which differ in nothing else."""

    row: Row
    budget: str
    records: tuple[Record, ...]
    """By seed; none if no run has ended."""
    deviations: tuple[str, ...] = ()
    """What these runs have otherwise than the row: "length=6400st (64000st)"."""
    made_by: str = US
    """Who made them: us, or a reader."""

    @property
    def name(self) -> str:
        """The row's name, and who made it if it was not us."""
        return self.row.name if self.made_by == US else f"{self.row.name}, by {self.made_by}"

    @property
    def is_full(self) -> bool:
        """Whether it was made at the length, on the data and by the recipe that were published."""
        is_whole = self.budget in BUDGETS and BUDGETS[self.budget].is_full
        own = all(deviation_name(text) in _OF_THE_MACHINE for text in self.deviations)
        return self.is_of_its_data and is_whole and own

    @property
    def is_of_its_data(self) -> bool:
        """Whether it was made on the data that was published."""
        is_other = self.budget in BUDGETS and BUDGETS[self.budget].data not in ("", self.row.data)
        return not is_other and all(is_of_data(self.row, record) for record in self.records)

    @property
    def published(self) -> Published | None:
        """The published error, where it is of the same data."""
        return self.row.published if self.is_of_its_data else None

    @property
    def n(self) -> int:
        """Seeds."""
        return len(self.records)

    @property
    def errors(self) -> tuple[float, ...]:
        """Test error in % of the last step, by seed."""
        return tuple(record.test.error for record in self.records)

    @property
    def by_rule(self) -> tuple[float, ...]:
        """The test error in % as the row's source tells it, by seed."""
        if self.row.rule == "last":
            return self.errors
        return self.best_errors

    @property
    def best_errors(self) -> tuple[float, ...]:
        """The least test error in % of all evaluations, by seed; of the last step if it is all there is."""
        return tuple((record.best_test or record.test).error for record in self.records)

    @property
    def train_errors(self) -> tuple[float, ...]:
        """The training error in % at the end, by seed; none if it is not of as many steps in all runs."""
        return tuple(record.train_error for record in self.records) if len(self.train_steps) == 1 else ()

    @property
    def train_steps(self) -> set[int]:
        """Of how many steps at the end the training error is."""
        return {_train_steps(record) for record in self.records}

    @property
    def difference(self) -> float | None:
        """Ours less the published error, in points; none if one is not known, or that is of several views."""
        published = self.published_mean
        if published is None or not self.records or self.row.views != "single":
            return None
        return statistics.fmean(self.by_rule) - published

    @property
    def published_mean(self) -> float | None:
        """The published mean, or the published error if there is none."""
        published = self.published
        if published is None:
            return None
        return published.error if published.mean is None else published.mean

    @property
    def standard_errors(self) -> float | None:
        """The difference in standard errors; none of less than two seeds, or unless `is_full`.

        Of a published mean the standard error is its own; a single published run counts as a draw from runs
        that spread as ours do. What else is told of several runs, such as a median alone, gives none.
        """
        if self.difference is None or self.n < 2 or not self.is_full:
            return None
        assert self.published is not None
        own, theirs, runs = statistics.variance(self.by_rule), self.published.std, self.published.runs
        if theirs is None and runs > 1:
            return None
        spread = own / self.n + (own if theirs is None else theirs**2 / runs)
        return self.difference / math.sqrt(spread) if spread else None

    @property
    def is_in_band(self) -> bool | None:
        """Whether the mean lies in the band that the source's own check accepts; none unless `is_full`."""
        if not self.row.band or not self.records or not self.is_full:
            return None
        low, high = self.row.band
        return low <= statistics.fmean(self.by_rule) <= high


_OF_THE_MACHINE = ("precision",)
"""Deviations that leave the recipe what it is; compiled and captured kernels are none at all."""


def outcomes_of(reproduction: Reproduction, budget: Budget, records: Iterable[Found]) -> list[Outcome]:
    """Return the rows of a reproduction at one budget, in its order, those of which no run has ended too.

    Args:
        reproduction: Which.
        budget: Which.
        records: Of its rows, by the rows' names; those of other reproductions and budgets are passed over.
            Of several of one row, maker, seed and recipe the first counts.
    """
    by_row: dict[str, list[Found]] = {row.name: [] for row in reproduction.rows}
    for found in records:
        record = found.record
        if (record.reproduction, record.budget) == (reproduction.name, budget.name) and record.row in by_row:
            by_row[record.row].append(found)
    return [each for row in reproduction.rows for each in _of_row(row, budget, by_row[row.name])]


def _of_row(row: Row, budget: Budget, records: Sequence[Found]) -> list[Outcome]:
    """Return a row once for each way in which its runs were made, and each who made them."""
    alike: dict[tuple[str, tuple[str, ...]], dict[int, Record]] = {}
    for found in records:
        way = found.made_by, deviations_of(row, found.record)
        alike.setdefault(way, {}).setdefault(found.record.seed, found.record)
    return [
        Outcome(
            row=row,
            budget=budget.name,
            records=tuple(seeds[seed] for seed in sorted(seeds)),
            deviations=deviations,
            made_by=maker,
        )
        for (maker, deviations), seeds in alike.items()
    ] or [Outcome(row=row, budget=budget.name, records=())]


def _train_steps(record: Record) -> int:
    """Return of how many steps the training error is; untold, it is of those since the evaluation before."""
    if record.train_steps is not None:
        return record.train_steps
    before = record.test_curve.step[-2] if len(record.test_curve.step) > 1 else 0
    return round(record.steps - before)


def is_of_data(row: Row, record: Record) -> bool:
    """Return whether a run was made on its row's data, whatever the folder is called that it lies in."""
    wanted, data = DATASETS[row.data], record.data
    if data.name == row.data:
        return True
    if wanted.content:
        return data.content == wanted.content
    return (data.train, data.test, data.classes) == (wanted.train, wanted.test, wanted.classes)


def deviation_name(text: str) -> str:
    """Return which value a deviation is of."""
    return text.partition("=")[0]


def deviations_of(row: Row, record: Record) -> tuple[str, ...]:
    """Return what a run has otherwise than its row says: data, beginning, recipe, knobs of the network."""
    own, spec = row.spec(), record.spec
    recipe = override(named_recipe(row.recipe, own.depth), row.values)
    told = [] if is_of_data(row, record) else [f"data={record.data.name} ({row.data})"]
    told += [f"weights={record.first_weights[:12]} (the seed's)"] if record.first_weights else []
    told += [f"continued={before.length} (none)" for before in record.continued]
    silent = {"seed"} | decided_for_us(begins_trained=False)
    told += [
        f"{name}={now.text or 'none'} ({then.text or 'none'})"
        for name, (then, now) in differing_leaves(recipe, record.settings).items()
        if name not in silent
    ]
    fitted = own.with_(classes=spec.classes, in_channels=spec.in_channels)
    origin = ("source", "published_parameters", "published_multiply_adds")
    told += [
        f"{name}={new} ({old})"
        for name, (old, new) in differing_fields(fitted, spec).items()
        if name not in origin
    ]
    return tuple(told)


def adopted_as(record: Record, reproduction: str, row: str, budget: str) -> Record:
    """Return a record that was made for another table as one of this row."""
    return replace(record, reproduction=reproduction, row=row, budget=budget)
