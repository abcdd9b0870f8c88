"""What a program computes in: maps, sums, BN's numbers, packed weights; and what points to them.

Most are blocks, which share memory with those that are needed before or after them.
"""

import ctypes
import functools
import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from resnetlab.native import building, structures
from resnetlab.native.arena import Arena, Block, Blocks
from resnetlab.native.graph import Convolution, Graph, Map, View, Widening

_ROW = 256
"""Most pixels of a row that is made of several."""


class Memory:
    """Memory that stays for all batches of a kind.

    Attributes:
        maps: Of each map, (N, H, W, C).
        sums: Of each map that BN reads, float (N, 2, C): of its numbers about a centre, and of their squares.
        norms: Of each BN its mean, inverse deviation, scale and shift; backward A, B, C: the gradient of its
            map is A * g + B * map + C.
        kinds: Of each convolution.
        packed: Its weights as kernels read them, forward and backward.
        blocks: Of which all of these are that operations make anew.
        keep_UN: What each unit's branch is multiplied with for each image, with stochastic depth.
        room: Bytes that a thread needs beside.
    """

    def __init__(self, graph: Graph, model: nn.Module, images: int, dtype: torch.dtype) -> None:
        self.graph, self.images, self.dtype, self.room = graph, images, dtype, 0
        self.is_half = dtype == torch.bfloat16
        self.modules, self.parameters = dict(model.named_modules()), dict(model.named_parameters())
        self.elementwise = building.library("elementwise.cpp", MAPS_ARE_BF16=int(self.is_half))
        self.kinds = {node: self._kind(node) for node in graph.nodes if isinstance(node, Convolution)}
        building.build_all(self.kinds.values())
        self._arena, self.blocks = Arena(), Blocks()
        units = {node.unit for node in graph.nodes if isinstance(node, Widening)} - {None}
        self.keep_UN = torch.zeros(max((unit + 1 for unit in units if unit is not None), default=0), images)
        self._arguments: dict[int, ctypes.Structure] = {}  # what operations point to, by address
        self._kept = list[Tensor]()
        self.maps: dict[Map, Block] = {}
        self.sums: dict[Map, Block] = {}
        self.norms: dict[str, dict[str, Tensor]] = {}
        self.packed = {node: self._pack_room(node) for node in self.kinds}
        sizes = {name: p.numel() for name, p in self.parameters.items()}
        self._flat = self.block(sum(sizes.values()))
        self._offsets = dict(zip(sizes, itertools.accumulate(sizes.values(), initial=0), strict=False))
        made = {f"{node.name}.{leaf}" for node in self.kinds for leaf in ("weight", "bias")}
        self._made = made | {f"{name}.{leaf}" for name in graph.norms for leaf in ("weight", "bias")}

    def new(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return zeros that stay."""
        tensor = self._arena.zeros(shape, dtype)
        self._kept.append(tensor)
        return tensor

    def block(self, *shape: int, dtype: torch.dtype = torch.float32) -> Block:
        """Return what stays from the first operation that has it to the last one."""
        return self.blocks.new(shape, dtype)

    def new_map(self, of: Map) -> Block:
        """Return a block of a map's size."""
        return self.block(self.images, of.height, of.width, of.channels, dtype=self.dtype)

    def place(self, operations: Sequence[ctypes.Structure], last: Block | None) -> None:
        """Give all blocks their places, once all operations are known.

        Args:
            operations: Of a forward and a backward pass, in their order.
            last: What others read after them.
        """
        arguments = [self._arguments[operation.arguments] for operation in operations]
        self.blocks.place(
            arguments, self._arena, first=[self.maps[self.graph.first]], last=[last] if last else [],
            elsewhere=[self._flat],
        )  # fmt: skip

    def gradient_of(self, name: str) -> int | None:
        """Return where a parameter's gradient is put; None if there is no such parameter."""
        return self._flat.address + 4 * self._offsets[name] if name in self.parameters else None

    def new_gradients(self) -> list[Tensor | None]:
        """Return what the next backward pass makes of the parameters, in their order; None: others make it.

        It is new each time: it may become a parameter's gradient, to which others add.
        """
        flat = torch.empty(self._flat.shape)
        self.blocks.put(self._flat, flat.data_ptr())
        return [
            torch.as_strided(flat, parameter.shape, parameter.stride(), self._offsets[name])
            if name in self._made
            else None
            for name, parameter in self.parameters.items()
        ]

    def _kind(self, node: Convolution) -> building.ConvolutionKind:
        x, out, layer = node.x.map, node.out, node.layer
        wants_input = x is not self.graph.first or not self.graph.is_image
        height, width, out_height, out_width = x.height, x.width, out.height, out.width
        if layer.kernel == layer.stride == 1:  # what is a row does not matter: long ones are quicker
            rows = max(n for n in range(1, height + 1) if height % n == 0 and (n == 1 or n * width <= _ROW))
            height, width = out_height, out_width = height // rows, width * rows
        return building.ConvolutionKind(
            layer.in_channels, layer.out_channels, layer.kernel, layer.stride, height, width, out_height,
            out_width, node.pad_low, int(wants_input), int(self.is_half),
        )  # fmt: skip

    def _pack_room(self, node: Convolution) -> tuple[Block, Block]:
        kernels = building.convolution(self.kinds[node])
        ahead, back = (self.block(kernels.packed_size(), dtype=self.dtype) for _ in range(2))
        room = max(kernels.forward_room(), kernels.backward_room())
        self.room = max(self.room, self.dtype.itemsize * room)
        return ahead, back

    def operation(
        self, kind: int, arguments: ctypes.Structure, function: Any = None, *, images: int = 0,
        together: int = 1, dw_size: int = 0,
    ) -> ctypes.Structure:  # fmt: skip
        """Return an operation; what it points to stays."""
        self._arguments[ctypes.addressof(arguments)] = arguments
        pointer = None if function is None else ctypes.cast(function, ctypes.c_void_p).value
        return structures.Operation(
            kind, images or self.images, together, pointer, ctypes.addressof(arguments), dw_size
        )

    def of_images(self, function: Any, arguments: ctypes.Structure) -> ctypes.Structure:
        """Return an operation that threads share by images."""
        return self.operation(structures.OF_IMAGES, arguments, function)

    def source(self, view: View | None) -> ctypes.Structure:
        """Return how a map is read."""
        if view is None:
            return structures.Source()
        norm = self.norms.get(view.norm, {})
        return structures.Source(
            at(self.maps[view.map]), at(norm.get("scale")), at(norm.get("shift")), view.slope
        )

    @functools.cached_property
    def views(self) -> list[View]:
        """All ways in which maps are read."""
        return self.graph.views()


def at(numbers: Tensor | Block | None) -> int | None:
    """Return where numbers lie."""
    return None if numbers is None else numbers.data_ptr()
