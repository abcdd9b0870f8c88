"""The operations of the backward pass.

Walked from the last view to the first map. What reads a view gives it a gradient; the last that gives makes
it whole on the way: behind the ReLU, with the sums that BN needs. Of a map that BN reads, no gradient is
kept: who needs it makes it while reading, A * g + B * map + C.
"""

import ctypes
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from resnetlab.native import building, structures
from resnetlab.native.ahead import widening
from resnetlab.native.arena import Block
from resnetlab.native.graph import Convolution, Map, Sum, View, Widening, reads
from resnetlab.native.memory import Memory, at


@dataclass
class Parts:
    """A map's gradient as it is read: A * g + B * y + C + addend; without A, g + addend."""

    g: Block
    y: Block | None = None
    A: Tensor | None = None
    B: Tensor | None = None
    C: Tensor | None = None
    addend: Block | None = None

    def pointers(self) -> list[int | None]:
        """Return where they lie."""
        return [at(part) for part in (self.g, self.y, self.A, self.B, self.C, self.addend)]

    @property
    def is_whole(self) -> bool:
        """Whether it lies in memory as it is."""
        return self.A is None and self.addend is None


class Back:
    """Plans the operations that make the parameters' gradients.

    Attributes:
        operations: In order.
        means_gradient: What they begin with, float (N, C).
        first_gradient: The gradient of what the forward pass begins with, if that is no image.
    """

    def __init__(self, memory: Memory, threads: int) -> None:
        self.memory, self.threads, self.operations = memory, threads, list[ctypes.Structure]()
        graph, last = memory.graph, memory.graph.last
        assert last is not None
        self._left = {view: sum(reads(node).count(view) for node in graph.nodes) for view in memory.views}
        self._uses = dict(self._left)
        self._given: dict[View, list[Block]] = {view: [] for view in memory.views}
        self._found: dict[View, Block] = {}  # gradients of views, behind their ReLU
        self._has_sums: set[str] = set()  # BNs
        self.means_gradient = memory.new(memory.images, last.map.channels)
        self._finish(last, [], self.means_gradient)
        for node in reversed(graph.nodes):
            if isinstance(node, Convolution):
                self._convolve(node)
            elif isinstance(node, Sum):
                gradient = self._whole(node.out)
                self._take_over(node.a, gradient)
                self._take_over(node.b, gradient)
            else:
                self._narrow(node)
        self.first_gradient = None if graph.is_image else self._whole(graph.first)

    # Views

    def _seen(self, view: View) -> tuple[str, Map] | None:
        """Return the BN whose sums the gradient of this view gives, and the map that it is of."""
        if view.norm:
            return view.norm, view.map
        maker = view.map.maker
        if isinstance(maker, Sum) and sum(other.map is view.map for other in self.memory.views) == 1:
            for part in (maker.a, maker.b):
                if part.norm and part.slope == 1 and self._uses[part] == 1:
                    return part.norm, part.map
        return None

    @staticmethod
    def _slope(view: View) -> float:
        """Return what a view's gradient is multiplied with where the view is not above 0."""
        maker = view.map.maker
        return maker.slope if isinstance(maker, Sum) and view == View(view.map) else view.slope

    def _about(self, seen: tuple[str, Map] | None) -> list[int | None]:
        """Return the map, mean and inverse deviation that the sums of a gradient are about."""
        if seen is None:
            return [None, None, None]
        norm = self.memory.norms[seen[0]]
        return [at(self.memory.maps[seen[1]]), at(norm["mean"]), at(norm["inverse"])]

    def _finish(self, view: View, parts: list[Block], pooled: Tensor | None = None) -> None:
        """Have these, added up, be a view's gradient: behind its ReLU, with BN's sums."""
        seen, slope = self._seen(view), self._slope(view)
        if len(parts) == 1 and slope == 1 and seen is None:
            self._found[view] = parts[0]
            return
        into = self.memory.new_map(view.map)
        self._pass_over(view, parts, seen, pooled=pooled, into=into, slope=slope)
        self._found[view] = into

    def _pass_over(
        self, view: View, parts: list[Block], seen: tuple[str, Map] | None, *, pooled: Tensor | None = None,
        into: Block | None = None, slope: float = 1.0,
    ) -> None:  # fmt: skip
        memory, of = self.memory, view.map
        assert len(parts) <= 2, "a view is read by three at most"
        g, addend = [*parts, None, None][:2]
        sums = memory.block(memory.images, 2, of.channels)
        arguments = structures.Finish(
            memory.source(view), at(g), at(addend), at(pooled), at(into), *self._about(seen), at(sums),
            slope, of.height * of.width, of.channels,
        )  # fmt: skip
        self.operations.append(memory.of_images(memory.elementwise.finish, arguments))
        if seen:
            self._norm(*seen, sums)

    def _norm(self, name: str, of: Map, sums: Block) -> None:
        memory, norm = self.memory, self.memory.norms[name]
        module: Any = memory.modules[name]
        arguments = structures.NormBack(
            at(sums), at(module.weight), at(norm["mean"]), at(norm["inverse"]),
            *(at(norm[leaf]) for leaf in "ABC"),
            *(memory.gradient_of(f"{name}.{leaf}") for leaf in ("weight", "bias")), memory.images,
            of.height * of.width, of.channels, int(not module.training),
        )  # fmt: skip
        self._has_sums.add(name)
        self.operations.append(memory.operation(structures.NORM_BACK, arguments))

    def _give(self, view: View, gradient: Block) -> None:
        self._left[view] -= 1
        self._given[view].append(gradient)
        if not self._left[view]:
            self._finish(view, self._given[view])

    def _take_over(self, view: View, gradient: Block) -> None:
        """Give a sum's gradient to what it adds; where nothing else is due to it, that is all."""
        if self._uses[view] == 1 and view.slope == 1 and view.norm:
            self._left[view] = 0
            self._found[view] = gradient
        else:
            self._give(view, gradient)

    # Maps

    def _of_map(self, of: Map) -> Parts:
        views = [view for view in self.memory.views if view.map is of]
        normed = [view for view in views if view.norm]
        plain = [self._found[view] for view in views if not view.norm]
        if not normed:
            return Parts(plain[0], addend=plain[1] if len(plain) > 1 else None)
        view, norm = normed[0], self.memory.norms[normed[0].norm]
        if view.norm not in self._has_sums:  # its gradient was taken over from a sum as it is
            self._pass_over(view, [self._found[view]], (view.norm, of))
        addend = plain[0] if plain else None
        return Parts(self._found[view], self.memory.maps[of], norm["A"], norm["B"], norm["C"], addend)

    def _whole(self, of: Map) -> Block:
        """Return the gradient of a map, in memory."""
        parts = self._of_map(of)
        if parts.is_whole:
            return parts.g
        into = self.memory.new_map(of)
        arguments = structures.Combine(*parts.pointers(), at(into), of.height * of.width, of.channels)
        self.operations.append(self.memory.of_images(self.memory.elementwise.combine, arguments))
        return into

    # What makes maps

    def _narrow(self, node: Widening) -> None:
        wide, narrow = self._whole(node.out), self.memory.new_map(node.x.map)
        arguments = widening(self.memory, node, wide, narrow)
        self.operations.append(self.memory.of_images(self.memory.elementwise.widen, arguments))
        self._give(node.x, narrow)

    def _convolve(self, node: Convolution) -> None:
        memory, x, kind = self.memory, node.x, self.memory.kinds[node]
        parts, given, is_last = self._of_map(node.out), self._given[node.x], self._left[node.x] == 1
        dy = None
        if node.addend:
            dy = parts.g if parts.is_whole else memory.new_map(node.out)
        taps = kind.KERNEL**2
        size = taps * kind.IC * kind.OC + kind.OC * node.layer.bias
        dw = memory.block(self.threads, size)
        sums = memory.block(memory.images, 2, kind.IC)
        into = memory.new_map(x.map) if kind.BACKWARD else None
        seen = self._seen(x) if is_last and kind.BACKWARD else None
        assert len(given) <= 1 or not is_last, "a view is read by two at most, or by two and a sum"
        arguments = structures.Backward(
            *parts.pointers(), None if parts.is_whole else at(dy), memory.source(x),
            at(memory.packed[node][1]), at(dw), at(into), at(given[0]) if given and is_last else None,
            self._slope(x) if is_last else 1.0, int(node.layer.bias), *self._about(seen), at(sums),
        )  # fmt: skip
        kernels = building.convolution(kind)
        self.operations.append(
            memory.operation(
                structures.OF_WEIGHTS_GRADIENT,
                arguments,
                kernels.backward,
                together=2 if memory.is_half else 1,
                dw_size=size,
            )
        )
        self._gather(node, dw)
        self._left[x] -= 1
        if into is not None and is_last:
            if seen:
                self._norm(*seen, sums)
            self._found[x] = into
        elif into is not None:
            given.append(into)
        if node.addend and dy is not None:
            self._give(node.addend, dy)

    def _gather(self, node: Convolution, dw: Block) -> None:
        memory, kind, weights, bias = (
            self.memory,
            self.memory.kinds[node],
            f"{node.name}.weight",
            f"{node.name}.bias",
        )
        taps, apart = kind.KERNEL**2, dw.shape[1]
        into, out, (of_out, of_into, *others) = kind.IC, kind.OC, memory.parameters[weights].stride()
        if building.convolution(kind).dw_is_turned():
            into, out, of_out, of_into = out, into, of_into, of_out
        arguments = structures.Gather(
            at(dw), memory.gradient_of(weights), (ctypes.c_long * 4)(of_out, of_into, *others), taps,
            kind.KERNEL, into, out, self.threads, apart,
        )  # fmt: skip
        self.operations.append(memory.operation(structures.GATHER, arguments))
        if bias in memory.parameters:
            of_bias = dw.address + dw.dtype.itemsize * taps * kind.IC * kind.OC
            strides = (ctypes.c_long * 4)(memory.parameters[bias].stride(0), 0, 0, 0)
            sums = structures.Gather(
                of_bias, memory.gradient_of(bias), strides, 1, 1, 1, kind.OC, self.threads, apart
            )
            self.operations.append(memory.operation(structures.GATHER, sums))
