"""Runs that differ in nothing but the seed, and what they say together."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resnetlab.catalog import model_spec
from resnetlab.errors import UsageError
from resnetlab.recipe import Recipe
from resnetlab.recipes.deviations import deviations
from resnetlab.reporting.published import published_error
from resnetlab.reporting.records import RunRecord
from resnetlab.settings import override
from resnetlab.spec import ModelSpec

_NO_MATTER = {
    "seed": 0,
    "compile": "off",
    "capture": "off",
    "checkpoint_every": 0,
    "keep_checkpoints": 1,
    "log_every": 1,
}
"""What two runs of one group may differ in: the seed, how steps are carried out, what is kept of them."""


_OF_THE_DATA = {
    "source", "classes", "in_channels", "input_size", "published_parameters", "published_multiply_adds",
}  # fmt: skip


@dataclass(frozen=True)
class Group:
    """Runs of one network, recipe and dataset."""

    runs: tuple[RunRecord, ...]

    @property
    def spec(self) -> ModelSpec:
        """The network."""
        return self.runs[0].spec

    @property
    def finished(self) -> list[RunRecord]:
        """The runs that came to their ends."""
        return [run for run in self.runs if run.result is not None]

    @property
    def unfinished(self) -> list[RunRecord]:
        """The others."""
        return [run for run in self.runs if run.result is None]

    @property
    def shown(self) -> list[RunRecord]:
        """The runs that a picture shows: the finished ones, or if there are none the others."""
        return self.finished or self.unfinished

    @property
    def errors(self) -> list[float]:
        """Test error of each finished run in %: last step, single view."""
        return [100 * (1 - run.result["accuracy"]) for run in self.runs if run.result is not None]

    @property
    def mean(self) -> float | None:
        """Mean of the errors; None if no run is finished."""
        return statistics.mean(self.errors) if self.errors else None

    @property
    def std(self) -> float | None:
        """Sample standard deviation of the errors; None for fewer than two runs."""
        return statistics.stdev(self.errors) if len(self.errors) > 1 else None

    @property
    def seconds(self) -> float | None:
        """Mean time of the updates; None if no run is finished."""
        found = [run.result["train_seconds"] for run in self.runs if run.result is not None]
        return statistics.mean(found) if found else None

    @property
    def published(self) -> str:
        """The published error, if there is one for this network on this data."""
        return published_error(self.spec, str(self.runs[0].data["name"]))

    @property
    def network_changes(self) -> dict[str, str]:
        """What of the network is not as the catalog has it, but for what the data decides."""
        try:
            named = model_spec(self.spec.name).to_json()
        except UsageError:
            return {}
        return {
            name: str(value).strip("[]").replace(", ", ",")
            for name, value in self.spec.to_json().items()
            if name not in _OF_THE_DATA and value != named[name]
        }

    @property
    def recipe_changes(self) -> dict[str, str]:
        """What of the recipe is not as its name says."""
        found = deviations(self.runs[0].recipe, self.spec.depth, silent=_NO_MATTER)
        return {name: text for name, (text, _) in found.items()}

    @property
    def network_text(self) -> str:
        """The network's name, and what deviates from it."""
        return _named(self.spec.name, self.network_changes)

    @property
    def recipe_text(self) -> str:
        """The recipe's name, and what deviates from it."""
        return _named(self.runs[0].recipe.name, self.recipe_changes)

    @property
    def is_selected_on_test(self) -> bool:
        """Whether a run ended because of its accuracy on the test set."""
        return any(run.result["stopped_on_test"] for run in self.runs if run.result is not None)


def _named(name: str, changes: Mapping[str, str]) -> str:
    return " ".join([name, *(f"{key}={text}" for key, text in changes.items())])


def labels(groups: Sequence[Group]) -> list[str]:
    """Return a short name for each group: the network's, and where several have it what tells them apart."""
    found = []
    for group in groups:
        recipe = group.runs[0].recipe.name
        recipes = {other.runs[0].recipe.name for other in groups if other.spec.name == group.spec.name}
        rivals = [
            other.network_changes | other.recipe_changes
            for other in groups
            if (other.spec.name, other.runs[0].recipe.name) == (group.spec.name, recipe)
        ]
        own = group.network_changes | group.recipe_changes
        telling = {key: text for key, text in own.items() if any(other.get(key) != text for other in rivals)}
        found.append(_named(f"{group.spec.name} {recipe}" if len(recipes) > 1 else group.spec.name, telling))
    return found


def group_runs(runs: Sequence[RunRecord]) -> list[Group]:
    """Return the runs in groups, in the order of each group's first run; in a group by seed."""
    found: dict[tuple[ModelSpec, Recipe, str], list[RunRecord]] = {}
    for run in runs:
        key = (run.spec, override(run.recipe, _NO_MATTER), str(run.data["fingerprint"]))
        found.setdefault(key, []).append(run)
    return [Group(tuple(sorted(group, key=lambda run: run.seed))) for group in found.values()]
