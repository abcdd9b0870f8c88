"""The plan: a whole network, layer by layer, as plain data.

One description has three readers: the arithmetic here, the torch module (models/resnet.py) and
the diagrams and tables. drafting.py draws it from a specification. No torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from resnetlab.errors import UsageError
from resnetlab.network.layers import (
    Conv,
    Layer,
    Linear,
    Shape,
    multiply_adds,
    num_parameters,
    output_shape,
)

Place = Literal["stem", "before", "branch", "shortcut", "after", "tail"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A residual unit: after(branch(p) + shortcut(x or p)), where p = before(x).

    Layer names are relative to the unit's, which is the module's path. No shortcut (None) makes
    a plain unit, an empty one the identity. A gate or dropout ends a shortcut.
    """

    name: str
    before: tuple[Layer, ...]
    branch: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] | None
    shortcut_from: Literal["input", "preact"]
    after: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A unit, and how many equal ones stand in a row; their names count up from the first's."""

    unit: Unit
    count: int

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units one by one."""
        stem, _, first = self.unit.name.rpartition(".")
        return tuple(replace(self.unit, name=f"{stem}.{int(first) + i}") for i in range(self.count))


@dataclass(frozen=True, slots=True)
class Traced:
    """A layer at its place, with the shapes of its input and output for one image.

    `count` is the number of equal layers for which the row stands: 1 unless folded.
    """

    path: str
    place: Place
    unit: str
    layer: Layer
    input: Shape
    output: Shape
    count: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All layers of a network in the order in which an image meets them."""

    in_channels: int
    stem: tuple[Layer, ...]
    stages: tuple[tuple[Repeat, ...], ...]
    tail: tuple[Layer, ...]

    @property
    def units(self) -> tuple[Unit, ...]:
        """All units, first to last."""
        return tuple(unit for stage in self.stages for repeat in stage for unit in repeat.units)

    def placed(self) -> Iterator[tuple[str, Place, Layer]]:
        """Give every layer once, with its full path and its place."""
        yield from ((layer.name, "stem", layer) for layer in self.stem)
        for unit in self.units:
            yield from ((f"{unit.name}.{layer.name}", place, layer) for place, layer in _layers(unit))
        yield from ((layer.name, "tail", layer) for layer in self.tail)

    def counted(self) -> Iterator[tuple[int, Place, Layer]]:
        """Give every layer of equal units once, and before it how many of them there are."""
        yield from ((1, "stem", layer) for layer in self.stem)
        for repeat in (repeat for stage in self.stages for repeat in stage):
            yield from ((repeat.count, place, layer) for place, layer in _layers(repeat.unit))
        yield from ((1, "tail", layer) for layer in self.tail)

    @property
    def num_parameters(self) -> int:
        """The number of trainable numbers."""
        return sum(count * num_parameters(layer) for count, _, layer in self.counted())

    @property
    def depth(self) -> int:
        """Weighted layers from image to logits as the papers count them: no shortcuts, no BN."""
        return sum(
            count
            for count, place, layer in self.counted()
            if isinstance(layer, Conv | Linear) and place != "shortcut"
        )

    def num_multiply_adds(self, height: int, width: int) -> int:
        """Return the products for one image: convolutions and classifier, shortcuts included."""
        rows = self.trace(height, width, folded=True)
        return sum(row.count * multiply_adds(row.layer, row.output) for row in rows)

    def trace(self, height: int, width: int, *, folded: bool = False) -> tuple[Traced, ...]:
        """Return every layer with its shapes for an image of height x width pixels.

        Folded, equal units in a row are given once, each of their rows with their number.

        Raises:
            UsageError: If the strides do not allow the size.
        """
        rows: list[Traced] = []
        shape = _walk(rows, self.stem, "stem", "", (self.in_channels, height, width), 1)
        for repeat in (repeat for stage in self.stages for repeat in stage):
            count, units = (repeat.count, (repeat.unit,)) if folded else (1, repeat.units)
            for unit in units:
                preact = _walk(rows, unit.before, "before", unit.name, shape, count)
                total = _walk(rows, unit.branch, "branch", unit.name, preact, count)
                if unit.shortcut is not None:
                    source = preact if unit.shortcut_from == "preact" else shape
                    shortcut = _walk(rows, unit.shortcut, "shortcut", unit.name, source, count)
                    if shortcut != total:
                        raise _unequal(unit.name, (height, width), total, shortcut)
                shape = _walk(rows, unit.after, "after", unit.name, total, count)
        _walk(rows, self.tail, "tail", "", shape, 1)
        return tuple(rows)


def _layers(unit: Unit) -> Iterator[tuple[Place, Layer]]:
    """Give the unit's layers with their places."""
    yield from (("before", layer) for layer in unit.before)
    yield from (("branch", layer) for layer in unit.branch)
    yield from (("shortcut", layer) for layer in unit.shortcut or ())
    yield from (("after", layer) for layer in unit.after)


def _walk(
    rows: list[Traced], layers: tuple[Layer, ...], place: Place, unit: str, shape: Shape, count: int
) -> Shape:
    """Append the chain's layers with their shapes; return the last output's."""
    for layer in layers:
        output = output_shape(layer, shape)
        path = f"{unit}.{layer.name}" if unit else layer.name
        rows.append(Traced(path, place, unit, layer, shape, output, count))
        shape = output
    return shape


def _unequal(unit: str, image: tuple[int, int], branch: Shape, shortcut: Shape) -> UsageError:
    """Return the error for a branch and a shortcut that cannot be added."""
    return UsageError(
        f"{unit}: for images of {image[0]}x{image[1]} px the branch makes maps of"
        f" {branch[1]}x{branch[2]} px and the shortcut of {shortcut[1]}x{shortcut[2]} px",
        hint="Average pooling without padding halves even sizes only: take sizes that every"
        " stride divides, or shortcut=A-avgpool-same or A.",
    )
