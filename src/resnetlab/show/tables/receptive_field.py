"""The receptive field of every layer: how many pixels of the image one of its values can depend on."""

import math
from typing import NamedTuple

from resnetlab.network.layers import Conv, Layer, Pool
from resnetlab.network.plan import Plan, Unit


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
