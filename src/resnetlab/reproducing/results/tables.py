"""The table of a reproduction with its notes, the budget first in all of it: text, Markdown, plain data."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from resnetlab.base.units import first_of
from resnetlab.reporting.latex import latex_list, latex_table
from resnetlab.reporting.records.record import Record
from resnetlab.reproducing.budgets import Budget
from resnetlab.reproducing.datasets import DATASETS
from resnetlab.reproducing.described import published_texts
from resnetlab.reproducing.reproduction import Reproduction
from resnetlab.reproducing.results.effects import effects, effects_on_responses
from resnetlab.reproducing.results.outcomes import Outcome
from resnetlab.reproducing.results.responses import LayerResponses, Profile, profile_of
from resnetlab.show.tables.align import WIDTH, markdown_table, markdown_text, table, titled

LEFT = 2
"""Columns of words."""


@dataclass(frozen=True, kw_only=True)
class ResultTable:
    """A reproduction at one budget, as far as its runs have ended."""

    reproduction: Reproduction
    budget: Budget
    outcomes: Sequence[Outcome]
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where records of runs lie that were not made here, by the runs' names."""
    responses: Mapping[str, LayerResponses] = field(default_factory=dict)
    """Of each run, by its record's key, where they are what is reproduced."""

    @property
    def title(self) -> str:
        """The reproduction and the budget."""
        return f"{self.reproduction.name}, budget {self.budget.name}: {self.budget.words}"

    @property
    def records(self) -> list[Record]:
        """All records, in the table's order."""
        return [record for outcome in self.outcomes for record in outcome.records]

    def profile(self, outcome: Outcome) -> Profile | None:
        """Return the layer responses of a row's runs, if there are any."""
        found = [self.responses[each.key] for each in outcome.records if each.key in self.responses]
        return profile_of(found) if found else None

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Return header and rows; columns in which no row has anything are left out."""
        has_rule = any(outcome.row.rule != "last" for outcome in self.outcomes)
        has_seconds = any(outcome.row.seconds_per_epoch for outcome in self.outcomes)
        header = [
            "budget", "row", "n", *_RESPONSE_COLUMNS, "test error, %", *(["by its rule, %"] * has_rule),
            "published, %", "difference", "in std. errors", "training error, %",
            *(["s an epoch", "published s"] * has_seconds),
        ]  # fmt: skip
        rows = [
            [
                outcome.budget,
                outcome.name + self._mark(outcome),
                str(outcome.n),
                *self._profile_cells(outcome),
                _spread(outcome.errors),
                *([_spread(outcome.by_rule)] * has_rule),
                outcome.published.cell if outcome.published else "",
                "" if outcome.difference is None else f"{outcome.difference:+.2f}",
                "" if outcome.standard_errors is None else f"{outcome.standard_errors:+.1f}",
                _spread(outcome.train_errors),
                *(self._seconds(outcome) if has_seconds else ()),
            ]
            for outcome in self.outcomes
        ]
        kept = [i for i, name in enumerate(header) if name in _ALWAYS or any(row[i] for row in rows)]
        return [header[i] for i in kept], [[row[i] for i in kept] for row in rows]

    def _profile_cells(self, outcome: Outcome) -> list[str]:
        profile = self.profile(outcome)
        if profile is None:
            return [""] * len(_RESPONSE_COLUMNS)
        ordered = profile.ranked.mean
        numbers = (statistics.median(ordered), ordered[-1], ordered[0])
        return [str(len(ordered)), _spread(profile.means, digits=3), *(f"{each:.3f}" for each in numbers)]

    def _seconds(self, outcome: Outcome) -> list[str]:
        own = [record.seconds_per_epoch for record in outcome.records]
        published = outcome.row.seconds_per_epoch
        return [f"{statistics.fmean(own):.1f}" if own else "", f"{published:g}" if published else ""]

    def _mark(self, outcome: Outcome) -> str:
        """Return which of the deviations below the table are a row's: " [1]"."""
        ways = self._ways()
        return f" [{ways.index(outcome.deviations) + 1}]" if outcome.deviations else ""

    def _ways(self) -> list[tuple[str, ...]]:
        return [*dict.fromkeys(outcome.deviations for outcome in self.outcomes if outcome.deviations)]

    def notes(self) -> Iterator[tuple[str, str]]:
        """Yield what stands under the table, each a title and a text."""
        yield "budget: ", self._budget_note()
        yield "", _ERRORS + self._training_note() + (_BEST if self.reproduction.rules != {"last"} else "")
        if any(outcome.standard_errors is not None for outcome in self.outcomes):
            yield "", _DIFFERENCE
        if self.responses:
            yield "", _RESPONSES
            profiles = [(each, found) for each in self.outcomes if (found := self.profile(each))]
            for text in effects_on_responses(profiles):
                yield "seen: ", text
        for text in effects(self.outcomes):
            yield "seen: ", text
        for outcome in self.outcomes:
            if outcome.is_in_band is not None and outcome.row.band:
                low, high = outcome.row.band
                where = "in" if outcome.is_in_band else "outside"
                mean = statistics.fmean(outcome.by_rule)
                told = f"{outcome.name}, {mean:.3f} %, is {where} the source's own, {low:.2f} to {high:.2f} %"
                yield "band: ", told
        for number, deviations in enumerate(self._ways(), start=1):
            yield f"[{number}] ", f"otherwise than in its row: {', '.join(deviations)}"
        for text in self.reproduction.deviations:
            yield "deviation: ", text
        used = {self.budget.data or outcome.row.data for outcome in self.outcomes if outcome.records}
        for name in sorted(name for name in used if not DATASETS[name].content):
            yield "data: ", f"{name} was checked by its numbers of images and classes alone"
        yield from self._published()
        yield from self._made()

    def _training_note(self) -> str:
        """Return what the training error is of."""
        by_steps: dict[str, list[str]] = {}
        for outcome in self.outcomes:
            for steps in sorted(outcome.train_steps):
                by_steps.setdefault(f"{steps:,}", []).append(outcome.name)
        if not by_steps:
            return ""
        told = [f"{steps} steps ({first_of(names, 12)})" for steps, names in by_steps.items()]
        of = f"{next(iter(by_steps))} steps" if len(by_steps) == 1 else "; ".join(told)
        return f" Training error: augmented, of the last {of}; runs of unlike numbers of steps have no mean."

    def _profile_json(self, outcome: Outcome) -> dict[str, Any]:
        found = [self.responses.get(each.key) for each in outcome.records]
        return {"responses": [each and [*each.deviations] for each in found]} if self.responses else {}

    def _budget_note(self) -> str:
        if self.budget.is_full:
            return f"{self.budget.name}, {self.budget.words}."
        told = f"{self.budget.name}, {self.budget.words}. Length, warm-up and milestones are shorter alike."
        if self.budget.data:
            return told
        return (
            f"{told} The published numbers are of the whole length: they stand here to be seen, and no row of"
            " this table stands for them."
        )

    def _published(self) -> Iterator[tuple[str, str]]:
        for text in published_texts(
            row for row in self.reproduction.rows if self.budget.data in ("", row.data)
        ):
            yield "published: ", text
        for claim in self.reproduction.claims if not self.budget.data else ():
            yield "published: ", f"{self.reproduction.source}, in words: {claim}"

    def _made(self) -> Iterator[tuple[str, str]]:
        """Yield where and when the runs were made, and by which code."""
        by_place: dict[str, list[Record]] = {}
        for record in self.records:
            place = "; then ".join(_where(record))
            by_place.setdefault(place, []).append(record)
        for place, records in by_place.items():
            dates = sorted(record.ended[:10] for record in records)
            when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
            yield "made: ", f"{first_of([record.name for record in records], 12)}: {place}; {when}"
        if self.origins:
            told = [f"{name} from {place}" for name, place in self.origins.items()]
            yield "records: ", f"not made in this folder: {first_of(told, 12)}"

    def text(self) -> str:
        """Return it in aligned columns."""
        header, rows = self.cells()
        notes = [titled(*note, width=WIDTH) for note in self.notes()]
        return "\n".join([self.title, "", table(header, rows, left=LEFT), "", *notes])

    def __str__(self) -> str:
        return self.text()

    def markdown(self, picture: str = "") -> str:
        """Return it in GitHub's Markdown, with a picture's file if one is named."""
        header, rows = self.cells()
        lines = [f"- {markdown_text(title + text)}" for title, text in self.notes()]
        shown = [f"![{markdown_text(self.title)}]({picture})", ""] if picture else []
        head = [f"## {markdown_text(self.title)}", "", markdown_text(f"{self.reproduction.title}."), ""]
        return "\n".join([*head, *shown, markdown_table(header, rows, left=LEFT), "", *lines])

    def latex(self) -> str:
        """Return it in LaTeX, by booktabs."""
        header, rows = self.cells()
        notes = latex_list([title + text for title, text in self.notes()])
        return f"{latex_table(header, rows, left=LEFT)}\n\n{notes}"

    def to_json(self) -> dict[str, Any]:
        """Return all numbers as plain data."""
        return {
            "reproduction": self.reproduction.name,
            "budget": self.budget.name,
            "budget_words": self.budget.words,
            "rows": [_row_json(outcome) | self._profile_json(outcome) for outcome in self.outcomes],
            "notes": [title + text for title, text in self.notes()],
        }


_RESPONSE_COLUMNS = ("3x3 layers", "std of responses: mean", "median", "least", "greatest")
_ALWAYS = ("budget", "row", "n", "test error, %")
_ERRORS = (
    "Test error: last step, single view, no selection on the test set; mean ± sample standard deviation over"
    " n seeds."
)
_BEST = (
    " By its rule: the best of all evaluations on the test set, as the source's is or is taken to be; that"
    " selects on it."
)
_RESPONSES = (
    "Responses: the outputs of each 3x3 layer after BN and before ReLU or addition, of the last step"
    " in evaluation; their standard deviation over images, channels and places, layer by layer; mean, median,"
    " least and greatest are over the layers."
)
_DIFFERENCE = (
    "In standard errors: the difference by the root of s²/n + s²/m, the latter of the published mean of"
    " m runs; beside a single published run, whose spread nobody knows, by that of s²/n + s²; none beside a"
    " median without a spread."
)


def _spread(values: Sequence[float], digits: int = 2) -> str:
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{spread}"


def _where(record: Record) -> list[str]:
    """Return each different machine and code that a run was made with."""
    found = [
        f"{each.machine}, torch {each.torch}, resnetlab {each.resnetlab}"
        f" {each.revision or each.source[:12] or 'of unknown code'}"
        for each in record.made
    ]
    return [*dict.fromkeys(found)]


def _row_json(outcome: Outcome) -> dict[str, Any]:
    published = outcome.published
    return {
        "row": outcome.row.name,
        "network": outcome.row.network,
        "budget": outcome.budget,
        "is_full": outcome.is_full,
        "n": outcome.n,
        "seeds": [record.seed for record in outcome.records],
        "errors": [*outcome.errors],
        "train_errors": [*outcome.train_errors],
        "best_errors": [*outcome.best_errors],
        "published": published.text if published else None,
        "published_error": outcome.published_mean,
        "difference": outcome.difference,
        "standard_errors": outcome.standard_errors,
        "deviations": [*outcome.deviations],
        "made_by": outcome.made_by,
    }
