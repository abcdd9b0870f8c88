"""Single 3x3 convolutions on one thread: torch's in both orders of memory and our kernels, GFLOP/s.

Forward, by input and by weights are the three products of a training step, counted as 2 operations for each
of a direct convolution's multiply-adds, however few a program makes of them (Winograd's way). Ours read the
input through BN and ReLU and leave BN's sums on the way, as in a step. They make both gradients in one
pass, or that by weights alone; "by input" is then the difference of the two. Of each program the best of
the rounds counts, in which all take turns: what the processor can do when left alone.
"""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from resnetlab.native import building, structures

SHAPES = ((16, 32), (32, 16), (64, 8), (64, 32), (128, 16), (256, 8), (512, 4))
"""Channels and side of the maps: of CIFAR's networks, and of ResNet-18 with a 32-pixel stem."""
BATCH = 64
Call = Callable[[], object]
PARTS = ("forward", "by_input", "by_weights")


@dataclass(frozen=True)
class Problem:
    """A convolution, its channels and stride kept."""

    channels: int
    side: int
    dtype: torch.dtype

    @property
    def operations(self) -> float:
        """Of one of the three products."""
        return 2.0 * BATCH * self.side**2 * 9 * self.channels**2


def of_torch(problem: Problem, memory: torch.memory_format) -> dict[str, Call]:
    """Return the three products of torch's."""
    shape = (BATCH, problem.channels, problem.side, problem.side)
    x, g = (torch.randn(shape).to(problem.dtype).contiguous(memory_format=memory) for _ in range(2))
    weights = (
        torch.randn(problem.channels, problem.channels, 3, 3)
        .to(problem.dtype)
        .contiguous(memory_format=memory)
    )
    geometry: Any = ((1, 1), (1, 1), (1, 1))
    backward: Any = torch.ops.aten.convolution_backward

    def back(of_input: bool) -> Call:
        return lambda: backward(
            g, x, weights, None, *geometry, False, (0, 0), 1, (of_input, not of_input, False)
        )

    return {
        "forward": lambda: torch.conv2d(x, weights, None, *geometry),
        "by_input": back(True),
        "by_weights": back(False),
    }


def of_ours(problem: Problem) -> dict[str, Call]:
    """Return our forward product, that by weights, and both gradients as "both"; empty where we have none."""
    channels, side = problem.channels, problem.side
    is_half = problem.dtype == torch.bfloat16
    if not (building.compiler_here() and building.suits_processor()) or (
        is_half and not building.multiplies_bf16()
    ):
        return {}
    kind = building.ConvolutionKind(channels, channels, 3, 1, side, side, side, side, 1, 1, int(is_half))
    library = building.convolution(kind)
    x, y, g, gx = (torch.randn(BATCH, side, side, channels).to(problem.dtype) for _ in range(4))
    scale, shift, centre = torch.rand(channels), torch.randn(channels), torch.zeros(channels)
    weights = torch.randn(channels, channels, 3, 3)
    ahead, back = (torch.zeros(library.packed_size(), dtype=problem.dtype) for _ in range(2))
    strides, pointer = (ctypes.c_long * 4)(*weights.stride()), ctypes.c_void_p
    library.pack(pointer(weights.data_ptr()), strides, pointer(ahead.data_ptr()), pointer(back.data_ptr()))
    sums, dw = torch.zeros(BATCH, 2, channels), torch.zeros(9, channels, channels)
    room = torch.zeros(max(library.forward_room(), library.backward_room()), dtype=problem.dtype)
    source = structures.Source(raw=at(x), scale=at(scale), shift=at(shift), slope=0.0)
    forward = structures.Forward(
        a=source, slope_of_sum=1.0, weights=at(ahead), y=at(y), sums=at(sums), centre=at(centre)
    )

    def backward(into: Tensor | None) -> Any:
        gx = None if into is None else at(into)
        return structures.Backward(
            g=at(g), x=source, weights=at(back), dw=at(dw), gx=gx, slope=0.0, sums=at(sums)
        )

    alive = (x, y, g, gx, scale, shift, centre, weights, ahead, back, sums, dw, room)

    def call(function: Any, arguments: Any) -> Call:
        return lambda: (function(ctypes.byref(arguments), 0, BATCH, pointer(room.data_ptr())), alive)

    return {
        "forward": call(library.forward, forward),
        "by_weights": call(library.backward, backward(None)),
        "both": call(library.backward, backward(gx)),
    }


def at(tensor: Tensor) -> int:
    """Return where a tensor's numbers lie."""
    return tensor.data_ptr()


def measure_convolutions(rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Return a row for each convolution, precision and program.

    Args:
        rounds: Turns of each.
        seconds: Of a turn, at least.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [
            row
            for shape in SHAPES
            for dtype in (torch.float32, torch.bfloat16)
            for row in _rows(shape, dtype, rounds, seconds)
        ]
    finally:
        torch.set_num_threads(threads)


def _rows(shape: tuple[int, int], dtype: torch.dtype, rounds: int, seconds: float) -> list[dict[str, Any]]:
    problem = Problem(*shape, dtype)
    programs = {
        "torch NCHW": of_torch(problem, torch.contiguous_format),
        "torch NHWC": of_torch(problem, torch.channels_last),
        "ours, native": of_ours(problem),
    }
    best = {(program, part): float("inf") for program, calls in programs.items() for part in calls}
    for _ in range(rounds):
        for program, part in best:
            best[program, part] = min(best[program, part], _seconds(programs[program][part], seconds))
    rows = []
    for program, calls in programs.items():
        took = {part: best[program, part] for part in calls}
        if "both" in took:
            took["by_input"] = took["both"] - took["by_weights"]
        rates = {
            part: problem.operations / took[part] / 1e9 if took.get(part, 0) > 0 else 0.0 for part in PARTS
        }
        title, precision = (
            f"{shape[0]} channels, {shape[1]}x{shape[1]}",
            "bf16" if dtype == torch.bfloat16 else "fp32",
        )
        rows.append({"shape": title, "precision": precision, "program": program, "batch": BATCH} | rates)
    return rows


def _seconds(call: Call, least: float) -> float:
    """Return the seconds of the fastest call in a turn."""
    call()
    fastest, until = float("inf"), time.perf_counter() + least
    while (began := time.perf_counter()) < until:
        call()
        fastest = min(fastest, time.perf_counter() - began)
    return fastest
