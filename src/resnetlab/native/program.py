"""A graph for one batch and precision: its memory, and the lists of operations forward and backward."""

import ctypes
import functools
from typing import Any

import torch
from torch import Tensor, nn

from resnetlab.native import structures
from resnetlab.native.ahead import Ahead
from resnetlab.native.back import Back
from resnetlab.native.graph import Graph
from resnetlab.native.measured import watch
from resnetlab.native.memory import Memory
from resnetlab.native.threads import runner, timing_runner


class Program:
    """What a batch of `images` of a network does, as lists of operations on memory that stays.

    Attributes:
        number: How many passes were begun that overwrite the maps: both kinds do.
        first_gradient: The gradient of what it begins with, (N, H, W, C), if that is no image.
    """

    def __init__(self, graph: Graph, model: nn.Module, images: int, dtype: torch.dtype, threads: int) -> None:
        self.graph, self.threads, self.number = graph, threads, 0
        self._memory = Memory(graph, model, images, dtype)
        self._ahead = Ahead(self._memory)
        self._back = Back(self._memory, threads)
        first, last = self._memory.maps[graph.first], self._back.first_gradient
        self._memory.place([*self._ahead.operations, *self._back.operations], last)
        self._first = self._memory.blocks.tensor(first)
        self.first_gradient = None if last is None else self._memory.blocks.tensor(last)
        self._operations_ahead = _array(self._ahead.operations)
        self._operations_back = _array(self._back.operations)
        self._rooms = [torch.zeros(self._memory.room + 64, dtype=torch.uint8) for _ in range(threads)]
        self._room_pointers = (ctypes.c_void_p * threads)(*(room.data_ptr() for room in self._rooms))
        self._run, self._run_timed = runner(), timing_runner()

    def forward(self, images_NHWC: Tensor, keep_UN: Tensor | None = None) -> Tensor:
        """Return the last view's means, (N, C): memory that the next call overwrites."""
        if keep_UN is not None:
            self._memory.keep_UN.copy_(keep_UN)
        self.number += 1
        self._first.copy_(images_NHWC)  # also into bfloat16
        self._carry_out(self._operations_ahead)
        return self._ahead.means

    def backward(self, means_gradient: Tensor) -> list[Tensor | None]:
        """Return the gradients of the network's parameters in their order; None where others make it."""
        self.number += 1
        self._back.means_gradient.copy_(means_gradient)
        gradients = self._memory.new_gradients()
        self._carry_out(self._operations_back)
        return gradients

    def _carry_out(self, operations: Any) -> None:
        if watch.timed is None:
            self._run(operations, len(operations), self.threads, self._room_pointers)
            return
        told, images = torch.profiler.record_function(watch.RANGE), self._memory.images
        with watch.timing(operations, self._kinds, self.threads, images) as ends, told:
            self._run_timed(operations, len(operations), self.threads, self._room_pointers, ends)

    @functools.cached_property
    def _kinds(self) -> watch.Kinds:
        return watch.Kinds(self._memory.elementwise, self._memory.kinds.values())


def _array(operations: list[ctypes.Structure]) -> Any:
    return (structures.Operation * len(operations))(*operations)
