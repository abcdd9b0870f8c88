"""The plan: a whole network, layer by layer, as plain data.

One description has three readers: the arithmetic here, the torch module (models/resnet.py) and
the diagrams and tables. drafting.py draws it from a specification. No torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from resnetlab.errors import UsageError
from resnetlab.layers import (
    Conv,
    Layer,
    Linear,
    Norm,
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
    a plain unit, an empty one the identity.
    """

    name: str
    before: tuple[Layer, ...]
    branch: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] | None
    shortcut_from: Literal["input", "preact"]
    after: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Traced:
    """A layer at its place, with the shapes of its input and output for one image."""

    path: str
    place: Place
    unit: str
    layer: Layer
    input: Shape
    output: Shape


@dataclass(frozen=True, slots=True)
class Plan:
    """All layers of a network in the order in which an image meets them."""

    in_channels: int
    stem: tuple[Layer, ...]
    stages: tuple[tuple[Unit, ...], ...]
    tail: tuple[Layer, ...]

    @property
    def units(self) -> tuple[Unit, ...]:
        """All units, first to last."""
        return tuple(unit for stage in self.stages for unit in stage)

    def placed(self) -> Iterator[tuple[str, Place, Layer]]:
        """Give every layer once, with its full path and its place."""
        yield from ((layer.name, "stem", layer) for layer in self.stem)
        for unit in self.units:
            chains: tuple[tuple[Place, tuple[Layer, ...]], ...] = (
                ("before", unit.before),
                ("branch", unit.branch),
                ("shortcut", unit.shortcut or ()),
                ("after", unit.after),
            )
            for place, layers in chains:
                yield from ((f"{unit.name}.{layer.name}", place, layer) for layer in layers)
        yield from ((layer.name, "tail", layer) for layer in self.tail)

    @property
    def num_parameters(self) -> int:
        """The number of trainable numbers."""
        return sum(num_parameters(layer) for _, _, layer in self.placed())

    @property
    def num_running_statistics(self) -> int:
        """The number of running means and variances of the batch normalisations."""
        layers = (layer for _, _, layer in self.placed())
        return sum(2 * layer.channels for layer in layers if isinstance(layer, Norm))

    @property
    def depth(self) -> int:
        """Weighted layers from image to logits as the papers count them: no shortcuts, no BN."""
        return sum(
            isinstance(layer, Conv | Linear) and place != "shortcut" for _, place, layer in self.placed()
        )

    def num_multiply_adds(self, height: int, width: int) -> int:
        """Return the products for one image: convolutions and classifier, shortcuts included."""
        return sum(multiply_adds(row.layer, row.output) for row in self.trace(height, width))

    def trace(self, height: int, width: int) -> tuple[Traced, ...]:
        """Return every layer with its shapes for an image of height x width pixels.

        Raises:
            UsageError: If the strides do not allow the size.
        """
        rows: list[Traced] = []
        shape = _walk(rows, self.stem, "stem", "", (self.in_channels, height, width))
        for unit in self.units:
            preact = _walk(rows, unit.before, "before", unit.name, shape)
            total = _walk(rows, unit.branch, "branch", unit.name, preact)
            if unit.shortcut is not None:
                source = preact if unit.shortcut_from == "preact" else shape
                shortcut = _walk(rows, unit.shortcut, "shortcut", unit.name, source)
                if shortcut != total:
                    raise _unequal(unit.name, (height, width), total, shortcut)
            shape = _walk(rows, unit.after, "after", unit.name, total)
        _walk(rows, self.tail, "tail", "", shape)
        return tuple(rows)


def _walk(rows: list[Traced], layers: tuple[Layer, ...], place: Place, unit: str, shape: Shape) -> Shape:
    """Append the chain's layers with their shapes; return the last output's."""
    for layer in layers:
        output = output_shape(layer, shape)
        path = f"{unit}.{layer.name}" if unit else layer.name
        rows.append(Traced(path, place, unit, layer, shape, output))
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
