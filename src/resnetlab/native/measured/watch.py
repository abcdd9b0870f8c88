"""How long each operation of a program takes, where somebody wants to know."""

import contextlib
import ctypes
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from resnetlab.native import building, structures

RANGE = "resnetlab native"
"""What torch.profiler is told that a program's operations are."""


@dataclass(frozen=True)
class Timed:
    """What an operation, or one of the gradients that it makes, has taken.

    Attributes:
        what: "forward", "by_input" or "by_weights" of a convolution; "norm" (BN, ReLU, addition), "head"
            (pooling), "copies" (weights packed) or "rest".
        begin: In seconds, after its program's first operation began.
        seconds: Until all threads were done with it.
        convolution: Of which kind it is one.
    """

    what: str
    begin: float
    seconds: float
    convolution: building.ConvolutionKind | None = None


@dataclass(frozen=True)
class Pass:
    """A program carried out once, forward or backward, for so many images."""

    images: int
    operations: list[Timed]


timed: list[Pass] | None = None
"""Where each program that is carried out is written down; None: nobody wants to know, and none is timed."""


@contextlib.contextmanager
def watching() -> Iterator[list[Pass]]:
    """Time all programs inside, of all threads, and return what they took."""
    global timed
    before, timed = timed, list[Pass]()
    try:
        yield timed
    finally:
        timed = before


class Kinds:
    """Tells by an operation's function what it does."""

    def __init__(self, elementwise: ctypes.CDLL, kinds: Iterable[building.ConvolutionKind]) -> None:
        self._convolutions: dict[int | None, building.ConvolutionKind] = {}
        self._whats = {_pointer(elementwise.pool): "head"}
        for name in ("add", "finish", "combine", "widen"):
            self._whats[_pointer(getattr(elementwise, name))] = "norm"
        for kind in {*kinds}:
            kernels = building.convolution(kind)
            for function in (kernels.forward, kernels.backward):
                self._convolutions[_pointer(function)] = kind

    def of(self, operation: Any) -> tuple[str, building.ConvolutionKind | None]:
        """Return what an operation does, "backward" of those that make both gradients, and for which kind."""
        if convolution := self._convolutions.get(operation.function):
            is_backward = operation.kind == structures.OF_WEIGHTS_GRADIENT
            return ("backward" if is_backward else "forward"), convolution
        by_kind = {
            structures.NORM: "norm",
            structures.NORM_BACK: "norm",
            structures.GATHER: "by_weights",
            structures.PACK: "copies",
        }
        return by_kind.get(operation.kind) or self._whats.get(operation.function, "rest"), None


def _pointer(function: Any) -> int | None:
    return ctypes.cast(function, ctypes.c_void_p).value


@contextlib.contextmanager
def timing(operations: Any, kinds: Kinds, threads: int, images: int) -> Iterator[Any]:
    """Return room for the ends of the operations that are carried out inside, and write down what they took.

    Which part of an operation that makes both gradients goes to each is told by the ticks of all threads.
    """
    ends = (ctypes.c_long * (len(operations) + 1))()
    ticks = torch.zeros(len(operations), threads, 2, dtype=torch.int64)
    gradients = {
        index: structures.Backward.from_address(operation.arguments)
        for index, operation in enumerate(operations)
        if operation.kind == structures.OF_WEIGHTS_GRADIENT
    }
    for index, arguments in gradients.items():
        arguments.ticks = ticks[index].data_ptr()
    try:
        yield ends
    finally:
        for arguments in gradients.values():
            arguments.ticks = None
    if timed is None:
        return
    found = list[Timed]()
    for index, operation in enumerate(operations):
        what, convolution = kinds.of(operation)
        begin, seconds = (ends[index] - ends[0]) / 1e9, (ends[index + 1] - ends[index]) / 1e9
        parts = {what: 1.0}
        if what == "backward":
            by_input, by_weights = ticks[index].sum(0).tolist()
            share = by_input / max(by_input + by_weights, 1)
            parts = {"by_input": share, "by_weights": 1 - share} if by_input else {"by_weights": 1.0}
        for part, share in parts.items():
            found.append(Timed(part, begin, share * seconds, convolution))
            begin += share * seconds
    timed.append(Pass(images, found))
