"""The operations of the forward pass."""

import ctypes
from typing import Any

from resnetlab.native import building, structures
from resnetlab.native.arena import Block
from resnetlab.native.graph import Convolution, Map, Sum, View, Widening
from resnetlab.native.memory import Memory, at


class Ahead:
    """Plans the operations that make a graph's maps, and last the means of its last view.

    Attributes:
        operations: In order.
        means: Float (N, C).
    """

    def __init__(self, memory: Memory) -> None:
        self.memory, self.operations = memory, list[ctypes.Structure]()
        graph = memory.graph
        memory.maps[graph.first] = memory.new_map(graph.first)
        self._normed = {view.map for view in memory.views if view.norm}
        self._pack()
        if graph.first in self._normed:
            self._sum(View(graph.first), None, graph.first, keeps=False)
        self._waiting: Sum | None = None  # a sum that the next convolution makes while it reads it
        for node, following in zip(graph.nodes, [*graph.nodes[1:], None], strict=True):
            self._make(node, following)
        assert graph.last is not None
        last = graph.last.map
        self.means = memory.new(memory.images, last.channels)
        pixels = last.height * last.width
        pool = structures.Pool(memory.source(graph.last), at(self.means), pixels, last.channels)
        self.operations.append(memory.of_images(memory.elementwise.pool, pool))

    def _pack(self) -> None:
        for number, (node, (ahead, back)) in enumerate(self.memory.packed.items(), start=1):
            weight = self.memory.parameters[f"{node.name}.weight"]
            kernels = building.convolution(self.memory.kinds[node])
            arguments = structures.Pack(
                ctypes.cast(kernels.pack, ctypes.c_void_p).value, weight.data_ptr(),
                (ctypes.c_long * 4)(*weight.stride()), at(ahead), at(back),
            )  # fmt: skip
            self.operations.append(self.memory.operation(structures.PACK, arguments, images=number))

    def _make(self, node: Convolution | Sum | Widening, following: object) -> None:
        memory = self.memory
        memory.maps[node.out] = memory.new_map(node.out)
        if isinstance(node, Convolution):
            self._convolve(node)
        elif isinstance(node, Widening):
            arguments = widening(memory, node, memory.maps[node.out])
            self.operations.append(memory.of_images(memory.elementwise.widen, arguments))
            self._norms(node.out)
        elif (
            isinstance(following, Convolution) and following.x == View(node.out) and not self._is_normed(node)
        ):
            self._waiting = node
        else:
            self._sum(node.a, node.b, node.out, slope=node.slope)

    def _is_normed(self, node: Sum) -> bool:
        return node.out in self._normed

    def _convolve(self, node: Convolution) -> None:
        memory, waiting = self.memory, self._waiting
        a, b = (node.x, None) if waiting is None else (waiting.a, waiting.b)
        kept = None if waiting is None else memory.maps[waiting.out]
        addend = None if node.addend is None else memory.maps[node.addend.map]
        arguments = structures.Forward(
            memory.source(a), memory.source(b), waiting.slope if waiting else 1.0, at(kept),
            at(memory.packed[node][0]), at(memory.maps[node.out]), at(addend), at(self._sums(node.out)),
            self._centre(node.out), at(memory.parameters.get(f"{node.name}.bias")),
        )  # fmt: skip
        self._waiting = None
        kernels = building.convolution(memory.kinds[node])
        self.operations.append(memory.of_images(kernels.forward, arguments))
        self._norms(node.out)

    def _sum(self, a: View, b: View | None, out: Map, *, slope: float = 1.0, keeps: bool = True) -> None:
        memory = self.memory
        into = memory.maps[out] if keeps else None
        arguments = structures.Add(
            memory.source(a), memory.source(b), at(into), at(self._sums(out)), self._centre(out), slope,
            out.height * out.width, out.channels,
        )  # fmt: skip
        self.operations.append(memory.of_images(memory.elementwise.add, arguments))
        self._norms(out)

    def _sums(self, of: Map) -> Block | None:
        if of in self._normed and of not in self.memory.sums:
            self.memory.sums[of] = self.memory.block(self.memory.images, 2, of.channels)
        return self.memory.sums.get(of)

    def _names(self, of: Map) -> list[str]:
        return list(dict.fromkeys(v.norm for v in self.memory.views if v.map is of and v.norm))

    def _centre(self, of: Map) -> int | None:
        """Return about what the sums of a map are: what BN's running mean was, near its mean."""
        names = self._names(of)
        return at(self._module(names[0]).running_mean) if names else None

    def _module(self, name: str) -> Any:
        return self.memory.modules[name]

    def _norms(self, of: Map) -> None:
        """Have BN find what it makes of a map."""
        memory = self.memory
        for name in self._names(of):
            module, kind = self._module(name), memory.graph.norms[name]
            leaves = ("mean", "inverse", "scale", "shift", "A", "B", "C")
            found = memory.norms[name] = {leaf: memory.new(of.channels) for leaf in leaves}
            arguments = structures.Norm(
                at(memory.sums[of]), at(module.weight), at(module.bias), at(module.running_mean),
                at(module.running_var), *(at(found[leaf]) for leaf in leaves[:4]), module.momentum,
                module.eps, int(kind.biased_variance), memory.images, of.height * of.width, of.channels,
                int(not module.training),
            )  # fmt: skip
            self.operations.append(memory.operation(structures.NORM, arguments))


def widening(memory: Memory, node: Widening, wide: Block, narrow: Block | None = None) -> ctypes.Structure:
    """Return what makes a map wide; given `narrow`, back."""
    norm, x = memory.norms.get(node.x.norm, {}), node.x.map
    return structures.Widen(
        at(memory.maps[x] if narrow is None else narrow), at(wide), at(norm.get("scale")),
        at(norm.get("shift")), node.x.slope, x.height, x.width, node.out.height, node.out.width, x.channels,
        node.stride, node.window, *node.low, node.before, node.after, int(narrow is not None),
        None if node.unit is None else at(memory.keep_UN[node.unit]),
    )  # fmt: skip
