"""What a step asks of a processor, layer by layer: operations, and numbers to move. No torch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from resnetlab.network.layers import (
    Act,
    Conv,
    Dropout,
    Gate,
    Linear,
    Norm,
    PadChannels,
    Pool,
    Scale,
    multiply_adds,
    num_parameters,
)
from resnetlab.network.plan import Traced
from resnetlab.network.spec import ModelSpec

_HASHING = 14
"""Passes over 64-bit numbers by which a dropout chooses: the operations of `randomness.fold`."""


@dataclass(frozen=True)
class Kernel:
    """What is done in one go, `count` times over: for one image, but for `fixed_bytes`."""

    operations: float
    """Floating-point operations of a matrix product; those beside one take no time of their own."""
    numbers: float
    """Numbers of maps that are read or written."""
    fixed_bytes: float = 0.0
    """Read or written whatever the batch: weights."""
    count: int = 1


def training_kernels(spec: ModelSpec, height: int, width: int, *, is_compiled: bool) -> tuple[Kernel, ...]:
    """Return what forward and backward pass of one image size do.

    A convolution is three products, of its input, of its gradient to the input and to the weights. BN reads
    its input twice and writes once, and backward reads four maps and writes one. An activation and a sum
    take passes of their own, unless they are compiled into BN's. A gate is a convolution, and three passes
    that make g, 1 - g and a product, two more if it is exclusive; a dropout hashes 64-bit numbers.
    """
    kernels: list[Kernel] = []
    rows = spec.plan().trace(height, width, folded=True)
    for index, row in enumerate(rows):
        taken, made = math.prod(row.input), math.prod(row.output)
        match row.layer:
            case Conv() | Linear():
                products = 2 if index == 0 else 3  # nothing learns from the image's gradient
                kernels.append(_product(row, products * row.count))
            case Norm():
                kernels += [Kernel(0, 3 * made, count=row.count), Kernel(0, 5 * made, count=row.count)]
            case Act() if not is_compiled:
                kernels += [Kernel(0, 2 * made, count=row.count), Kernel(0, 3 * made, count=row.count)]
            case Pool() | PadChannels() | Scale():
                kernels.append(Kernel(0, taken + made, count=2 * row.count))
            case Gate(is_exclusive=is_exclusive):
                kernels.append(_product(row, 3 * row.count))
                kernels.append(Kernel(0, 3 * made, count=2 * (3 + 2 * is_exclusive) * row.count))
            case Dropout():
                hashing = Kernel(0, 2 * 2 * made, count=(1 if is_compiled else _HASHING) * row.count)
                kernels += [hashing, Kernel(0, 2 * made, count=2 * row.count)]
    passes = 1.5 if is_compiled else 3.0
    kernels += [Kernel(0, passes * made, count=2 * count) for made, count in _sums(spec, rows)]
    return tuple(kernels)


def evaluation_kernels(spec: ModelSpec, height: int, width: int) -> tuple[Kernel, ...]:
    """Return what the forward pass of an evaluation does."""
    kernels: list[Kernel] = []
    rows = spec.plan().trace(height, width, folded=True)
    for row in rows:
        taken, made = math.prod(row.input), math.prod(row.output)
        match row.layer:
            case Conv() | Linear():
                kernels.append(_product(row, row.count))
            case Norm() | Act() | Scale() | Dropout():
                kernels.append(Kernel(0, 2 * made, count=row.count))
            case Gate(is_exclusive=is_exclusive):
                kernels += [
                    _product(row, row.count),
                    Kernel(0, 3 * made, count=(3 + is_exclusive) * row.count),
                ]
            case Pool() | PadChannels():
                kernels.append(Kernel(0, taken + made, count=row.count))
    kernels += [Kernel(0, 3 * made, count=count) for made, count in _sums(spec, rows)]
    return tuple(kernels)


def update_kernel(num_parameters: int, numbers_per_weight: int) -> Kernel:
    """Return what the optimizer does: it reads all numbers of a weight, and writes all but the gradient."""
    return Kernel(0, 0, 4.0 * num_parameters * (2 * numbers_per_weight - 1))


def _product(row: Traced, count: int) -> Kernel:
    numbers = math.prod(row.input) + math.prod(row.output)
    operations = 2.0 * multiply_adds(row.layer, row.output)
    return Kernel(operations, numbers, 4.0 * num_parameters(row.layer), count)


def _sums(spec: ModelSpec, rows: tuple[Traced, ...]) -> Iterator[tuple[int, int]]:
    """Give the size of each unit's sum with its shortcut, and how many such units there are."""
    summed = {
        repeat.unit.name
        for stage in spec.plan().stages
        for repeat in stage
        if repeat.unit.shortcut is not None
    }
    ends = {row.unit: row for row in rows if row.place == "branch" and row.unit in summed}
    yield from ((math.prod(row.output), row.count) for row in ends.values())


@dataclass(frozen=True)
class Processor:
    """How fast one device does it: each kernel takes as long as what holds it up the longest."""

    operations: float
    """Floating-point operations a second that its products reach."""
    bytes: float
    """Bytes a second that it moves."""
    number_bytes: int
    """Of a map's number: 4, or 2 in half precision."""
    kernel: float
    """Seconds that any kernel takes at least."""
    launch: float
    """Seconds that the host takes to start one, while the device works; 0 if steps are recorded."""

    def seconds(self, kernels: tuple[Kernel, ...], samples: int) -> float:
        """Return how long the kernels take for so many images."""
        working = sum(kernel.count * self._seconds(kernel, samples) for kernel in kernels)
        return max(working, self.launch * sum(kernel.count for kernel in kernels))

    def _seconds(self, kernel: Kernel, samples: int) -> float:
        moved = kernel.numbers * samples * self.number_bytes + kernel.fixed_bytes
        return max(kernel.operations * samples / self.operations, moved / self.bytes, self.kernel)
