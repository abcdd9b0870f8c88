"""LARS: momentum whose rate for each kernel is in proportion to the kernel's own norm."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from resnetlab import recipe
from resnetlab.recipe.optimizers import OPTIMIZERS, Groups, OptimizerKind
from resnetlab.training.step.guard import unless_bad
from resnetlab.training.step.optimizers.torch_optimizers import Optimizer
from resnetlab.training.step.packing import laid_out_like


class Lars(Optimizer):
    """You et al., 2017 (arXiv:1708.03888): a kernel learns at lr * trust * |w| / (|g| + decay * |w|).

    |w| is its norm; |g| is of the gradient without weight decay, which is then added to it, as in the paper.
    Tensors of one dimension (BN's parameters, biases) learn at the rate itself, and so does a kernel that is
    zero or has no gradient. With `rate_inside`, v = m*v + rate*(g + decay*w), w -= v, as in the paper and in
    MLPerf's code; without, w -= rate*v, as in TensorFlow 1's `tf.contrib.opt.LARSOptimizer`, which the
    official ResNet uses. That one takes a gradient that holds the weight decay already, so that its |g| is
    |g + decay*w|; here it is the paper's in both forms.
    The learning rate is in the groups.
    """

    heeds_bad_steps = True

    def __init__(
        self, params: Iterable[dict[str, Any]], *, momentum: float, trust: float, rate_inside: bool
    ) -> None:
        super().__init__(params, {"lr": 0.0, "weight_decay": 0.0})
        self._momentum, self._trust, self._rate_inside = momentum, trust, rate_inside

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Make an update of every parameter that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:  # a norm depends on the order in which numbers are added
                    (gradient,) = laid_out_like([parameter.grad], [parameter])
                    self._update(parameter, gradient, group)

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, decay = self.state[parameter], group["weight_decay"]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        change = gradient.add(parameter, alpha=decay) if decay else gradient
        ratio = self._ratio(parameter, gradient, decay)
        if self._rate_inside:
            change = change * ratio * group["lr"]
        velocity = state["momentum_buffer"] * self._momentum + change
        new = parameter - (velocity if self._rate_inside else velocity * ratio * group["lr"])
        for old, changed in ((parameter, new), (state["momentum_buffer"], velocity)):
            old.copy_(unless_bad(self, old, changed))

    def _ratio(self, parameter: Tensor, gradient: Tensor, decay: float) -> Tensor | float:
        """Return this tensor's share of the rate."""
        if parameter.ndim == 1:
            return 1.0
        own, its = parameter.norm(), gradient.norm()
        ratio = self._trust * own / (its + decay * own)
        return torch.where((own > 0) & (its > 0), ratio, torch.ones_like(own))


def _build(groups: Groups, config: recipe.Optimizer, can_skip: bool) -> Lars:
    return Lars(
        groups,
        momentum=config.momentum,
        trust=config.trust,
        rate_inside=config.momentum_form == "keras",
    )


OPTIMIZERS.add(
    "lars",
    OptimizerKind(build=_build, state=("momentum_buffer",), decays_in_gradient=True, can_be_recorded=True),
)
