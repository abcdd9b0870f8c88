"""What is asked for of a reproduction, and the runs that it comes to, each resolved before any begins."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from resnetlab.base.units import first_of
from resnetlab.data import SOURCES
from resnetlab.data.arrays.published import content_digest
from resnetlab.data.sources.choices import LEFT_OPEN, Choices
from resnetlab.errors import UsageError
from resnetlab.network.spec import ModelSpec
from resnetlab.parallel.world import ALONE
from resnetlab.recipe.named import named_recipe
from resnetlab.recipe.settings import override
from resnetlab.reproducing.budgets import Budget
from resnetlab.reproducing.datasets import DATASETS
from resnetlab.reproducing.published_data import refuse_other_data
from resnetlab.reproducing.reproduction import Reproduction, Row
from resnetlab.training.asking import Asked, plan_networks
from resnetlab.training.choosing.choosing import Tell, silent
from resnetlab.training.planning import RunPlan

_OWN = (
    "length", "milestones", "warmup", "mix_tail", "eval_every", "seed", "val", "stop_at", "patience",
    "minutes",
)  # fmt: skip
"""Values of a recipe that are every row's, the budget's or the seed's alone."""


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One row with one seed, resolved."""

    row: Row
    seed: int
    plan: RunPlan
    content: str
    """The `content_digest` of its data."""


LookAtRuns = Callable[[Mapping[str, PlannedRun]], bool]
"""As `training.asking.Look`, of the runs by the names of their directories."""


def is_all_new(runs: Mapping[str, PlannedRun]) -> bool:
    """Refuse nothing: all is new."""
    return False


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for of a reproduction."""

    reproduction: Reproduction
    budget: Budget
    only: Sequence[str] = ()
    """Names of rows; none for all."""
    seeds: int = 1
    """How many: 0, 1, 2, ..."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Where datasets lie, by name; under "" where the only one does."""
    choices: Choices = LEFT_OPEN
    values: Mapping[str, Any] = field(default_factory=dict)
    """Of all recipes, by leaf name: precision, compile, ..."""
    device: str = "auto"
    workers: int = -1

    @property
    def name(self) -> str:
        """What folders and files of it are called, so that no budget is taken for another."""
        return f"{self.reproduction.name}-{self.budget.name}"

    @property
    def measures_responses(self) -> bool:
        """Whether the layer responses of its runs are what is reproduced."""
        return self.reproduction.figure == "responses"

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows that are asked for."""
        return self.reproduction.chosen(self.only)

    def plans(self, tell: Tell = silent, look: LookAtRuns = is_all_new) -> dict[str, PlannedRun]:
        """Return the runs by the names of their directories: all rows with the first seed, then the next.

        Args:
            tell: Is told what takes some seconds.
            look: Is shown the runs before anything is measured; see `training.asking.Look`.

        Raises:
            UsageError: If what is asked for cannot be.
            DataError: If data is missing, damaged, or not what was published.
            ResnetlabError: What `look` raises.
        """
        self._refuse()
        rows = self.rows
        contents: dict[int, str] = {}

        def named(plans: Sequence[RunPlan]) -> dict[str, PlannedRun]:
            return {
                run_name(row, seed): PlannedRun(
                    row=row,
                    seed=seed,
                    plan=replace(plan, recipe=override(plan.recipe, {"seed": seed})),
                    content=contents[id(plan.source)],
                )
                for seed in range(self.seeds)
                for row, plan in zip(rows, plans, strict=True)
            }

        def look_at(plans: Sequence[RunPlan]) -> bool:
            contents.update(self._checked_contents(rows, plans))
            return look(named(plans))

        return named(plan_networks([self._asked(row) for row in rows], ALONE, tell, look_at))

    def dataset_of(self, row: Row) -> str:
        """Return the name of the data that a row is trained on."""
        return self.budget.data or row.data

    def _refuse(self) -> None:
        if self.seeds < 1:
            raise UsageError(f"--seeds must be at least 1, got {self.seeds}")
        taken = {*_OWN, *self.budget.values, *(name for row in self.rows for name in row.values)}
        if own := [name for name in self.values if name in taken]:
            raise UsageError(
                f"{first_of(own)} cannot be set: rows, budget and seeds of a reproduction say it",
                hint="--budget and --seeds choose them; `resnetlab train` takes any value.",
            )
        used = {self.dataset_of(row) for row in self.rows}
        if self.budget.data and self.data:
            raise UsageError(
                f"--data {first_of([*self.data.values()])}: budget {self.budget.name} is made of"
                f" {self.budget.data}",
                hint="Leave --data out.",
            )
        if "" in self.data and len(used) > 1:
            raise UsageError(
                f"--data {self.data['']}: the rows are of {first_of(sorted(used))}; say which it is",
                hint=" ".join(f"--data {name}=PATH" for name in sorted(used)),
            )
        if missing := sorted(name for name in used if name not in SOURCES and not self._path_of(name)):
            wanted = DATASETS[missing[0]]
            raise UsageError(
                f"{self.reproduction.name} is made of {first_of(missing)}, which nobody may give away: say"
                f" where its {wanted.train:,} training and {wanted.test:,} test images lie",
                hint="--data PATH, a folder or whatever else docs/data.md knows; `resnetlab data prepare"
                " imagenet` makes one of the original archives. --budget smoke needs none.",
            )
        if strange := [name for name in self.data if name and name not in used]:
            raise UsageError(
                f"--data {strange[0]}={self.data[strange[0]]}: no row that is asked for is of {strange[0]}",
                hint=f"They are of {first_of(sorted(used))}.",
            )

    def _path_of(self, dataset: str) -> str:
        """Return where the user says that it lies; "" if nothing is said."""
        return self.data.get(dataset) or self.data.get("") or ""

    def _asked(self, row: Row) -> tuple[ModelSpec, Asked]:
        """Return a row's network, and all else that is asked for it."""
        dataset, knobs = self.dataset_of(row), {**row.knobs, **self.budget.knobs}
        spec = row.spec().with_(**self.budget.knobs) if self.budget.knobs else row.spec()
        given = {**row.values, **self.values}
        batch = {"batch": given["batch"]} if "batch" in given else {}
        recipe = override(named_recipe(row.recipe, spec.depth), {**row.values, **batch})
        values = {**row.values, **self.budget.changes(recipe, DATASETS[dataset].train), **self.values}
        asked = Asked(
            data=self._path_of(dataset) or dataset,
            choices=self.choices,
            recipe=row.recipe,
            values=values,
            fixed=tuple(knobs),
            device=self.device,
            workers=self.workers,
        )
        return spec, asked

    def _checked_contents(self, rows: Sequence[Row], plans: Sequence[RunPlan]) -> dict[int, str]:
        """Return the digest of each source's content, by its id.

        Raises:
            DataError: If one is not what was published.
        """
        found: dict[int, str] = {}
        for row, plan in zip(rows, plans, strict=True):
            if (key := id(plan.source)) not in found:
                found[key] = content_digest(plan.source)
                refuse_other_data(plan.source, self.dataset_of(row), found[key])
        return found


def run_name(row: Row, seed: int) -> str:
    """Return what the directory and the record of a row's run with this seed are called."""
    return f"{row.name}-seed{seed}"
