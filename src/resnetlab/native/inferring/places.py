"""Where maps lie: memory is free again once its last reader ran."""

from collections.abc import Callable
from dataclasses import dataclass

from resnetlab.native.inferring.graph import Graph, Map

_LINE = 64


@dataclass(frozen=True)
class Places:
    """Offsets of maps in bytes, and the bytes of all."""

    offsets: dict[Map, int]
    size: int


def places_of(graph: Graph, size_of: Callable[[Map], int]) -> Places:
    """Return a place for each map; what is added to may become the sum."""
    last = {of: number for number, node in enumerate(graph.nodes) for of in node.reads}
    offsets: dict[Map, int] = {}
    taken: list[tuple[int, int, Map]] = []  # begin, end
    highest = 0
    for number, node in enumerate(graph.nodes):
        inherited = node.addend
        for of in node.makes:
            size = -(-size_of(of) // _LINE) * _LINE
            if inherited and last[inherited] == number and node.x is not inherited:
                begin = offsets[inherited]
                taken = [entry for entry in taken if entry[2] is not inherited]
                inherited = None
            else:
                begin = _gap([entry[:2] for entry in taken], size)
            offsets[of] = begin
            taken = sorted([*taken, (begin, begin + size, of)], key=lambda entry: entry[:2])
            highest = max(highest, begin + size)
        taken = [entry for entry in taken if last.get(entry[2], len(graph.nodes)) > number]
    return Places(offsets, highest)


def _gap(taken: list[tuple[int, int]], size: int) -> int:
    """Return where the first gap of this size begins."""
    begin = 0
    for low, high in taken:
        if low - begin >= size:
            break
        begin = max(begin, high)
    return begin
