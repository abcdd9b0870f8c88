"""Runs that differ in nothing but the seed, together, and in the order in which people look for them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from resnetlab.board.glance import Glance
from resnetlab.reporting.groups import Group, group_runs

MOST_TOGETHER = 60
"""Runs on one page."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A run, or several that differ in nothing but the seed: what stands together in the table."""

    id: str
    glances: tuple[Glance, ...]
    """By seed."""
    group: Group | None
    """What they have in common; None if they cannot be read."""
    shared: frozenset[str] = frozenset()
    """Of the group's deviations those that all groups of the folder have."""

    @property
    def began(self) -> float:
        """When the newest of them was begun."""
        return max((glance.began or 0.0 for glance in self.glances), default=0.0)

    def deviations(self, most: int) -> str:
        """Return what differs from the recipe of that name, in so many letters: first what only some have."""
        found = sorted(self.group.deviations, key=lambda each: each in self.shared) if self.group else []
        told = ", ".join(each.partition(" (")[0] for each in found)
        return told if len(told) <= most else f"{told[: most - 1]}…"

    @property
    def accuracy(self) -> float | None:
        """The mean over the seeds that are finished, in [0, 1]; of a lone run its own."""
        if len(self.glances) == 1:
            return self.glances[0].accuracy
        return 1 - self.group.mean / 100 if self.group and self.group.mean is not None else None

    def of(self, glances: Sequence[Glance]) -> "Rows":
        """Return the same of some of them."""
        runs = tuple(glance.run for glance in glances if glance.run)
        return replace(
            self, glances=tuple(glances), group=replace(self.group, runs=runs) if self.group else None
        )


class Shelf:
    """Sorts what was looked at into rows; only what has changed becomes another object."""

    def __init__(self) -> None:
        self._members: tuple[tuple[str, str], ...] = ()
        self._labels: list[tuple[Group, tuple[str, ...]]] = []
        self._rows: dict[str, Rows] = {}
        self._shared: frozenset[str] = frozenset()

    def sorted_in(self, glances: Sequence[Glance]) -> tuple[Rows, ...]:
        """Return the rows: those that are made, those to be made, the others by age, what is damaged last."""
        whole = {glance.name: glance for glance in glances if glance.run is not None}
        members = tuple((glance.name, glance.key) for glance in whole.values())
        if members != self._members:
            self._label(whole)
            self._members, self._rows = members, {}
        found = [self._of_group(group, [whole[name] for name in names]) for group, names in self._labels]
        found += [
            self._row(f"damaged {glance.name}", [glance], None) for glance in glances if glance.run is None
        ]
        self._rows = {row.id: row for row in found}
        return tuple(sorted(found, key=_rank))

    def _label(self, whole: dict[str, Glance]) -> None:
        known = {id(glance.run): glance for glance in whole.values()}
        groups = group_runs(
            (glance.run for glance in whole.values() if glance.run), lambda run: known[id(run)].key
        )
        deviations = [frozenset(group.deviations) for group in groups]
        self._shared = frozenset.intersection(*deviations) if len(groups) > 1 else frozenset()
        self._labels = [(group, tuple(known[id(run)].name for run in group.runs)) for group in groups]

    def _of_group(self, group: Group, glances: Sequence[Glance]) -> Rows:
        return self._row(glances[0].key, glances, group)

    def _row(self, key: str, glances: Sequence[Glance], group: Group | None) -> Rows:
        name = f"g{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()[:16]}"
        before = self._rows.get(name)
        if before and [*map(id, before.glances)] == [*map(id, glances)]:
            return before
        return Rows(id=name, glances=(), group=group, shared=self._shared).of(glances)


def _rank(rows: Rows) -> tuple[int, float]:
    states = {glance.state for glance in rows.glances}
    kinds = ("running" in states, "waiting" in states, rows.group is not None)
    return next((place for place, fits in enumerate(kinds) if fits), len(kinds)), -rows.began
