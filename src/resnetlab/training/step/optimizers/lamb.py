"""LAMB: Adam whose update of each tensor is scaled to the tensor's own norm."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from resnetlab import recipe
from resnetlab.recipe.optimizers import OPTIMIZERS, Groups, OptimizerKind
from resnetlab.training.step.guard import unless_bad
from resnetlab.training.step.optimizers.torch_optimizers import Optimizer

_LARGEST_NORM = 1.0  # of the whole gradient, as in the authors' and timm's code


class Lamb(Optimizer):
    """You et al., 2019 (arXiv:1904.00962), as timm has it: gradients clipped to norm 1 as a whole.

    The scaling is left out for tensors without weight decay. The learning rate is in the groups.
    It counts its steps on the device, so that a recorded step may contain it.
    """

    heeds_bad_steps = True

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
    ) -> None:
        super().__init__(params, {"lr": 0.0, "betas": betas, "eps": eps, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Make an update of every parameter that has a gradient."""
        assert closure is None
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        share = (norm / _LARGEST_NORM).clamp(min=1.0)
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if parameters:
                self._update(parameters, share, group)

    def _update(self, parameters: list[Tensor], share: Tensor, group: dict[str, Any]) -> None:
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros((), device=parameter.device)
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
        steps = torch.stack([self.state[parameter]["step"] for parameter in parameters])
        counted = unless_bad(self, steps, steps + 1)
        corrections = zip(*(_correction(beta, steps + 1).unbind() for beta in group["betas"]), strict=True)
        for parameter, step, pair in zip(parameters, counted.unbind(), corrections, strict=True):
            self.state[parameter]["step"].copy_(step)
            self._update_one(parameter, share, pair, group)

    def _update_one(
        self, parameter: Tensor, share: Tensor, corrections: tuple[Tensor, ...], group: dict[str, Any]
    ) -> None:
        state, (beta1, beta2) = self.state[parameter], group["betas"]
        assert parameter.grad is not None
        gradient = parameter.grad / share
        mean = state["exp_avg"].lerp(gradient, 1 - beta1)
        square = (state["exp_avg_sq"] * beta2).addcmul_(gradient, gradient, value=1 - beta2)
        update = mean / corrections[0] / (square / corrections[1]).sqrt_().add_(group["eps"])
        if group["weight_decay"]:
            update.add_(parameter, alpha=group["weight_decay"])
            own, its = parameter.norm(), update.norm()
            update *= torch.where((own > 0) & (its > 0), own / its, torch.ones_like(own))
        new = parameter - update * group["lr"]
        for old, changed in ((parameter, new), (state["exp_avg"], mean), (state["exp_avg_sq"], square)):
            old.copy_(unless_bad(self, old, changed))


def _correction(beta: float, steps: Tensor) -> Tensor:
    """Return 1 - beta**steps; the plain formula would lose three digits of it in float32 at step 1."""
    return -torch.expm1(steps * (math.log(beta) if beta else -math.inf))


def _build(groups: Groups, config: recipe.Optimizer, can_skip: bool) -> Lamb:
    return Lamb(groups, betas=(config.betas[0], config.betas[1]), eps=config.adam_eps)


OPTIMIZERS.add(
    "lamb",
    OptimizerKind(build=_build, state=("exp_avg", "exp_avg_sq"), counters=("step",), can_be_recorded=True),
)
