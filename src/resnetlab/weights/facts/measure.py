"""From names and shapes back to the network: what a state dict says about its architecture."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from resnetlab.errors import CheckpointError
from resnetlab.network.spec import ModelSpec
from resnetlab.weights.facts.naming import Layout, Shape, Shapes, torch_shape

_UNIT = re.compile(r"(?:layer(\d{1,6})|stages\.(\d{1,6})\.blocks)\.(\d{1,6})\.(.+)")


@dataclass(frozen=True)
class Measured:
    """What the shapes tell, in our names and torch's layout."""

    is_pre: bool
    in_channels: int
    stem_width: int
    stem_kernel: int
    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    out_channels: tuple[int, ...]
    unit: Literal["basic", "bottleneck"]
    projections: tuple[tuple[int, int], ...]
    """(stage, unit) of each projection."""
    has_gates: bool
    """Whether a shortcut has one."""

    def shortcut(self) -> str | None:
        """Return the knob `shortcut` that has these projections; none where no shape changes."""
        inputs = (self.stem_width, *self.out_channels)
        changing = tuple((s, 0) for s in range(len(self.blocks)) if s > 0 or inputs[0] != inputs[1])
        stages = tuple((s, 0) for s in range(len(self.blocks)))
        units = tuple((s, u) for s, count in enumerate(self.blocks) for u in range(count))
        if not self.projections:
            return "A" if changing else None
        kinds = {units: "C", stages: "stage", changing: "B"}  # of two that agree, the latter
        return kinds.get(self.projections)

    def apply(self, spec: ModelSpec, **more: object) -> ModelSpec:
        """Return the specification with what was measured, and `more`, put into it."""
        changes: dict[str, object] = {
            "in_channels": self.in_channels,
            "stem_width": self.stem_width,
            "blocks": self.blocks,
            "widths": self.widths,
            "out_channels": self.out_channels,
            "unit": self.unit,
        }
        return spec.with_(**changes | more)


def to_torch_shapes(keys: dict[str, str], shapes: Shapes, layout: Layout) -> dict[str, Shape]:
    """Return the shapes by our names, in torch's layout."""
    return {ours: torch_shape(ours, shapes[theirs], layout) for theirs, ours in keys.items()}


def measure(shapes: Shapes) -> Measured:
    """Read the architecture off names and shapes, which are ours and in torch's layout.

    Raises:
        CheckpointError: If they are not a residual network's.
    """
    is_pre = "stem.conv.weight" in shapes
    stem = shapes.get("stem.conv.weight" if is_pre else "conv1.weight", ())
    if len(stem) != 4:
        raise CheckpointError("no first convolution is among the names")
    units: dict[tuple[int, int], dict[str, Shape]] = {}
    for key, shape in shapes.items():
        if match := _UNIT.fullmatch(key):
            stage = int(match[1]) - 1 if match[1] else int(match[2])
            units.setdefault((stage, int(match[3])), {})[match[4]] = shape
    blocks = _count(units)
    is_bottleneck = "conv3.weight" in units[0, 0]
    last = "conv3.weight" if is_bottleneck else "conv2.weight"
    firsts = [units[stage, 0] for stage in range(len(blocks))]
    for stage, first in enumerate(firsts):
        if {"conv1.weight", "conv2.weight"} - set(first):
            raise CheckpointError(f"the first unit of stage {stage + 1} lacks convolutions")
        if any(len(first.get(f"conv{i}.weight", (0,) * 4)) != 4 for i in (1, 2, 3)):
            raise CheckpointError(f"the first unit of stage {stage + 1} has convolutions without four axes")
    return Measured(
        is_pre=is_pre,
        in_channels=stem[1],
        stem_width=stem[0],
        stem_kernel=stem[2],
        blocks=blocks,
        widths=tuple(first["conv1.weight"][0] for first in firsts),
        out_channels=tuple(first.get(last, (0,))[0] for first in firsts),
        unit="bottleneck" if is_bottleneck else "basic",
        projections=tuple(sorted(at for at, unit in units.items() if _is_projected(unit))),
        has_gates=any("downsample.gate.weight" in unit for unit in units.values()),
    )


def _is_projected(unit: dict[str, Shape]) -> bool:
    return "downsample.0.weight" in unit or "downsample.conv.weight" in unit


def _count(units: dict[tuple[int, int], dict[str, Shape]]) -> tuple[int, ...]:
    """Return the units per stage, which must count up without gaps."""
    counts = Counter(stage for stage, _ in units)
    blocks = tuple(counts[stage] for stage in range(len(counts)))
    gaps = [(s, u) for s, count in enumerate(blocks) for u in range(count) if (s, u) not in units]
    if not blocks or min(blocks) == 0 or gaps:
        where = f"; stage {gaps[0][0] + 1} has no unit {gaps[0][1]}" if gaps else ""
        raise CheckpointError(f"the residual units are not all there{where}")
    return blocks
