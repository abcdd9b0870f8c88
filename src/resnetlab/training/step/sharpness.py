"""Sharpness-aware minimisation: the gradient of an update is taken where the loss nearby is worst."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from resnetlab.recipe import Optimizer
from resnetlab.training.step.packing import laid_out_like, pack, unpack

_SMALLEST_NORM = 1e-12  # as in davda54/sam
_ETA = 0.01  # "adaptive": added to |w|; the default of SamsungLabs/ASAM


@contextmanager
def uphill(model: nn.Module, config: Optimizer) -> Iterator[None]:
    """Have the weights a step uphill of where their gradients were computed, and afterwards back again.

    The gradients are cleared; those computed uphill stay. Afterwards weights and buffers (BN's running
    statistics) are to the bit what they were before. Nothing waits for the device.

    Args:
        model: Its parameters that have a gradient move, all together by the distance `config.sam`.
        config: "adaptive" measures that distance in the scale of each weight: the factors T of ASAM are
            |w| + 0.01 for kernels and BN's gamma, 1 for biases.

    Source: Foret et al., 2021 (arXiv:2010.01412); Kwon et al., 2021 (arXiv:2102.11600), both with the
    Euclidean norm; SamsungLabs/ASAM for the .01 and for biases.
    """
    moving = {name: p for name, p in model.named_parameters() if p.grad is not None}
    kept: dict[torch.dtype, list[Tensor]] = {}
    for tensor in (*moving.values(), *model.buffers()):
        kept.setdefault(tensor.dtype, []).append(tensor)
    with torch.no_grad():
        copies = {dtype: pack(tensors) for dtype, tensors in kept.items()}
        _climb(moving, config)
    model.zero_grad(set_to_none=True)
    try:
        yield
    finally:
        with torch.no_grad():
            for dtype, tensors in kept.items():
                unpack(copies[dtype], tensors)


def _climb(parameters: dict[str, nn.Parameter], config: Optimizer) -> None:
    weights: list[Tensor] = list(parameters.values())
    directions = laid_out_like([p.grad for p in parameters.values() if p.grad is not None], weights)
    if config.sam_form == "sam":
        _move(weights, directions, config.sam, torch.nn.utils.get_total_norm(directions))
        return
    sizes = torch._foreach_add(torch._foreach_abs(weights), _ETA)
    factors = [
        size if name.endswith("weight") else torch.ones_like(size)
        for name, size in zip(parameters, sizes, strict=True)
    ]
    scaled = list(torch._foreach_mul(directions, factors))
    norm = torch.nn.utils.get_total_norm(scaled)
    _move(weights, list(torch._foreach_mul(scaled, factors)), config.sam, norm)


def _move(weights: list[Tensor], directions: list[Tensor], distance: float, norm: Tensor) -> None:
    torch._foreach_add_(weights, torch._foreach_mul(directions, distance / (norm + _SMALLEST_NORM)))
