"""The rows of a network's layer table, with each layer's receptive field, as data."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from resnetlab.base.plaindata import convert
from resnetlab.errors import UsageError
from resnetlab.network.layers import (
    Act,
    Conv,
    Dropout,
    Gate,
    Layer,
    Linear,
    Norm,
    PadChannels,
    Padding,
    Pool,
    Scale,
    Shape,
    image_size,
    kept_numbers,
    multiply_adds,
    num_parameters,
)
from resnetlab.network.layers import Layout as Layout
from resnetlab.network.plan import Place, Plan, Unit
from resnetlab.network.spec import ModelSpec

BYTES_PER_NUMBER = 4
"""Of an activation in the table: 32-bit floats."""

_POOLS = {"max": "max", "average": "mean"}


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer, or `count` equal ones of equal units; all numbers are one layer's, for one image.

    `stage` counts from 1, and is 0 in the stem and behind the last stage. `receptive_field` is in
    pixels, of the last of equal layers, None for the whole image.
    """

    path: str
    place: Place
    stage: int
    unit: str
    count: int
    operation: str
    output: Shape
    parameters: int
    multiply_adds: int
    receptive_field: int | None
    kept_numbers: int

    @property
    def name(self) -> str:
        """The layer's path within its unit."""
        return self.path.removeprefix(f"{self.unit}.")

    def kept_bytes(self, batch: int) -> int:
        """Return the memory of what one such layer keeps for the gradient of a batch."""
        return self.kept_numbers * BYTES_PER_NUMBER * batch


def layer_rows(
    spec: ModelSpec, *, full: bool = False, height: int | None = None, width: int | None = None
) -> tuple[LayerRow, ...]:
    """Return the network's layers in the order in which an image meets them.

    Equal units in a row are given once, unless `full`. The size defaults to the nominal one.

    Raises:
        UsageError: If the size is no whole numbers from 1 on, or the strides do not allow it.
    """
    height, width = image_size(spec.input_size, height, width)
    plan = spec.plan()
    stage_of = {
        unit.name: number
        for number, stage in enumerate(plan.stages, 1)
        for repeat in stage
        for unit in (repeat.units if full else (repeat.unit,))
    }
    trace = plan.trace(height, width, folded=not full)
    return tuple(
        LayerRow(
            path=row.path,
            place=row.place,
            stage=stage_of.get(row.unit, 0),
            unit=row.unit,
            count=row.count,
            operation=operation(row.layer),
            output=row.output,
            parameters=num_parameters(row.layer),
            multiply_adds=multiply_adds(row.layer, row.output),
            receptive_field=field,
            kept_numbers=kept_numbers(row.layer, row.output),
        )
        for row, field in zip(trace, receptive_fields(plan, folded=not full), strict=True)
    )


def check_batch(batch: int) -> None:
    """Raise for a batch of no images.

    Raises:
        UsageError: If it is no whole number, or below 1.
    """
    if convert(int, batch, "batch") < 1:
        raise UsageError(
            f"batch must be at least 1, got {batch}", hint="Memory is given for that many images."
        )


def row_json(row: LayerRow, *, batch: int, layout: Layout) -> dict[str, Any]:
    """Return the row as plain JSON types; memory for `batch` images."""
    return {
        "path": row.path,
        "place": row.place,
        "stage": row.stage,
        "unit": row.unit,
        "count": row.count,
        "operation": row.operation,
        "output": list(arranged(row.output, layout)),
        "parameters": row.parameters,
        "multiply_adds": row.multiply_adds,
        "receptive_field": row.receptive_field,
        "kept_bytes": row.kept_bytes(batch),
    }


def arranged(shape: Shape, layout: Layout) -> Shape:
    """Return the shape as the layout orders it, without the batch."""
    channels, height, width = shape
    return shape if layout == "NCHW" else (height, width, channels)


def operation(layer: Layer) -> str:
    """Return what the layer does: "conv 3x3/2 pad 1", "BN", "subsample /2", "pad channels 8+8"."""
    match layer:
        case Conv():
            return f"conv {_window(layer)}{_padding(layer.padding)}{' +bias' if layer.bias else ''}"
        case Norm():
            return "BN" if layer.gamma else "BN, beta only"
        case Act():
            return f"leaky ReLU {layer.slope:g}" if layer.slope else "ReLU"
        case Pool(kind="global"):
            return "mean"
        case Pool(kind="subsample"):
            return f"subsample /{layer.stride}"
        case Pool(zeros=True):
            return f"max {_window(layer)} zeros {layer.padding}"
        case Pool():
            return f"{_POOLS[layer.kind]} {_window(layer)}{_padding(layer.padding)}"
        case PadChannels():
            return f"pad channels {layer.before}+{layer.after}"
        case Scale():
            return f"x {layer.factor:g}"
        case Gate():
            stride = f"/{layer.stride}" if layer.stride != 1 else ""
            return f"{'exclusive gate' if layer.is_exclusive else 'gate'} 1x1{stride}"
        case Dropout():
            return f"dropout {layer.rate:g}"
        case Linear():
            return "linear"


def _window(layer: Conv | Pool) -> str:
    return f"{layer.kernel}x{layer.kernel}" + (f"/{layer.stride}" if layer.stride != 1 else "")


def _padding(padding: Padding) -> str:
    if padding == "same":
        return " SAME"
    return f" pad {padding}" if padding else ""


class _Reach(NamedTuple):
    """The pixels a value sees along an axis, and those between two neighbouring values' views."""

    size: float
    jump: int


def receptive_fields(plan: Plan, *, folded: bool) -> tuple[int | None, ...]:
    """Return the side of each layer's receptive field in pixels, in the order of `plan.trace`.

    Padding counts as pixels. Where paths meet, the longest one's field is taken: it holds the
    shortcut's, which has the same stride and fewer or smaller windows. Folded, the field of
    equal units is the last one's. None from the global pooling on: the whole image.

    Source: Araujo, Norris and Sim, Distill, 2019, doi 10.23915/distill.00021, equation 2 as a
    recursion: r += (kernel - 1) * jump, then jump *= stride.
    """
    sizes: list[float] = []
    reach = _walk(sizes, plan.stem, _Reach(1, 1))
    for repeat in (repeat for stage in plan.stages for repeat in stage):
        for index in range(repeat.count):
            own: list[float] = []
            reach = _walk_unit(own, repeat.unit, reach)
            if not folded or index == repeat.count - 1:
                sizes += own
    _walk(sizes, plan.tail, reach)
    return tuple(None if size == math.inf else int(size) for size in sizes)


def _walk_unit(sizes: list[float], unit: Unit, reach: _Reach) -> _Reach:
    preact = _walk(sizes, unit.before, reach)
    total = _walk(sizes, unit.branch, preact)
    if unit.shortcut is not None:
        shortcut = _walk(sizes, unit.shortcut, preact if unit.shortcut_from == "preact" else reach)
        assert shortcut.jump == total.jump, unit.name
        total = _Reach(max(total.size, shortcut.size), total.jump)
    return _walk(sizes, unit.after, total)


def _walk(sizes: list[float], layers: tuple[Layer, ...], reach: _Reach) -> _Reach:
    for layer in layers:
        if isinstance(layer, Pool) and layer.kind == "global":
            reach = _Reach(math.inf, reach.jump)
        elif isinstance(layer, Conv | Pool):
            reach = _Reach(reach.size + (layer.kernel - 1) * reach.jump, reach.jump * layer.stride)
        sizes.append(reach.size)
    return reach
