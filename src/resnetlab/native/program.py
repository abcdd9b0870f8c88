"""A graph for one batch and precision: its memory, and the lists of operations forward and backward."""

import ctypes
import itertools
from typing import Any

import torch
from torch import Tensor, nn

from resnetlab.native import building, structures
from resnetlab.native.graph import Convolution, Graph, Map, Sum, View, Widening


class Program:
    """What a batch of `images` of a network does, as lists of operations on memory that stays.

    Attributes:
        means: The last view's mean over pixels, float (N, C); set by `forward`.
        number: How many forward passes were begun.
        first_gradient: The gradient of what it begins with, (N, H, W, C), if that is no image.
    """

    def __init__(self, graph: Graph, model: nn.Module, images: int, dtype: torch.dtype, threads: int) -> None:
        self.graph, self.images, self.dtype, self.threads = graph, images, dtype, threads
        self._modules = dict(model.named_modules())
        self.number = 0
        self._made = {f"{node.name}.weight" for node in graph.nodes if isinstance(node, Convolution)}
        self._made |= {f"{name}.{leaf}" for name in graph.norms for leaf in ("weight", "bias")}
        self._is_half = dtype == torch.bfloat16
        self._kept: list[Any] = []  # what operations point to
        self._maps: dict[Map, Tensor] = {}
        self._sums: dict[Map, Tensor] = {}
        self._norms: dict[str, dict[str, Tensor]] = {}
        self._room = 0
        self._elementwise = building.library("elementwise.cpp", MAPS_ARE_BF16=int(self._is_half))
        self._kinds = {node: self._kind(node) for node in graph.nodes if isinstance(node, Convolution)}
        building.build_all(self._kinds.values())
        self._parameters = dict(model.named_parameters())
        self._gradient_of = self._gradients()
        self._packed = {node: self._pack_room(node) for node in self._kinds}
        self._forward: list[Any] = []
        self._backward: list[Any] = []
        self._plan_forward()
        self._plan_backward()
        self._run = building.library("program.cpp").run
        self._ahead = _array(self._forward)
        self._back = _array(self._backward)
        self._rooms = [torch.zeros(self._room + 64, dtype=torch.uint8) for _ in range(threads)]
        self._room_pointers = (ctypes.c_void_p * threads)(*(room.data_ptr() for room in self._rooms))

    def forward(self, images_NHWC: Tensor) -> Tensor:
        """Return the last view's means, (N, C): memory that the next call overwrites."""
        self.number += 1
        self._maps[self.graph.first].copy_(images_NHWC)  # also into bf16
        self._run(self._ahead, len(self._forward), self.threads, self._room_pointers)
        return self.means

    def backward(self, means_gradient: Tensor) -> list[Tensor | None]:
        """Return the gradients of the network's parameters in their order; None where others make it."""
        self.means_gradient.copy_(means_gradient)
        self._run(self._back, len(self._backward), self.threads, self._room_pointers)
        copy = self._flat.clone()  # what is returned may become a parameter's gradient, to which others add
        return [
            torch.as_strided(copy, p.shape, p.stride(), self._offsets[name]) if name in self._made else None
            for name, p in self._parameters.items()
        ]

    # Memory

    def _new(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        tensor = torch.zeros(shape, dtype=dtype)
        self._kept.append(tensor)
        return tensor

    def _new_map(self, of: Map) -> Tensor:
        return self._new(self.images, of.height, of.width, of.channels, dtype=self.dtype)

    def _gradients(self) -> dict[str, Tensor]:
        sizes = {name: p.numel() for name, p in self._parameters.items()}
        self._flat = self._new(sum(sizes.values()))
        ends = itertools.accumulate(sizes.values(), initial=0)
        self._offsets = dict(zip(sizes, ends, strict=False))
        return {
            name: torch.as_strided(self._flat, p.shape, p.stride(), self._offsets[name])
            for name, p in self._parameters.items()
        }

    def _kind(self, node: Convolution) -> building.ConvolutionKind:
        x, out, layer = node.x.map, node.out, node.layer
        return building.ConvolutionKind(
            layer.in_channels, layer.out_channels, layer.kernel, layer.stride, x.height, x.width, out.height,
            out.width, node.pad_low, int(x is not self.graph.first or not self.graph.is_image), int(self._is_half),
        )  # fmt: skip

    def _pack_room(self, node: Convolution) -> tuple[Tensor, Tensor]:
        layer = node.layer
        deep = -(-layer.in_channels // 2) * 2 if self._is_half else layer.in_channels
        size = layer.out_channels * layer.kernel**2
        return self._new(size * deep, dtype=self.dtype), self._new(size * layer.in_channels, dtype=self.dtype)

    # Operations

    def _operation(
        self, into: list[Any], kind: int, arguments: ctypes.Structure, function: Any = None, *,
        images: int = 0, together: int = 1, dw_size: int = 0,
    ) -> None:  # fmt: skip
        self._kept.append(arguments)
        pointer = None if function is None else ctypes.cast(function, ctypes.c_void_p).value
        into.append(
            structures.Operation(
                kind, images or self.images, together, pointer, ctypes.addressof(arguments), dw_size
            )
        )

    def _source(self, view: View) -> ctypes.Structure:
        norm = self._norms.get(view.norm, {})
        return structures.Source(
            _at(self._maps[view.map]), _at(norm.get("scale")), _at(norm.get("shift")), int(view.relu)
        )

    # Forward

    def _plan_forward(self) -> None:
        graph, ahead = self.graph, self._forward
        self._maps[graph.first] = self._new_map(graph.first)
        normed = {view.map for view in self._views() if view.norm}
        for number, (node, (packed, back)) in enumerate(self._packed.items()):
            weight = self._parameters[f"{node.name}.weight"]
            library = building.convolution(self._kinds[node])
            arguments = structures.Pack(
                ctypes.cast(library.pack, ctypes.c_void_p).value, weight.data_ptr(),
                (ctypes.c_long * 4)(*weight.stride()), _at(packed), _at(back),
            )  # fmt: skip
            self._operation(ahead, structures.PACK, arguments, images=number + 1)
            itemsize = packed.element_size()
            self._room = max(
                self._room, itemsize * max(library.forward_room(), library.backward_room())
            )
        waiting: Sum | None = None  # a sum that the next convolution makes while it reads it
        for node, following in zip(graph.nodes, [*graph.nodes[1:], None], strict=True):
            out = self._maps[node.out] = self._new_map(node.out)
            if node.out in normed:
                self._sums[node.out] = self._new(self.images, 2, node.out.channels)
            sums, centre = _at(self._sums.get(node.out)), self._centre(node.out)
            match node:
                case Convolution():
                    a, b = (node.x, None) if waiting is None else (waiting.a, waiting.b)
                    arguments = structures.Forward(
                        self._source(a), self._source(b) if b else structures.Source(),
                        int(waiting is not None and waiting.relu),
                        _at(self._maps[waiting.out]) if waiting else None, _at(self._packed[node][0]),
                        _at(out), _at(self._maps[node.addend.map]) if node.addend else None, sums, centre,
                    )  # fmt: skip
                    waiting = None
                    function = building.convolution(self._kinds[node]).forward
                    self._operation(ahead, structures.OF_IMAGES, arguments, function)
                case Sum():
                    reads = isinstance(following, Convolution) and following.x == View(node.out)
                    if reads and node.out not in normed:
                        waiting = node
                        continue
                    arguments = structures.Add(
                        self._source(node.a), self._source(node.b), _at(out), sums, centre, int(node.relu),
                        node.out.height * node.out.width, node.out.channels,
                    )  # fmt: skip
                    self._operation(ahead, structures.OF_IMAGES, arguments, self._elementwise.add)
                case Widening():
                    self._operation(
                        ahead, structures.OF_IMAGES, self._widening(node, node.x, out), self._elementwise.widen
                    )
            for name in {view.norm: None for view in self._views() if view.map is node.out and view.norm}:
                self._add_norm(name, node.out)
        assert graph.last is not None
        last = graph.last.map
        self.means = self._new(self.images, last.channels)
        pixels = last.height * last.width
        self._operation(
            ahead, structures.OF_IMAGES,
            structures.Pool(self._source(graph.last), _at(self.means), pixels, last.channels),
            self._elementwise.pool,
        )  # fmt: skip

    def _views(self) -> list[View]:
        views = dict.fromkeys(view for node in self.graph.nodes for view in _reads(node))
        assert self.graph.last is not None
        return [*views, *({self.graph.last: None} if self.graph.last not in views else {})]

    def _centre(self, of: Map) -> int | None:
        names = [view.norm for view in self._views() if view.map is of and view.norm]
        return _at(self._modules[names[0]].running_mean) if names else None

    def _add_norm(self, name: str, of: Map) -> None:
        module, channels = self._modules[name], of.channels
        found = {key: self._new(channels) for key in ("mean", "inverse", "scale", "shift", "A", "B", "C")}
        self._norms[name] = found
        arguments = structures.Norm(
            _at(self._sums[of]), _at(module.weight), _at(module.bias), _at(module.running_mean),
            _at(module.running_var), *(_at(found[key]) for key in ("mean", "inverse", "scale", "shift")),
            module.momentum, module.eps, int(self.graph.norms[name].biased_variance), self.images,
            of.height * of.width, channels,
        )  # fmt: skip
        self._operation(self._forward, structures.NORM, arguments)

    def _widening(self, node: Widening, view: View, wide: Tensor, narrow: Tensor | None = None) -> Any:
        norm, x = self._norms.get(view.norm, {}), view.map
        return structures.Widen(
            _at(self._maps[x] if narrow is None else narrow), _at(wide), _at(norm.get("scale")),
            _at(norm.get("shift")), int(view.relu), x.height, x.width, x.channels, node.stride, node.before,
            node.after, int(narrow is not None),
        )  # fmt: skip

    # Backward

    def _plan_backward(self) -> None:
        last = self.graph.last
        assert last is not None
        self.means_gradient = self._new(self.images, last.map.channels)
        self._found: dict[View, Tensor] = {}  # gradients of views, behind their ReLU
        self._given: dict[View, list[Tensor]] = {view: [] for view in self._views()}
        self._left = {view: 0 for view in self._views()}
        for node in self.graph.nodes:
            for view in _reads(node):
                self._left[view] += 1
        if self._left[last]:
            raise NotImplementedError
        self._finish(last, None, self.means_gradient)
        for node in reversed(self.graph.nodes):
            self._go_back(node)
        first = self.graph.first
        self.first_gradient = None if self.graph.is_image else self._whole(first)

    def _seen(self, view: View) -> tuple[str, Map] | None:
        """Return the BN whose sums the gradient of this view gives, and the map that it is of."""
        if view.norm:
            return view.norm, view.map
        maker = view.map.maker
        if isinstance(maker, Sum) and sum(other.map is view.map for other in self._views()) == 1:
            for part in (maker.a, maker.b):
                if part.norm and not part.relu and self._uses(part) == 1:
                    return part.norm, part.map
        return None

    def _uses(self, view: View) -> int:
        return sum(_reads(node).count(view) for node in self.graph.nodes)

    def _is_masked(self, view: View) -> bool:
        maker = view.map.maker
        return view.relu or (not view.norm and isinstance(maker, Sum) and maker.relu)

    def _about(self, view: View) -> tuple[list[int | None], Tensor, tuple[str, Map] | None]:
        """Return seen, mean, inverse for the sums of a view's gradient, and where those go."""
        seen = self._seen(view)
        sums = self._new(self.images, 2, view.map.channels)
        if seen is None:
            return [None, None, None], sums, None
        norm = self._norms[seen[0]]
        return [_at(self._maps[seen[1]]), _at(norm["mean"]), _at(norm["inverse"])], sums, seen

    def _norm_back(self, name: str, of: Map, sums: Tensor) -> None:
        module, norm = self._modules[name], self._norms[name]
        grads = [self._gradient_of.get(f"{name}.{leaf}") for leaf in ("weight", "bias")]
        arguments = structures.NormBack(
            _at(sums), _at(module.weight), _at(norm["mean"]), _at(norm["inverse"]),
            *(_at(norm[key]) for key in "ABC"), *(_at(grad) for grad in grads), self.images,
            of.height * of.width, of.channels,
        )  # fmt: skip
        norm["is_known"] = sums
        self._operation(self._backward, structures.NORM_BACK, arguments)

    def _finish(self, view: View, gradient: Tensor | None, pooled: Tensor | None = None) -> None:
        """Have what was given for a view, and this, be its gradient: behind its ReLU, with BN's sums."""
        parts = [*self._given[view], *([] if gradient is None else [gradient])]
        seen, masked = self._seen(view), self._is_masked(view)
        if len(parts) == 1 and pooled is None and not masked and seen is None:
            self._found[view] = parts[0]
            return
        if len(parts) > 2 or (pooled is not None and parts):
            raise NotImplementedError
        about, sums, seen = self._about(view)
        into = self._new_map(view.map)
        arguments = structures.Finish(
            self._source(view), _at(parts[0]) if parts else None, _at(parts[1]) if len(parts) > 1 else None,
            _at(pooled), _at(into), *about, _at(sums), int(masked), view.map.height * view.map.width,
            view.map.channels,
        )  # fmt: skip
        self._operation(self._backward, structures.OF_IMAGES, arguments, self._elementwise.finish)
        if seen:
            self._norm_back(*seen, sums)
        self._found[view] = into

    def _give(self, view: View, gradient: Tensor) -> None:
        """Add to a view's gradient what one that reads it gives."""
        self._left[view] -= 1
        if view.map is self.graph.first and self.graph.is_image:
            return
        if self._left[view]:
            self._given[view].append(gradient)
        else:
            self._finish(view, gradient)

    def _of_map(self, of: Map) -> dict[str, Any]:
        """Return g, y, A, B, C and addend, whose combination is the gradient of a map."""
        views = [view for view in self._views() if view.map is of]
        normed = [view for view in views if view.norm]
        plain = [view for view in views if not view.norm]
        if len(normed) > 1 or len(plain) > 1:
            raise NotImplementedError
        if not normed:
            return {"g": self._found[plain[0]], "y": None, "A": None, "B": None, "C": None, "addend": None}
        view, norm = normed[0], self._norms[normed[0].norm]
        if "is_known" not in norm:  # its gradient was taken over from a sum as it is
            self._reduce(view)
        return {
            "g": self._found[view], "y": self._maps[of], **{key: norm[key] for key in "ABC"},
            "addend": self._found[plain[0]] if plain else None,
        }  # fmt: skip

    def _reduce(self, view: View) -> None:
        norm, sums = self._norms[view.norm], self._new(self.images, 2, view.map.channels)
        arguments = structures.Finish(
            self._source(view), _at(self._found[view]), None, None, None, _at(self._maps[view.map]),
            _at(norm["mean"]), _at(norm["inverse"]), _at(sums), 0, view.map.height * view.map.width,
            view.map.channels,
        )  # fmt: skip
        self._operation(self._backward, structures.OF_IMAGES, arguments, self._elementwise.finish)
        self._norm_back(view.norm, view.map, sums)

    def _whole(self, of: Map) -> Tensor:
        """Return the gradient of a map, in memory."""
        parts = self._of_map(of)
        if parts["A"] is None:
            found: Tensor = parts["g"]
            return found
        into = self._new_map(of)
        arguments = structures.Combine(
            *(_at(part) for part in parts.values()), _at(into), of.height * of.width, of.channels
        )
        self._operation(self._backward, structures.OF_IMAGES, arguments, self._elementwise.combine)
        return into

    def _go_back(self, node: Convolution | Sum | Widening) -> None:
        match node:
            case Sum():
                gradient = self._whole(node.out)
                for view in (node.a, node.b):
                    self._take_over(view, gradient)
            case Widening():
                wide, narrow = self._whole(node.out), self._new_map(node.x.map)
                arguments = self._widening(node, node.x, wide, narrow)
                self._operation(self._backward, structures.OF_IMAGES, arguments, self._elementwise.widen)
                self._give(node.x, narrow)
            case Convolution():
                self._convolve_back(node)

    def _take_over(self, view: View, gradient: Tensor) -> None:
        """Give a sum's gradient to what it adds; where BN's sums were made on the way, that is all."""
        is_known = view.norm and "is_known" in self._norms[view.norm]
        if not view.relu and self._left[view] == 1 and not self._given[view] and (is_known or view.norm):
            self._left[view] = 0
            self._found[view] = gradient
        else:
            self._give(view, gradient)

    def _convolve_back(self, node: Convolution) -> None:
        kind, x = self._kinds[node], node.x
        library = building.convolution(kind)
        parts = self._of_map(node.out)
        dy = None
        if node.addend:
            dy = parts["g"] if parts["A"] is None else self._new_map(node.out)
        taps = kind.KERNEL**2
        dw = self._new(self.threads, taps, kind.IC, kind.OC)
        weights = self._packed[node][1]
        into, about, sums, seen, masked = None, [None] * 3, self._new(self.images, 2, kind.IC), None, False
        given = self._given[x]
        is_last = self._left[x] == 1
        if kind.BACKWARD:
            into = self._new_map(x.map)
            if len(given) > 1:
                raise NotImplementedError
            if is_last:
                masked = self._is_masked(x)
                about, sums, seen = self._about(x)
        arguments = structures.Backward(
            *(_at(part) for part in parts.values()), _at(dy) if parts["A"] is not None else None,
            self._source(x), _at(weights), _at(dw), _at(into), _at(given[0]) if given and is_last else None,
            int(masked), *about, _at(sums),
        )  # fmt: skip
        self._operation(
            self._backward, structures.OF_WEIGHTS_GRADIENT, arguments, library.backward,
            together=2 if self._is_half else 1, dw_size=taps * kind.IC * kind.OC,
        )  # fmt: skip
        gradient = self._gradient_of[f"{node.name}.weight"]
        gather = structures.Gather(
            _at(dw), _at(gradient), (ctypes.c_long * 4)(*gradient.stride()), taps, kind.KERNEL, kind.IC,
            kind.OC, self.threads,
        )  # fmt: skip
        self._operation(self._backward, structures.GATHER, gather)
        self._left[x] -= 1
        if into is not None and is_last:
            if seen:
                self._norm_back(*seen, sums)
            self._found[x] = into
        elif into is not None:
            given.append(into)
        if node.addend and dy is not None:
            self._give(node.addend, dy)


def _at(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def _array(operations: list[Any]) -> Any:
    return (structures.Operation * len(operations))(*operations)


def _reads(node: Convolution | Sum | Widening) -> list[View]:
    match node:
        case Convolution():
            return [node.x, *([node.addend] if node.addend else [])]
        case Sum():
            return [node.a, node.b]
        case Widening():
            return [node.x]

