"""LAMB: Adam whose update of each tensor is scaled to the tensor's own norm."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_LARGEST_NORM = 1.0  # of the whole gradient, as in the authors' and timm's code


class Lamb(torch.optim.Optimizer):
    """You et al., 2019 (arXiv:1904.00962), as timm has it: gradients clipped to norm 1 as a whole.

    The scaling is left out for tensors without weight decay. The learning rate is in the groups.
    """

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
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad / share, group)

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, (beta1, beta2) = self.state[parameter], group["betas"]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        step = float(state["step"])
        state["exp_avg"].lerp_(gradient, 1 - beta1)
        state["exp_avg_sq"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        root = (state["exp_avg_sq"] / (1 - beta2**step)).sqrt_().add_(group["eps"])
        update = state["exp_avg"] / (1 - beta1**step) / root
        if group["weight_decay"]:
            update.add_(parameter, alpha=group["weight_decay"])
            own, its = parameter.norm(), update.norm()
            update *= torch.where((own > 0) & (its > 0), own / its, torch.ones_like(own))
        parameter.add_(update, alpha=-group["lr"])
