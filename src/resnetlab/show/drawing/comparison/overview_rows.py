"""What the overview shows of a network: one row per weighted layer or pooling, unit by unit."""

from collections.abc import Sequence
from dataclasses import dataclass

from resnetlab.network.layers import Act, Norm, Shape, image_size
from resnetlab.network.plan import Traced, Unit
from resnetlab.network.spec import ModelSpec
from resnetlab.show.drawing.figure_parts import Model

MOST_ROWS = 12
"""The convolutions of a stage that are drawn one by one: those of the papers' 34 layers."""


@dataclass(frozen=True, slots=True)
class UnitRows:
    """A unit's rows from top to bottom and those of its shortcut; None in a plain unit.

    It stands for `count` equal units in a row.
    """

    name: str
    rows: tuple[Traced, ...]
    shortcut: tuple[Traced, ...] | None
    count: int


@dataclass(frozen=True, slots=True)
class ColumnRows:
    """A whole network, stage by stage, for one image."""

    model: Model
    image: Shape
    stem: tuple[Traced, ...]
    stages: tuple[tuple[UnitRows, ...], ...]
    tail: tuple[Traced, ...]

    @property
    def ends(self) -> tuple[Traced, ...]:
        """The last row of the stem and of each stage; its output is theirs."""
        return self.stem[-1], *(stage[-1].rows[-1] for stage in self.stages)


def is_folded(specs: Sequence[ModelSpec]) -> bool:
    """Return whether equal units are drawn once: in all models if a stage of one of them is long."""
    return any(max(spec.blocks) * (2 if spec.unit == "basic" else 3) > MOST_ROWS for spec in specs)


def read_rows(model: Model, height: int | None, width: int | None, *, folded: bool) -> ColumnRows:
    """Return the network's rows for images of that size; None is the nominal size.

    Raises:
        UsageError: If the strides do not allow the size.
    """
    spec = model.spec
    image = spec.in_channels, *image_size(spec.input_size, height, width)
    plan = spec.plan()
    by_unit: dict[str, list[Traced]] = {"": []}
    for row in plan.trace(image[1], image[2], folded=folded):
        by_unit.setdefault(row.unit, []).append(row)
    stages = tuple(
        tuple(
            _unit_rows(unit, by_unit[unit.name], repeat.count if folded else 1)
            for repeat in stage
            for unit in ((repeat.unit,) if folded else repeat.units)
        )
        for stage in plan.stages
    )
    stem = [row for row in by_unit[""] if row.place == "stem"]
    return ColumnRows(
        model=model,
        image=image,
        stem=_shown(stem),
        stages=stages,
        tail=_shown([row for row in by_unit[""] if row.place == "tail"]),
    )


def _unit_rows(unit: Unit, rows: Sequence[Traced], count: int) -> UnitRows:
    trunk = [row for row in rows if row.place != "shortcut"]
    shortcut = [row for row in rows if row.place == "shortcut"]
    return UnitRows(unit.name, _shown(trunk), None if unit.shortcut is None else _shown(shortcut), count)


def _shown(rows: Sequence[Traced]) -> tuple[Traced, ...]:
    """Return the rows that the papers' figure shows: no BN, no activation."""
    return tuple(row for row in rows if not isinstance(row.layer, Norm | Act))
