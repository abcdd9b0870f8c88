"""Muon: momentum whose update of each convolution kernel is made orthogonal."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from resnetlab import recipe
from resnetlab.recipe.optimizers import OPTIMIZERS, Groups, OptimizerKind
from resnetlab.training.step.guard import unless_bad
from resnetlab.training.step.optimizers.torch_optimizers import Optimizer
from resnetlab.training.step.packing import laid_out_like, pack, unpack

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # chosen by Jordan et al. for their slope at 0
_ITERATIONS = 3  # as in airbench94_muon
_SMALLEST_NORM = 1e-7


class Muon(Optimizer):
    """Muon for the groups that say `is_kernel`, SGD with Nesterov momentum for all others.

    A kernel decays beside the update (w *= 1 - lr * weight_decay), or, with `fixed_norm`, is scaled
    after each update to the norm sqrt(output channels); what SGD updates decays in the gradient.
    The learning rate is in the groups.

    Source: Jordan et al., 2024, "Muon: an optimizer for hidden layers in neural networks"
    (kellerjordan.github.io/posts/muon), and airbench94_muon.py in KellerJordan/cifar10-airbench,
    which scales the kernels before an update instead of after it. With lookahead the slow copies of kernels
    are means, of smaller norm, until their next update.
    """

    heeds_bad_steps = True

    def __init__(
        self, params: Iterable[dict[str, Any]], *, muon_momentum: float, momentum: float, fixed_norm: bool
    ) -> None:
        super().__init__(params, {"lr": 0.0, "weight_decay": 0.0})
        self._muon_momentum, self._momentum, self._fixed_norm = muon_momentum, momentum, fixed_norm

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Make an update of every parameter that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            batches: dict[Any, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    key = (parameter.shape, parameter.stride()) if group["is_kernel"] else None
                    batches.setdefault(key, []).append(parameter)
            for parameters in batches.values():
                self._update(parameters, group)

    def _update(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Update parameters of one group, all at once; kernels are of one shape."""
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(parameter)
        buffers = [self.state[parameter]["momentum_buffer"] for parameter in parameters]
        gradients = laid_out_like([_gradient(parameter) for parameter in parameters], parameters)
        old, kept, gradient = pack(parameters), pack(buffers), pack(gradients)
        if group["is_kernel"]:
            velocity = kept * self._muon_momentum + gradient
            update = gradient + velocity * self._muon_momentum
            # In either order of memory a kernel's outermost axis is that of the output channels.
            shape = (len(parameters), len(parameters[0]), -1)
            dtype = torch.bfloat16 if update.is_cuda else torch.float32  # a GPU multiplies these much faster
            new = self._moved(old.view(shape), orthogonalised(update.view(shape), dtype), group).flatten()
        else:
            gradient = gradient + old * group["weight_decay"]
            velocity = kept * self._momentum + gradient
            new = old - (gradient + velocity * self._momentum) * group["lr"]
        unpack(unless_bad(self, old, new), parameters)
        unpack(unless_bad(self, kept, velocity), buffers)

    def _moved(self, kernels: Tensor, update: Tensor, group: dict[str, Any]) -> Tensor:
        if not self._fixed_norm:
            kernels = kernels * (1 - group["lr"] * group["weight_decay"])
        moved: Tensor = kernels - update * group["lr"]
        if not self._fixed_norm:
            return moved
        return moved * (math.sqrt(moved.shape[1]) / _norms(moved).clamp(min=_SMALLEST_NORM))


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def orthogonalised(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return about U V^T of each matrix U S V^T, by Newton-Schulz iterations: singular values near 1.

    In exact arithmetic, singular values above a fiftieth of the matrix's norm end in [0.68, 1.21];
    smaller ones grow 41-fold.

    Args:
        matrices: Float32, shape (matrices, rows, columns).
        dtype: In which it is computed.

    Returns:
        Float32, of the same shape.
    """
    a, b, c = _COEFFICIENTS
    x = (matrices / (_norms(matrices) + _SMALLEST_NORM)).to(dtype)
    is_tall = matrices.shape[1] > matrices.shape[2]
    if is_tall:  # the Gram matrix of the shorter side is the smaller one
        x = x.mT
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return (x.mT if is_tall else x).float()


def _norms(matrices: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(matrices, dim=(1, 2), keepdim=True)
    return norms


def _build(groups: Groups, config: recipe.Optimizer, can_skip: bool) -> Muon:
    return Muon(
        groups,
        muon_momentum=config.muon_momentum,
        momentum=config.momentum,
        fixed_norm=config.fixed_norm,
    )


OPTIMIZERS.add(
    "muon",
    OptimizerKind(
        build=_build,
        state=("momentum_buffer",),
        working_copies=5,
        divides_kernels=True,
        can_be_recorded=True,
    ),
)
