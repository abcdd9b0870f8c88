"""torch's optimizers, without its compiler: no step of ours is compiled with its update.

torch guards what an optimizer does against `torch.compile`, and imports the compiler to do so: 1.3 s at the
beginning of every run, though most are not compiled.
"""

import inspect
from typing import Any

import torch

from resnetlab import recipe
from resnetlab.recipe.optimizers import OPTIMIZERS, Groups, OptimizerKind


class Optimizer(torch.optim.Optimizer):
    """What optimizers of ours are derived from."""

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)


def _updates_of(kind: type[torch.optim.Optimizer]) -> Any:
    return torch.no_grad()(inspect.unwrap(kind.step))


class SGD(Optimizer, torch.optim.SGD):
    """As `torch.optim.SGD`."""

    step = _updates_of(torch.optim.SGD)


class Adam(Optimizer, torch.optim.Adam):
    """As `torch.optim.Adam`."""

    step = _updates_of(torch.optim.Adam)


class AdamW(Optimizer, torch.optim.AdamW):
    """As `torch.optim.AdamW`."""

    step = _updates_of(torch.optim.AdamW)


def _sgd(groups: Groups, config: recipe.Optimizer, can_skip: bool) -> SGD:
    return SGD(groups, lr=0.0, momentum=config.momentum, nesterov=config.nesterov, fused=not can_skip)


def _adam(groups: Groups, config: recipe.Optimizer, can_skip: bool) -> Adam:
    betas = (config.betas[0], config.betas[1])
    return Adam(groups, lr=0.0, betas=betas, eps=config.adam_eps, fused=not can_skip)


def _adamw(groups: Groups, config: recipe.Optimizer, can_skip: bool) -> AdamW:
    betas = (config.betas[0], config.betas[1])
    return AdamW(groups, lr=0.0, betas=betas, eps=config.adam_eps, fused=not can_skip)


_MOMENTS = ("exp_avg", "exp_avg_sq")

OPTIMIZERS.add(
    "sgd",
    OptimizerKind(
        build=_sgd,
        state=("momentum_buffer",),
        keeps_state=lambda config: config.momentum > 0,
        scales_gradients=True,
        decays_in_gradient=True,
        can_be_recorded=True,
    ),
)
for _name, _build in (("adam", _adam), ("adamw", _adamw)):
    OPTIMIZERS.add(
        _name,
        OptimizerKind(
            build=_build,
            state=_MOMENTS,
            counters=("step",),
            decays_in_gradient=_name == "adam",
            can_be_recorded=True,
        ),
    )
