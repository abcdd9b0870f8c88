"""Runs that differ in nothing but the seed, their numbers, and the papers' own beside them."""

import json
import os
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

from resnetlab.base.plaindata import field_types, to_plain
from resnetlab.network.catalog import changed_texts, list_models
from resnetlab.recipe import Recipe, Run
from resnetlab.recipe.named import list_recipes
from resnetlab.recipe.settings import leaves
from resnetlab.reporting.reading import US, RecordedRun
from resnetlab.show.tables.differences import decided_for_us, deviations, differing_fields

_TABLE_6 = "He et al., 2015, arXiv:1512.03385, Table 6"
SHORTCUTS_2016 = "He et al., 2016, arXiv:1603.05027, Table 1"
_UNITS = "He et al., 2016, arXiv:1603.05027, Table 2"
_DEPTHS = "He et al., 2016, arXiv:1603.05027, Table 3"
_BEST = "He et al., 2016, arXiv:1603.05027, Table 4"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published test error in %, or that there was one above some bound: networks that failed to learn."""

    error: float | None
    """None where the source has no number of it."""
    source: str
    """Paper and table."""
    what: str = ""
    """What of its runs it is: "median", "best"; nothing for a single run's own number."""
    runs: int = 1
    """How many runs it is of."""
    mean: float | None = None
    """The mean over those runs, where it is published too."""
    std: float | None = None
    """The standard deviation over those runs."""
    above: float = 0.0
    """With no error: what it is above, in %."""

    @property
    def cell(self) -> str:
        """The number to stand beside a mean over seeds: the published mean if there is one."""
        if self.error is None:
            return f"fail (> {self.above:g})"
        return f"{self.error:.2f}" if self.mean is None else f"{self.mean:.2f} ± {self.std:.2f}"

    @property
    def text(self) -> str:
        """All its numbers, and what they are: "6.43 (best of 5, mean 6.61 ± 0.16)", "fail, above 20"."""
        if self.error is None:
            return f"fail, above {self.above:g}"
        mean = f", mean {self.mean:.2f} ± {self.std:.2f}" if self.mean is not None else ""
        of = f" of {self.runs}" if self.runs > 1 else ""
        return f"{self.error:.2f}{f' ({self.what}{of}{mean})' if self.what else ''}"


def _single(error: float) -> Published:
    return Published(error=error, source=_TABLE_6)


def _median(error: float, source: str, mean: float | None = None, std: float | None = None) -> Published:
    return Published(error=error, source=source, what="median", runs=5, mean=mean, std=std)


def failed(source: str) -> Published:
    """Return what He et al., 2016, say of a network that did not learn: an error above 20 %."""
    return Published(error=None, source=source, above=20.0)


PUBLISHED: dict[tuple[str, str], Published] = {
    ("cifar10", "resnet20"): _single(8.75),
    ("cifar10", "resnet32"): _single(7.51),
    ("cifar10", "resnet44"): _single(7.17),
    ("cifar10", "resnet56"): _single(6.97),
    ("cifar10", "resnet110"): Published(
        error=6.43, source=_TABLE_6, what="best", runs=5, mean=6.61, std=0.16
    ),
    ("cifar10", "resnet1202"): _single(7.93),
    ("cifar10", "resnet164"): _median(5.93, _DEPTHS),
    ("cifar10", "resnet1001"): _median(7.61, _DEPTHS),
    ("cifar10", "preresnet110"): _median(6.37, _DEPTHS),
    ("cifar10", "preresnet164"): _median(5.46, _DEPTHS),
    ("cifar10", "preresnet1001"): _median(4.92, _BEST, 4.89, 0.14),
    ("cifar10", "resnet110_constant_scaling"): _median(12.35, SHORTCUTS_2016),
    ("cifar10", "resnet110_exclusive_gating"): _median(8.70, SHORTCUTS_2016),
    ("cifar10", "resnet110_shortcut_gating"): _median(6.91, SHORTCUTS_2016),
    ("cifar10", "resnet110_conv_shortcut"): _median(12.22, SHORTCUTS_2016),
    ("cifar10", "resnet110_dropout_shortcut"): failed(SHORTCUTS_2016),
    ("cifar10", "resnet110_bn_after_add"): _median(8.17, _UNITS),
    ("cifar10", "resnet164_bn_after_add"): _median(6.50, _UNITS),
    ("cifar10", "resnet110_relu_before_add"): _median(7.84, _UNITS),
    ("cifar10", "resnet164_relu_before_add"): _median(6.14, _UNITS),
    ("cifar10", "resnet110_relu_only_preact"): _median(6.71, _UNITS),
    ("cifar10", "resnet164_relu_only_preact"): _median(5.91, _UNITS),
    ("cifar100", "resnet164"): _median(25.16, _DEPTHS),
    ("cifar100", "resnet1001"): _median(27.82, _DEPTHS),
    ("cifar100", "preresnet164"): _median(24.33, _DEPTHS),
    ("cifar100", "preresnet1001"): _median(22.71, _BEST, 22.68, 0.22),
}
"""By data and network. Batches of 128; those of 64 did better with 1,001 layers (4.62 %)."""

TEST_IMAGES = 10_000
"""Of CIFAR-10 and of CIFAR-100: what the published errors are of."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Runs of the same network, recipe, data and first weights, by seed."""

    runs: tuple[RecordedRun, ...]
    network: str
    """The network's name, and what makes it another than the one it is named after: "resnet20 width=0.5"."""
    recipe: str
    """The recipe's name."""
    deviations: tuple[str, ...]
    """What differs from the recipe of that name: "lr=0.2 (0.1)"."""
    data: str
    """The data's name."""
    made_by: str = ""
    """Who made runs of which only the records are here: us, or a reader."""

    @property
    def finished(self) -> tuple[RecordedRun, ...]:
        """The runs that came to their end; all numbers are of these."""
        return tuple(run for run in self.runs if run.is_finished)

    @property
    def unfinished(self) -> tuple[RecordedRun, ...]:
        """The others."""
        return tuple(run for run in self.runs if not run.is_finished)

    @property
    def errors(self) -> tuple[float, ...]:
        """The test error in % of each seed: last step, single view; of a seed's several runs the mean."""
        by_seed: dict[int, list[float]] = defaultdict(list)
        for run in self.finished:
            by_seed[run.seed].append(run.error)
        return tuple(map(statistics.fmean, by_seed.values()))

    @property
    def mean(self) -> float | None:
        """Their mean; none without a finished run."""
        return statistics.fmean(self.errors) if self.errors else None

    @property
    def std(self) -> float | None:
        """Their sample standard deviation (n - 1); none with less than two."""
        return statistics.stdev(self.errors) if len(self.errors) > 1 else None

    @property
    def best(self) -> RecordedRun | None:
        """The run with the least error, where there are two or more."""
        return min(self.finished, key=lambda run: run.error) if len(self.finished) > 1 else None

    @property
    def worst(self) -> RecordedRun | None:
        """The run with the greatest error, where there are two or more."""
        return max(self.finished, key=lambda run: run.error) if len(self.finished) > 1 else None

    @property
    def seconds(self) -> float | None:
        """Mean time of all updates of a run, without evaluations and saves; none if machines differ."""
        times = [float(run.result["train_seconds"]) for run in self.finished]
        return statistics.fmean(times) if times and len(self.machines) < 2 else None

    @property
    def machines(self) -> tuple[str, ...]:
        """The devices, or processors, that the finished runs were made on."""
        return tuple(sorted({name for run in self.finished for name in run.machines}))

    @property
    def published(self) -> Published | None:
        """The paper's error of this very network on this data, if it is the whole CIFAR."""
        run = self.runs[0]
        found = PUBLISHED.get((str(run.data["name"]), self.network))
        tests = [row for each in self.runs for row in (*each.evaluations, each.result) if row]
        is_whole = all(row.get("seen") == TEST_IMAGES for row in tests if row.get("kind", "test") == "test")
        is_cifar = (*run.data["image_shape"],) == (32, 32, 3) and len(run.data["class_names"]) in (10, 100)
        return found if is_whole and is_cifar else None

    @property
    def places(self) -> str:
        """Where its runs are: "runs/first", or what their paths begin with: "runs/both/resnet20-seed*"."""
        paths = [str(run.path) for run in self.runs]
        begin = os.path.commonprefix(paths)  # noqa: RUF071  # of letters: names of seeds begin alike
        return begin if len(paths) == 1 else f"{begin}*"

    @property
    def is_plain(self) -> bool:
        """Whether the network has no shortcuts."""
        return self.runs[0].spec.shortcut == "none"

    @property
    def depth(self) -> int:
        """Weighted layers of the network."""
        return self.runs[0].spec.depth


def group_runs(runs: Iterable[RecordedRun], key: Callable[[RecordedRun], str] | None = None) -> list[Group]:
    """Return the runs in groups, sorted by family and depth of the network, then recipe, then data.

    Args:
        runs: The runs.
        key: Returns `key_of` a run where that is known.
    """
    by_key: dict[str, list[RecordedRun]] = defaultdict(list)
    for run in runs:
        by_key[(key or key_of)(run)].append(run)
    groups = [_group(members) for members in by_key.values()]
    rank = partial(_rank, recipes=list_recipes(), families=[_family(name) for name in list_models()])
    return sorted(_told_apart(groups), key=rank)


def key_of(run: RecordedRun) -> str:
    """Return everything that two seeds of one experiment share, as text."""
    recipe, data = run.recipe, [run.data[name] for name in ("fingerprint", "image_shape")]
    same = replace(recipe.run, seed=Run().seed, report=Run().report)
    groups = (getattr(recipe, name) for name in field_types(Recipe) if name not in ("name", "run"))
    parts = [_text(run.spec), recipe.name, _text(same), *map(_text, groups), data, run.first_weights]
    return json.dumps([*parts, run.lengths_before, _other_maker(run)])


def _other_maker(run: RecordedRun) -> str:
    return "" if run.made_by == US else run.made_by


@lru_cache(maxsize=1024)
def _text(value: Hashable) -> str:
    """Return a frozen dataclass as text; most runs have most parts in common."""
    return json.dumps(to_plain(value), sort_keys=True)


def _group(members: Sequence[RecordedRun]) -> Group:
    run = members[0]
    silent = {"seed"} | decided_for_us(begins_trained=bool(run.weights))
    return Group(
        runs=tuple(sorted(members, key=lambda each: (each.seed, str(each.path)))),
        network=" ".join((run.spec.name, *_knobs(run))),
        recipe=run.recipe.name,
        deviations=(
            *deviations(run.recipe, run.spec.depth, silent),
            *(f"on from {before}" for before in run.lengths_before),
        ),
        data=str(run.data["name"]),
        made_by=next((each.made_by for each in members if each.made_by), ""),
    )


def _knobs(run: RecordedRun) -> list[str]:
    """Return what makes the network another than the named one; classes and channels are the data's."""
    height, _, channels = run.data["image_shape"]
    by_the_data = {
        f"classes={len(run.data['class_names'])}",
        f"in_channels={channels}",
        f"input_size={height}",
    }
    return [text for text in changed_texts(run.spec) if text not in by_the_data]


def _told_apart(groups: Sequence[Group]) -> list[Group]:
    """Return the groups, those that would read alike with what differs between them."""
    alike: dict[tuple[Any, ...], list[Group]] = defaultdict(list)
    for group in groups:
        maker = _other_maker(group.runs[0])
        alike[group.network, group.recipe, group.deviations, group.data, maker].append(group)
    return [
        group for same in alike.values() for group in (same if len(same) == 1 else _with_differences(same))
    ]


def _with_differences(alike: Sequence[Group]) -> list[Group]:
    first = [group.runs[0] for group in alike]
    prints = Counter(str(run.data["fingerprint"]) for run in first)
    hashes = {run.first_weights for run in first}
    told = []
    for group, run in zip(alike, first, strict=True):
        values = leaves(run.recipe)
        more = [
            f"{name}={leaf.text or 'none'}"
            for name, leaf in values.items()
            if name != "seed" and len({leaves(each.recipe)[name].text for each in first}) > 1
        ]
        fields = {name for each in first for name in differing_fields(run.spec, each.spec)}
        more += [f"{name}={getattr(run.spec, name)}" for name in sorted(fields)]
        more += [f"weights {run.first_weights[:8] or 'none'}"] if len(hashes) > 1 else []
        data = f"{group.data} {str(run.data['fingerprint'])[:8]}" if len(prints) > 1 else group.data
        told.append(replace(group, deviations=(*group.deviations, *more), data=data))
    return told


def names_apart(groups: Sequence[Group]) -> list[str]:
    """Return the networks' names; of a network that is there twice with what differs."""
    names = []
    for group in groups:
        alike = [other for other in groups if other.network == group.network]
        more = [group.recipe] if len({other.recipe for other in alike}) > 1 else []
        told = [text.partition(" (")[0] for text in group.deviations]
        shared = set.intersection(*({*other.deviations} for other in alike))
        more += [text for text, whole in zip(told, group.deviations, strict=True) if whole not in shared]
        more += [group.data] if len({other.data for other in alike}) > 1 else []
        more += [f"by {group.made_by}"] if len({other.made_by for other in alike}) > 1 else []
        names.append(", ".join((group.network, *more)))
    return names


def _rank(group: Group, *, recipes: Sequence[str], families: Sequence[str]) -> tuple[Any, ...]:
    """Return the sorting key: plain networks first, as in the first paper, the rest as the catalog lists."""
    recipe = recipes.index(group.recipe) if group.recipe in recipes else len(recipes)
    spec = group.runs[0].spec
    family = _family(spec.name)
    place = families.index(family) if family in families else len(families)
    return (
        not group.is_plain, place, family, spec.depth, group.network, recipe, group.recipe, group.deviations,
        group.data, _other_maker(group.runs[0]),
    )  # fmt: skip


def _family(name: str) -> str:
    """Return the name without its depth."""
    return re.sub(r"[1-9][0-9]*", "*", name, count=1)
