"""The logits of a trained network on a CPU by kernels of our own."""

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

from resnetlab.base.machine.number_formats import NUMBER_FORMATS
from resnetlab.errors import UsageError
from resnetlab.models import ResNet
from resnetlab.native import building
from resnetlab.native.inferring.graph import graph_of
from resnetlab.native.inferring.program import Program
from resnetlab.native.inferring.weights import Weights
from resnetlab.network.layers import Dropout, Gate, Scale
from resnetlab.network.spec import ModelSpec

Precision = Literal["fp32", "bf16"]
_WITHOUT_KERNELS = (Scale, Gate, Dropout)
_PROGRAMS_KEPT = 4
"""Numbers and sizes of images whose memory is kept: whole chunks, the rest of a batch, single images."""


def obstacle_to_inference(spec: ModelSpec, precision: Precision = "fp32") -> str:
    """Return why kernels of our own cannot make a network's logits on this machine's CPU, or ""."""
    others = (name for name, _, layer in spec.plan().placed() if isinstance(layer, _WITHOUT_KERNELS))
    if other := next(others, ""):
        return f"no kernel for {other}: factors, gates and dropout of shortcuts are PyTorch's"
    if why := building.obstacle():
        return why
    if precision == "bf16" and not building.multiplies_bf16():
        return "the processor does not multiply bfloat16"
    return ""


class NativeInference:
    """Makes the logits of a network as it is now: later changes of its weights are not seen.

    One call at a time: memory stays for the next one.
    """

    def __init__(self, model: ResNet, precision: Precision = "fp32") -> None:
        """Prepare it; weights are packed once, when they are first needed.

        Args:
            model: On the CPU, in evaluation mode, its parameters float32.
            precision: Of maps and weights; sums are float32 in both.

        Raises:
            UsageError: If there is an `obstacle_to_inference`, or the network is in training mode.
        """
        device = next(model.parameters()).device
        why = obstacle_to_inference(model.spec, precision)
        if device.type != "cpu":
            why = f"it is for CPUs, and the network is on {device}"
        elif model.training or any(m.training for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
            why = "the network is in training mode"
        if why:
            raise UsageError(f"no inference by kernels of our own: {why}", hint="Call the network itself.")
        self._spec = model.spec
        self._weights = Weights(model, building.lanes(), NUMBER_FORMATS[precision])
        self._programs: OrderedDict[tuple[int, ...], Program] = OrderedDict()

    def __call__(self, images_NCHW: Tensor) -> Tensor:
        """Return the logits (N, K), float32, of normalised images (N, C, H, W), float32 with any strides.

        Raises:
            UsageError: If the channels or the size do not suit the network.
        """
        images = images_NCHW.detach()
        count, channels, height, width = images.shape
        if images.dtype != torch.float32 or images.device.type != "cpu" or channels != self._spec.in_channels:
            raise UsageError(
                f"{self._spec.name} takes float32 images (N, {self._spec.in_channels}, H, W) on the CPU,"
                f" got {images.dtype}, {tuple(images.shape)} on {images.device}"
            )
        logits = torch.empty(count, self._spec.classes)
        chunks = max(1, -(-count // _most_together(height, width)))
        size = max(1, -(-count // chunks))
        for begin in range(0, count, size):
            part = images[begin : begin + size]
            logits[begin : begin + size] = self._program(len(part), height, width).run(part)
        return logits

    def _program(self, count: int, height: int, width: int) -> Program:
        threads = torch.get_num_threads()
        key = (count, height, width, threads)
        if key not in self._programs:
            if len(self._programs) == _PROGRAMS_KEPT:
                self._programs.popitem(last=False)
            self._spec.shapes(height, width)
            graph = graph_of(self._spec.plan(), height, width)
            self._programs[key] = Program(graph, self._weights, count, threads)
        self._programs.move_to_end(key)
        return self._programs[key]


def _most_together(height: int, width: int) -> int:
    """Return how many images are made together: small ones' maps stay in the second caches."""
    return max(8, 16 * 32 * 32 // (height * width))
