"""The machine's best rate per precision: by torch's convolutions and product, and by kernels of our own."""

import ctypes
import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from resnetlab.base.machine.number_formats import NUMBER_FORMATS
from resnetlab.base.machine.yardstick import Peak, Work, peak_of, raise_peak, torch_works
from resnetlab.native import building, structures
from resnetlab.native.threads import runner


def machine_peak(device: torch.device, precision: str, *, anew: bool = False, looks: bool = True) -> Peak:
    """Return the best rate that a device was seen to compute at in "fp32", "bf16" or "fp16".

    It is measured once, in some seconds, and kept for this number of threads; later calls look once more, for
    a tenth of a second, and measure anew if that was faster.

    Args:
        device: Which.
        precision: As the recipe has it.
        anew: Whether to measure whatever is kept.
        looks: Whether to look once more.
    """
    return peak_of(device, *_of(device, NUMBER_FORMATS[precision]), anew=anew, looks=looks)


def seen_faster(device: torch.device, precision: str, *, rate: float, by: str) -> Peak:
    """Keep that a workload, `by`, reached this rate, in operations per second; return the best one known."""
    raise_peak(device, *_of(device, NUMBER_FORMATS[precision]), rate=rate, by=by)
    peak = machine_peak(device, precision, looks=False)
    return peak if peak.rate >= rate else replace(peak, rate=rate, by=by, now=0.0)  # nothing could be kept


def _of(device: torch.device, dtype: torch.dtype) -> tuple[torch.dtype, list[Work], dict[str, Any]]:
    works, facts = torch_works(device, dtype), dict[str, Any]()
    can_multiply = dtype == torch.float32 or (dtype == torch.bfloat16 and building.multiplies_bf16())
    if device.type == "cpu" and not building.obstacle() and can_multiply:
        own = functools.partial(_convolution, dtype, 64, 8)
        works.append(Work("our own 3x3 convolution of 64 channels at 8x8", (64,), own))
        facts["kernels"] = building.kernels_digest()[:16]
    return dtype, works, facts


def _convolution(
    dtype: torch.dtype, channels: int, side: int, batch: int
) -> tuple[float, Callable[[], object]]:
    """Return what a forward pass of a 3x3 convolution computes, and a call of it."""
    kind = building.ConvolutionKind(
        channels, channels, 3, 1, side, side, side, side, 1, 1, int(dtype == torch.bfloat16)
    )
    kernels, run, threads = building.convolution(kind), runner(), torch.get_num_threads()
    own = torch.Generator().manual_seed(0)  # torch's belongs to who calls
    x, y = (torch.randn(batch, side, side, channels, generator=own).to(dtype) for _ in range(2))
    weights = torch.randn(channels, channels, 3, 3, generator=own)
    ahead, back = (torch.zeros(kernels.packed_size(), dtype=dtype) for _ in range(2))
    pointer = ctypes.c_void_p
    strides = (ctypes.c_long * 4)(*weights.stride())
    kernels.pack(pointer(weights.data_ptr()), strides, pointer(ahead.data_ptr()), pointer(back.data_ptr()))
    arguments = structures.Forward(
        a=structures.Source(raw=x.data_ptr(), slope=1),
        slope_of_sum=1,
        weights=ahead.data_ptr(),
        y=y.data_ptr(),
    )
    function = ctypes.cast(kernels.forward, pointer).value
    operations = (structures.Operation * 1)(
        structures.Operation(structures.OF_IMAGES, batch, 1, function, ctypes.addressof(arguments), 0)
    )
    size = kernels.forward_room() * x.element_size() + 64
    rooms = [torch.zeros(size, dtype=torch.uint8) for _ in range(threads)]
    room_pointers = (pointer * threads)(*(room.data_ptr() for room in rooms))
    kept = (x, y, weights, ahead, arguments, rooms)

    def call() -> object:
        run(operations, 1, threads, room_pointers)
        return kept

    return 2.0 * batch * side**2 * 9 * channels**2, call
