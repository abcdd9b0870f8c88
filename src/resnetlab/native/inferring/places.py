"""Where maps lie: memory is free again once its last reader ran."""

from collections.abc import Callable
from dataclasses import dataclass

from resnetlab.native.arena import Gaps, whole_lines
from resnetlab.native.inferring.graph import Graph, Map


@dataclass(frozen=True)
class Places:
    """Offsets of maps in bytes, and the bytes of all."""

    offsets: dict[Map, int]
    size: int


def places_of(graph: Graph, size_of: Callable[[Map], int]) -> Places:
    """Return a place for each map; what is added to may become the sum."""
    last = {of: number for number, node in enumerate(graph.nodes) for of in node.reads}
    offsets: dict[Map, int] = {}
    taken: list[Map] = []
    gaps = Gaps()
    for number, node in enumerate(graph.nodes):
        inherited = node.addend
        for of in node.makes:
            if inherited and last[inherited] == number and node.x is not inherited:
                offsets[of] = offsets[inherited]
                taken.remove(inherited)
                inherited = None
            else:
                offsets[of] = gaps.take(whole_lines(size_of(of)))
            taken.append(of)
        for of in [of for of in taken if last.get(of, len(graph.nodes)) <= number]:
            taken.remove(of)
            gaps.give(offsets[of], whole_lines(size_of(of)))
    return Places(offsets, gaps.highest)
