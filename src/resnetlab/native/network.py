"""A network whose forward and backward pass in training are made by a program."""

from collections import OrderedDict
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from resnetlab.models.layers import at, run_chain
from resnetlab.models.resnet import ResNet
from resnetlab.native import building
from resnetlab.native.graph import Unsuitable, graph_of
from resnetlab.native.program import Program
from resnetlab.network.layers import Conv, Linear
from resnetlab.network.spec import ModelSpec

_KINDS_KEPT = 3
"""Kinds of batches whose memory is kept: whole ones, an epoch's last, and a share of one."""


class NativeNetwork:
    """Makes the logits of a network in training, and through autograd its gradients.

    The network's parameters and running statistics stay where they are, and are read and written there. One
    batch after another: memory of a forward pass is used again by its backward pass, which there is once,
    and by the next forward pass of its kind, before which that must have come.
    """

    def __init__(self, model: ResNet, dtype: torch.dtype = torch.float32) -> None:
        """Prepare it.

        Args:
            model: On the CPU, in training mode; BNs that are in evaluation mode are frozen.
            dtype: Of the maps: float32, or bfloat16 where the processor multiplies it.

        Raises:
            Unsuitable: If there is an `obstacle`, or a BN keeps no running statistics.
        """
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        is_other = any(not m.track_running_stats or m.momentum is None for m in norms)
        why = obstacle(model.spec, next(model.parameters()).device, dtype)
        if why or is_other:
            raise Unsuitable(why or "a BN without running statistics, or of a growing average")
        self._model, self._dtype = model, dtype
        self._programs: OrderedDict[Any, Program] = OrderedDict()
        self._norms, self._places = norms, _places(model)

    def __call__(self, images_NCHW: Tensor, keep_UN: Tensor | None = None) -> Tensor:
        """Return the logits (N, K), float32, of images (N, C, H, W); `keep_UN` as `ResNet` takes it."""
        model = self._model
        if keep_UN is None and model.keep_probability_U is not None:
            keep_UN = model.draw_keep(len(images_NCHW))
        program = self._program(images_NCHW)
        x = images_NCHW if program.graph.is_image else run_chain(model, model.stem_chain, images_NCHW)
        means: Tensor = _Body.apply(program, x, keep_UN, *(p for p in model.parameters()))  # type: ignore[no-untyped-call]
        for layer in model.spec.plan().tail:
            if isinstance(layer, Linear):
                means = at(model, layer.name)(means)
        return means

    def _program(self, images_NCHW: Tensor) -> Program:
        if self._places != (now := _places(self._model)):
            self._programs.clear()
            self._places = now
        threads = torch.get_num_threads()
        key = (images_NCHW.shape, threads, *(norm.training for norm in self._norms))
        if key not in self._programs:
            if len(self._programs) == _KINDS_KEPT:
                self._programs.popitem(last=False)
            count, _, height, width = images_NCHW.shape
            keeps = self._model.keep_probability_U is not None
            graph = graph_of(self._model.spec.plan(), height, width, keeps=keeps)
            self._programs[key] = Program(graph, self._model, count, self._dtype, threads)
        self._programs.move_to_end(key)
        return self._programs[key]


def obstacle(
    spec: ModelSpec, device: torch.device, dtype: torch.dtype, sizes: Collection[tuple[int, int]] = ()
) -> str:
    """Return why kernels of our own cannot train a network here with maps of this type, or "".

    Args:
        spec: The network.
        device: Where.
        dtype: Of the maps.
        sizes: Heights and widths of the images; none: the network's own.
    """
    if device.type != "cpu":
        return f"it is for CPUs, and this is {device.type}"
    if why := building.obstacle():
        return why
    if dtype not in (torch.float32, torch.bfloat16):
        return f"maps of {dtype}"
    if dtype == torch.bfloat16 and not building.multiplies_bf16():
        return "the processor does not multiply bfloat16"
    plan, lanes = spec.plan(), building.lanes()
    channels = {layer.out_channels for _, _, layer in plan.counted() if isinstance(layer, Conv)}
    if uneven := sorted(count for count in channels if count % lanes):
        return f"{uneven[0]} channels do not fill registers of {lanes}"
    try:
        for height, width in sizes or [(spec.input_size, spec.input_size)]:
            graph_of(plan, height, width)
    except Unsuitable as error:
        return f"no kernel for {error}"
    return ""


def _places(model: nn.Module) -> tuple[int, ...]:
    """Return where parameters and running statistics lie in memory."""
    return tuple(t.data_ptr() for t in (*model.parameters(), *model.buffers()))


class _Body(torch.autograd.Function):
    """From the image, or what a pooling stem makes of it, to the means of the last maps."""

    @staticmethod
    def forward(
        ctx: Any, program: Program, x_NCHW: Tensor, keep_UN: Tensor | None, *parameters: Tensor
    ) -> Tensor:
        ctx.program, ctx.wants_x = program, x_NCHW.requires_grad
        means = program.forward(x_NCHW.permute(0, 2, 3, 1), keep_UN).clone()
        ctx.number = program.number
        return means

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        program: Program = ctx.program
        if ctx.number != program.number:
            raise RuntimeError("the maps of this forward pass were overwritten by a later one, or going back")
        found = program.backward(gradients[0])
        x = program.first_gradient
        of_x = x.permute(0, 3, 1, 2).float() if ctx.wants_x and x is not None else None
        return None, of_x, None, *found
