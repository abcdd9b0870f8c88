"""A published table or figure as plain data: its rows, and what was published of each. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from resnetlab.base.units import first_of
from resnetlab.errors import UsageError, nearest
from resnetlab.network.catalog import model_spec
from resnetlab.network.spec import ModelSpec
from resnetlab.reporting.groups import Published


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run of a table, or one curve of a figure: what is trained, on what, how, and what was published."""

    name: str
    """What tells it from the others, a plain name: its runs lie in folders of that name."""
    network: str
    """The network's name in the catalog."""
    data: str
    """The dataset's name, see `published_data`."""
    recipe: str
    """The recipe's name."""
    knobs: Mapping[str, Any] = field(default_factory=dict)
    """What makes the network another than the one of that name."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """What the row has otherwise than the recipe of that name."""
    published: Published | None = None
    """The published test error; none where the source has a curve alone."""
    rule: Literal["last", "best"] = "last"
    """Which error the source tells, or is taken to: the last step's, or the best of all on the test set."""
    views: Literal["single", "10crop", "multiscale"] = "single"
    """What the published error is of; ours is of single views, and stands beside no other in numbers."""
    band: tuple[float, float] | None = None
    """The errors in %, from the least to the greatest, that the source's own check accepts."""
    seconds_per_epoch: float | None = None
    """What the source took for an epoch."""

    def spec(self) -> ModelSpec:
        """Return the network."""
        spec = model_spec(self.network)
        return spec.with_(**self.knobs) if self.knobs else spec


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A published table or figure."""

    name: str
    title: str
    """What it is, in a line."""
    source: str
    """Paper and table, or code base."""
    rows: tuple[Row, ...]
    deviations: tuple[str, ...] = ()
    """What is done otherwise here than in the source, whatever the budget, each a sentence."""
    figure: Literal["errors", "responses"] = "errors"
    """What is drawn: error over steps, training dashed, plain and residual networks apart; or the standard
    deviations of layer responses, layer by layer and by their size, which are then measured of each run."""
    claims: tuple[str, ...] = ()
    """What the source says of its figure in words, where it prints no numbers."""
    siblings: tuple[str, ...] = ()
    """Reproductions that have runs of the same rows: these are taken from their folders beside its own."""

    def chosen(self, names: Sequence[str] = ()) -> tuple[Row, ...]:
        """Return the rows of these names, in the table's order; all of them for none.

        Raises:
            UsageError: If it has no such row.
        """
        known = [row.name for row in self.rows]
        if unknown := [name for name in names if name not in known]:
            raise UsageError(
                f"{self.name} has no row {first_of([*map(repr, unknown)])}",
                hint=f"{nearest(unknown[0], known)} Its rows: {', '.join(known)}.".strip(),
            )
        return tuple(row for row in self.rows if not names or row.name in names)

    @property
    def rules(self) -> set[str]:
        """Which errors the sources of its rows tell."""
        return {row.rule for row in self.rows}
