"""A network's passes over so many images of a size, as operations on memory that stays."""

import ctypes
import math
import time
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from resnetlab.native import building
from resnetlab.native.arena import Arena
from resnetlab.native.inferring import structures as own
from resnetlab.native.inferring.graph import Graph, Map, Node
from resnetlab.native.inferring.places import places_of
from resnetlab.native.inferring.weights import WINOGRAD_OUTPUTS, Weights, filled, kernel_of
from resnetlab.native.memory import at
from resnetlab.native.structures import OF_IMAGES, Operation
from resnetlab.native.threads import runner
from resnetlab.network import layers

_FIRST_CACHES = 128 * 1024
"""Bytes of the input that are made into outputs together: half of a small second cache."""

_SECOND_CACHE = 512 * 1024
"""The same where AMX multiplies: a quarter of the second cache of all processors that have it."""

_TRANSFORMS = 256 * 1024
"""Bytes of Winograd's transforms that are multiplied together."""


class Program:
    """What `count` images do, one call after another."""

    def __init__(self, graph: Graph, weights: Weights, count: int, threads: int) -> None:
        self.graph, self.count, self.threads = graph, count, threads
        self._weights, self._lanes = weights, weights.lanes
        self._bytes = weights.dtype.itemsize
        self._outputs = WINOGRAD_OUTPUTS[weights.dtype]
        is_half = int(weights.dtype == torch.bfloat16)
        self._kernels = building.library("inference.cpp", MAPS_ARE_BF16=is_half)
        self._has_tiles = bool(is_half) and building.multiplies_tiles()
        for name in ("convolve_room", *(() if self._has_tiles else ("winograd_room", "winograd_shared"))):
            getattr(self._kernels, name).restype = ctypes.c_size_t
        places = places_of(graph, self._size)
        behind = 16 * max(self._pitch(of) for of in places.offsets) * self._bytes  # read, and left
        self._memory = Arena().zeros((places.size + behind,), torch.uint8)
        self._offsets = places.offsets
        self._kept: list[Any] = [weights]
        self._image, self._room, self._operations = own.Image(), 0, list[ctypes.Structure]()
        self._nodes = list[Node]()  # of the operations
        *nodes, classifier = graph.nodes
        for node in nodes if is_half else graph.nodes:
            self._make(node)
            self._nodes += [node] * (len(self._operations) - len(self._nodes))
        self._array = (Operation * len(self._operations))(*self._operations)
        self._rooms = [torch.zeros(self._room * self._bytes + 64, dtype=torch.uint8) for _ in range(threads)]
        self._room_pointers = (ctypes.c_void_p * threads)(*map(at, self._rooms))
        self._run = runner()
        self._logits = self._floats((nodes[-1] if is_half else classifier).makes[0])
        self._classifier = classifier.name if is_half else ""

    def run(self, images_NCHW: Tensor) -> Tensor:
        """Return the logits (N, K), float32, of these images, which may have any strides."""
        self._image.at = images_NCHW.data_ptr()
        self._image.stride[:] = images_NCHW.stride()
        self._run(self._array, len(self._operations), self.threads, self._room_pointers)
        if self._classifier:  # a product of float32 numbers
            return functional.linear(self._logits, *self._weights.linear(self._classifier))
        return self._logits

    def seconds(self, times: int) -> list[tuple[Node, float]]:
        """Return each operation's node and its fewest seconds of so many times, alone and its maps near."""
        found = []
        for node, operation in zip(self._nodes, self._operations, strict=True):
            alone, fewest = (Operation * 1)(operation), math.inf
            for _ in range(times):
                began = time.perf_counter()
                self._run(alone, 1, self.threads, self._room_pointers)
                fewest = min(fewest, time.perf_counter() - began)
            found.append((node, fewest))
        return found

    # Maps

    def _pitch(self, of: Map) -> int:
        """Return the numbers from one pixel to the next: not such that all pixels share a cache's places."""
        channels = filled(of.channels, self._lanes)
        if isinstance(of.maker and of.maker.layer, layers.Linear):
            channels = filled(of.channels, 4 * self._lanes)
        return channels + (self._lanes if channels * self._bytes % 2048 == 0 else 0)

    def _is_float(self, of: Map) -> bool:
        """Whether a map is float32 whatever the others are: means and logits are."""
        layer = of.maker and of.maker.layer
        return isinstance(layer, layers.Linear) or (isinstance(layer, layers.Pool) and layer.kind == "global")

    def _size(self, of: Map) -> int:
        each = 4 if self._is_float(of) else self._bytes
        return self.count * of.height * of.width * self._pitch(of) * each

    def _at(self, of: Map | None) -> int | None:
        return None if of is None else self._memory.data_ptr() + self._offsets[of]

    def _floats(self, of: Map) -> Tensor:
        offset = self._offsets[of]
        numbers = self._memory[offset : offset + self._size(of)].view(torch.float32)
        return numbers.view(self.count, -1)[:, : of.channels]

    # Operations

    def _make(self, node: Node) -> None:
        match node.layer:
            case layers.Conv() | layers.Linear():
                self._convolve(node, kernel_of(node.layer))
            case layers.Pool(kind="global"):
                self._means(node)
            case layers.Pool(kind="subsample", stride=stride):
                self._widen(node, stride, 0)
            case layers.PadChannels(before=before):
                self._widen(node, 1, before)
            case layers.Pool():
                self._pool(node, node.layer)
            case None:
                pixels = self.count * node.x.height * node.x.width
                channels = filled(node.x.channels, self._lanes)
                arguments = own.Pointwise(self._at(node.x), channels, self._finish(node, *self._affine(node)))
                self._add(self._kernels.pointwise, arguments, pixels)
            case layer:
                raise AssertionError(f"no pass for {layer}")

    def _add(self, function: Any, arguments: ctypes.Structure, units: int) -> None:
        self._kept.append(arguments)
        pointer = ctypes.cast(function, ctypes.c_void_p).value
        self._operations.append(Operation(OF_IMAGES, units, 1, pointer, ctypes.addressof(arguments), 0))

    def _affine(self, node: Node) -> tuple[Tensor | None, Tensor | None]:
        return self._weights.affine(node.norm) if node.norm else (None, None)

    def _finish(self, node: Node, scale: Tensor | None, shift: Tensor | None) -> ctypes.Structure:
        second = node.second
        scale2, shift2 = self._weights.affine(second.norm) if second else (None, None)
        return own.Finish(
            at(scale), at(shift), node.early, self._at(node.addend), node.late, self._at(node.out),
            at(scale2), at(shift2), second.slope if second else 1.0, self._at(second.out if second else None),
            self._pitch(node.makes[0]),
        )  # fmt: skip

    def _convolve(self, node: Node, layer: layers.Conv) -> None:
        x, out, is_image = node.x, node.makes[0], node.x is self.graph.images
        depth = filled(x.channels, self._weights.pair if is_image else self._lanes)
        registers = -(-out.channels // self._lanes)
        has_room = isinstance(node.layer, layers.Linear) and registers > 8  # behind each pixel (`_pitch`)
        vectors = 2 if registers % 2 == 0 or has_room else 1
        is_winograd, band, by_channels = self._shares(node, layer, depth, vectors)
        direct = self._weights.of_tiles if self._has_tiles else self._weights.direct
        weights = (self._weights.winograd if is_winograd else direct)(node, depth, vectors)
        arguments = own.Convolve(
            ctypes.addressof(self._image) if is_image else None, None if is_image else self._at(x),
            self._pitch(x), self.count, x.channels, depth, x.height, x.width, out.height, out.width,
            layer.kernel, layer.stride, _low(layer, x.height), _low(layer, x.width),
            filled(out.channels, vectors * self._lanes), vectors, band, int(by_channels), at(weights), None,
            self._finish(node, None, self._weights.bias(node)),
        )  # fmt: skip
        kernels, pointer = self._kernels, ctypes.byref(arguments)
        room = kernels.winograd_room if is_winograd else kernels.convolve_room
        self._room = max(self._room, room(pointer))
        if not is_winograd:
            self._add(kernels.convolve, arguments, kernels.convolve_units(pointer))
        elif not by_channels:
            self._add(kernels.winograd_tiles, arguments, kernels.winograd_units(pointer))
        else:
            shared = torch.empty(kernels.winograd_shared(pointer), dtype=self._weights.dtype)
            arguments.shared = at(shared)
            self._kept.append(shared)
            self._add(kernels.winograd_read, arguments, self._tiles(node))
            self._add(kernels.winograd_multiply, arguments, arguments.out // (vectors * self._lanes))

    def _shares(self, node: Node, layer: layers.Conv, depth: int, vectors: int) -> tuple[bool, int, bool]:
        """Return whether it is Winograd's, how much is made together, and whether channels are shared out."""
        x, out = node.x, node.makes[0]
        is_image = x is self.graph.images
        is_winograd = not is_image and not self._has_tiles and self._suits_winograd(node, layer)
        blocks = -(-out.channels // (vectors * self._lanes))
        pixels = self.count * out.height * out.width
        splits = blocks % self.threads == 0 or blocks >= 2 * self.threads  # into about equal shares
        is_heavy = layer.kernel**2 * out.channels > pixels and splits
        by_channels = is_heavy and not is_image and self.threads > 1
        threads = 1 if by_channels else self.threads
        if is_winograd:
            tiles, products = self._tiles(node), (self._outputs + 2) ** 2
            few = products * out.channels > 16 * tiles and splits and self.threads > 1
            most = max(14, _TRANSFORMS // (products * depth * self._bytes) // 14 * 14)
            band = -(-tiles // (self.threads * -(-tiles // (self.threads * most))))
            return True, band, few
        if self._has_tiles:
            return False, self._band_of_tiles(node, layer, depth, threads), by_channels
        if layer.kernel == 1 and layer.stride == 1 and not is_image:
            most = max(28, _FIRST_CACHES // (depth * self._bytes))
            shares = threads * -(-pixels // (threads * most))
            return False, -(-pixels // shares), by_channels
        row = layer.stride * (out.width * layer.stride + layer.kernel) * depth * self._bytes
        most = max(1, _FIRST_CACHES // row)
        if self.count < threads * 4:
            most = min(most, max(1, out.height * self.count // (threads * 2)))
        return False, min(most, out.height), by_channels

    def _suits_winograd(self, node: Node, layer: layers.Conv) -> bool:
        """Whether Winograd's tiles save products, and are enough for weights of more bytes."""
        out, products = node.makes[0], (self._outputs + 2) ** 2
        saves = products * self._tiles(node) < 0.75 * 9 * self.count * out.height * out.width
        is_light = layer.in_channels * layer.out_channels < 256 * 256
        is_enough = is_light or products * self._tiles(node) >= 36 * 8
        # Where tiles of 2 x 2 outputs are made of few channels, to transform them costs more than is saved.
        is_worth_it = self._outputs > 2 or min(layer.in_channels, layer.out_channels) > 16
        return layer.kernel == 3 and layer.stride == 1 and saves and is_enough and is_worth_it

    def _tiles(self, node: Node) -> int:
        """Return Winograd's tiles of all images."""
        out = node.makes[0]
        return self.count * -(-out.height // self._outputs) * -(-out.width // self._outputs)

    def _band_of_tiles(self, node: Node, layer: layers.Conv, depth: int, threads: int) -> int:
        """Return the output rows, or pixels, that are made together: each band reads all weights."""
        x, out = node.x, node.makes[0]
        if layer.kernel == 1 and layer.stride == 1 and x is not self.graph.images:
            pixels = self.count * out.height * out.width
            shares = threads * -(-pixels * depth * self._bytes // (threads * _SECOND_CACHE))
            return filled(-(-pixels // shares), 16)
        most = max(1, _SECOND_CACHE // (layer.stride * (x.width + layer.kernel) * depth * self._bytes))
        parts = max(
            -(-out.height // most), 1 if self.count % threads == 0 or self.count > 4 * threads else threads
        )
        return -(-out.height // parts)

    def _pool(self, node: Node, layer: layers.Pool) -> None:
        x, out = node.x, node.makes[0]
        arguments = own.Pool(
            self._at(x), self._at(out), x.height, x.width, out.height, out.width,
            filled(x.channels, self._lanes), layer.kernel, layer.stride, _low(layer, x.height),
            _low(layer, x.width), int(layer.kind == "average"), int(layer.zeros), self._pitch(x),
            self._pitch(out),
        )  # fmt: skip
        self._add(self._kernels.pool, arguments, self.count * out.height)

    def _widen(self, node: Node, stride: int, before: int) -> None:
        x, out = node.x, node.makes[0]
        arguments = own.Widen(
            self._at(x), self._at(out), x.height, x.width, out.height, out.width, x.channels, stride, before,
            filled(out.channels, self._lanes), self._pitch(x), self._pitch(out),
        )  # fmt: skip
        self._add(self._kernels.widen, arguments, self.count * out.height)

    def _means(self, node: Node) -> None:
        x, out = node.x, node.makes[0]
        channels = filled(x.channels, self._lanes)
        arguments = own.Means(
            self._at(x), self._at(out), x.height * x.width, channels, self._pitch(x), self._pitch(out)
        )
        self._add(self._kernels.means, arguments, self.count * (channels // self._lanes))


def _low(layer: layers.Conv | layers.Pool, size: int) -> int:
    """Return the padding before the first pixel."""
    if layer.padding == "same":
        return layers.same_padding(size, layer.kernel, layer.stride)[0]
    return int(layer.padding)
