"""Parameter groups and optimizers from plain numbers; their state as named tensors."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from resnetlab.errors import CheckpointError
from resnetlab.recipe import Optimizer
from resnetlab.training.step.optimizers.lamb import Lamb
from resnetlab.training.step.optimizers.muon import Muon
from resnetlab.training.step.optimizers.torch_optimizers import SGD, Adam, AdamW

_STATE_NAMES = {
    "sgd": ("momentum_buffer",),
    "adam": ("step", "exp_avg", "exp_avg_sq"),
    "adamw": ("step", "exp_avg", "exp_avg_sq"),
    "lamb": ("step", "exp_avg", "exp_avg_sq"),
    "muon": ("momentum_buffer",),
}


def decaying_names(model: nn.Module, scope: str) -> set[str]:
    """Return the names of the parameters that weight decay covers.

    Args:
        model: The network.
        scope: "all"; "all-but-norm" (all but BN's gamma and beta); "kernels" (of convolutions and
            linear layers, no bias); "conv-kernels" (of convolutions alone).
    """
    names = set()
    for path, module in model.named_modules():
        is_norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
        for name, _ in module.named_parameters(recurse=False):
            is_kernel = name == "weight" and not is_norm
            if (
                scope == "all"
                or (scope == "all-but-norm" and not is_norm)
                or (scope == "kernels" and is_kernel)
                or (scope == "conv-kernels" and is_kernel and isinstance(module, nn.Conv2d))
            ):
                names.add(f"{path}.{name}" if path else name)
    return names


def build_optimizer(
    model: nn.Module,
    config: Optimizer,
    *,
    shares: Mapping[str, float] | None = None,
    can_skip: bool = False,
) -> torch.optim.Optimizer:
    """Return the optimizer for all parameters that learn, grouped by whether they decay, and their rate.

    The learning rate is 0 until `set_rate` says otherwise.

    Args:
        model: The network.
        config: The update rule.
        shares: The share of the learning rate of each parameter, by name; left out, 1. A parameter
            with a share of 0 does not learn, and must not require a gradient.
        can_skip: A loss scaler will leave out steps that overflow. It then gets an optimizer
            that it can really leave uncalled: a fused one is called all the same, and its first
            momentum buffer is memory that nothing was written to.
    """
    groups = _groups(model, config, shares or {})
    if config.optimizer == "sgd":
        return SGD(groups, lr=0.0, momentum=config.momentum, nesterov=config.nesterov, fused=not can_skip)
    if config.optimizer == "lamb":
        return Lamb(groups, betas=(config.betas[0], config.betas[1]), eps=config.adam_eps)
    if config.optimizer == "muon":
        return Muon(
            groups,
            muon_momentum=config.muon_momentum,
            momentum=config.momentum,
            fixed_norm=config.fixed_norm,
        )
    kind = Adam if config.optimizer == "adam" else AdamW
    betas = (config.betas[0], config.betas[1])
    return kind(groups, lr=0.0, betas=betas, eps=config.adam_eps, fused=not can_skip)


def _groups(model: nn.Module, config: Optimizer, shares: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the parameter groups: for each share of the rate those that decay, and those that do not.

    The rate of BN's beta is a multiple of its own, its decay divided by that, so that it decays as fast.

    Source: Page, 2018, "How to train your ResNet" 8, and airbench (Jordan, 2024, arXiv:2404.00498): 64.
    """
    decaying, betas = decaying_names(model, config.decay_scope), _beta_names(model)
    found: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if share := shares.get(name, 1.0):
            multiple = config.bias_rate if name in betas else 1.0
            decay = config.weight_decay / multiple if name in decaying else 0.0
            is_muon = config.optimizer == "muon" and parameter.ndim == 4
            if config.optimizer == "muon" and not is_muon:
                share *= config.rest_rate
            found.setdefault((share * multiple, decay, is_muon), []).append(parameter)
    return [
        {"params": found[key], "share": key[0], "weight_decay": key[1], "is_muon": key[2]}
        for key in sorted(found, reverse=True)
    ]


def _beta_names(model: nn.Module) -> set[str]:
    norms = (path for path, m in model.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
    return {f"{path}.bias" for path in norms}


def set_rate(optimizer: torch.optim.Optimizer, config: Optimizer, lr: float | Tensor) -> None:
    """Set the learning rate of the next update; the gradients must be there.

    Keras keeps the rate inside the velocity, v = m*v - lr*(g + decay*w): torch's form with a
    rate of 1 and with gradients and weight decay multiplied by lr.
    """
    if config.optimizer != "sgd" or config.momentum_form == "torch":
        for group in optimizer.param_groups:
            group["lr"] = lr * group["share"]
        return
    for group in optimizer.param_groups:
        group["lr"] = 1.0
        rate = lr * group["share"]
        group["weight_decay"] = group.setdefault("full_decay", group["weight_decay"]) * rate
        torch._foreach_mul_([p.grad for p in group["params"] if p.grad is not None], rate)


def optimizer_tensors(
    model: nn.Module, optimizer: torch.optim.Optimizer, config: Optimizer
) -> dict[str, Tensor]:
    """Return the optimizer's state as {"exp_avg/layer1.0.conv1.weight": tensor, ...}."""
    tensors = {}
    for name, parameter in model.named_parameters():
        state = optimizer.state.get(parameter, {})
        for key in _STATE_NAMES[config.optimizer]:
            if state.get(key) is not None:
                tensors[f"{key}/{name}"] = state[key]
    return tensors


def load_optimizer_tensors(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    config: Optimizer,
    tensors: dict[str, Tensor],
    *,
    has_moved: bool,
) -> None:
    """Put back what `optimizer_tensors` returned; nothing, unless `has_moved`, if it had no update yet.

    Raises:
        CheckpointError: If a tensor is missing, unknown or of another shape; all are named.
    """
    if not tensors and not has_moved:
        optimizer.state.clear()
        return
    keys = _STATE_NAMES[config.optimizer] if config.momentum or config.optimizer != "sgd" else ()
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    expected = {
        f"{key}/{name}": torch.Size([]) if key == "step" else parameter.shape
        for name, parameter in parameters.items()
        for key in keys
    }
    check_tensors("optimizer", tensors, expected)
    counts_on_device = bool(optimizer.defaults.get("fused")) or isinstance(optimizer, Lamb)
    for name, parameter in parameters.items():
        optimizer.state[parameter] = {
            key: tensors[f"{key}/{name}"].to(parameter.device if counts_on_device else "cpu")
            if key == "step"
            else torch.empty_like(parameter).copy_(tensors[f"{key}/{name}"])
            for key in keys
        }


def check_tensors(group: str, tensors: dict[str, Tensor], expected: dict[str, torch.Size]) -> None:
    """Compare named tensors with the names and shapes expected of them.

    Raises:
        CheckpointError: If any differs; all are named.
    """
    missing = [name for name in expected if name not in tensors]
    unknown = [name for name in tensors if name not in expected]
    reshaped = [
        f"{name} is {tuple(tensors[name].shape)}, expected {tuple(shape)}"
        for name, shape in expected.items()
        if name in tensors and tensors[name].shape != shape
    ]
    problems = [f"missing: {', '.join(missing)}"] if missing else []
    problems += [f"unknown: {', '.join(unknown)}"] if unknown else []
    problems += [f"shapes: {'; '.join(reshaped)}"] if reshaped else []
    if problems:
        raise CheckpointError(f"{group} tensors do not fit this run: " + "; ".join(problems))
