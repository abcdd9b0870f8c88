"""Parameter groups and optimizers from plain numbers; their state as named tensors."""

import math
from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor, nn

from resnetlab.base.units import first_of
from resnetlab.errors import CheckpointError, UsageError
from resnetlab.recipe import Optimizer
from resnetlab.recipe.optimizers import OPTIMIZERS, Groups, OptimizerKind
from resnetlab.training.step.guard import decides_on_device


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
    kind = OPTIMIZERS.find(config.optimizer)
    groups = _groups(model, config, shares or {}, divides_kernels=kind.divides_kernels)
    optimizer = kind.build(groups, config, can_skip)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    return optimizer


def _groups(
    model: nn.Module, config: Optimizer, shares: Mapping[str, float], *, divides_kernels: bool
) -> Groups:
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
            is_kernel = divides_kernels and parameter.ndim == 4
            if divides_kernels and not is_kernel:
                share *= config.rest_rate
            found.setdefault((share * multiple, decay, is_kernel), []).append(parameter)
    return [
        {"params": found[key], "share": key[0], "weight_decay": key[1], "is_kernel": key[2]}
        for key in sorted(found, reverse=True)
    ]


@torch.no_grad()
def penalty_row(model: nn.Module, config: Optimizer) -> dict[str, float]:
    """Return the L2 penalty of the weights that learn, `l2_loss`: half the weight decay times their squares.

    Nothing where the optimizer decays weights otherwise, or none decays.
    """
    if not (config.weight_decay and OPTIMIZERS.find(config.optimizer).decays_in_gradient):
        return {}
    decaying, betas = decaying_names(model, config.decay_scope), _beta_names(model)
    found = [(n, p) for n, p in model.named_parameters() if n in decaying and p.requires_grad]
    if not found:
        return {}
    norms = torch.stack(torch._foreach_norm([parameter for _, parameter in found])).tolist()
    shares = (1 / config.bias_rate if name in betas else 1.0 for name, _ in found)
    squares = (share * norm**2 for share, norm in zip(shares, norms, strict=True))
    return {"l2_loss": config.weight_decay / 2 * math.fsum(squares)}


def _beta_names(model: nn.Module) -> set[str]:
    norms = (path for path, m in model.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))
    return {f"{path}.bias" for path in norms}


def set_rate(optimizer: torch.optim.Optimizer, config: Optimizer, lr: float | Tensor) -> None:
    """Set the learning rate of the next update; the gradients must be there.

    Keras keeps the rate inside the velocity, v = m*v - lr*(g + decay*w): torch's form with a
    rate of 1 and with gradients and weight decay multiplied by lr.
    """
    if config.momentum_form == "torch" or not OPTIMIZERS.find(config.optimizer).scales_gradients:
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
    """Return the optimizer's state as {"exp_avg/layer1.0.conv1.weight": tensor, ...}.

    Raises:
        UsageError: If it keeps anything that it has not declared, and that would be lost.
    """
    kind, tensors = OPTIMIZERS.find(config.optimizer), {}
    for name, parameter in model.named_parameters():
        state = optimizer.state.get(parameter, {})
        _refuse_undeclared(config.optimizer, kind, parameter, state)
        for key in (*kind.counters, *kind.state):
            if state.get(key) is not None:
                tensors[f"{key}/{name}"] = state[key]
    return tensors


def lacking(model: nn.Module, optimizer: torch.optim.Optimizer, config: Optimizer, *, step: int) -> list[str]:
    """Return which names of `optimizer_tensors` are not there after so many steps, though they are declared.

    Before the first step none is, and this is empty.
    """
    kept = optimizer_tensors(model, optimizer, config)
    return [name for name in _declared(model, config) if name not in kept] if step else []


def _declared(model: nn.Module, config: Optimizer) -> dict[str, torch.Size]:
    """Return the names and shapes of what the optimizer has declared, for all parameters that learn."""
    kind = OPTIMIZERS.find(config.optimizer)
    if not kind.keeps_state(config):
        return {}
    return {
        f"{key}/{name}": torch.Size([]) if key in kind.counters else parameter.shape
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
        for key in (*kind.counters, *kind.state)
    }


_TRIED = ((2, 2, 3, 3), (3, 2), (2,))
"""Shapes of weights: of a convolution, a linear layer, and BN or a bias."""


def try_declared(
    name: str, kind: OptimizerKind, build: Callable[[dict[str, object]], torch.optim.Optimizer]
) -> None:
    """Have an optimizer of others make a step of some small weights, before a run relies on it.

    Raises:
        UsageError: If it is none, or keeps what it has not declared, or what is no weight's.
    """
    weights = [nn.Parameter(torch.ones(shape)) for shape in _TRIED]
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    optimizer: object = build({"params": weights, "share": 1.0, "weight_decay": 0.0, "is_kernel": False})
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise UsageError(f"the optimizer {name!r} is a {type(optimizer).__name__}, no torch.optim.Optimizer")
    if not all("share" in group for group in optimizer.param_groups):
        raise UsageError(f"the optimizer {name!r} is not of the groups that it was given")
    optimizer.step()
    for weight in weights:
        _refuse_undeclared(name, kind, weight, optimizer.state.get(weight, {}))
    if strange := [key for key in optimizer.state if not any(key is weight for weight in weights)]:
        raise UsageError(
            f"the optimizer {name!r} keeps state under {strange[0]!r}, no weight: it would be lost",
            hint="Keep it in optimizer.state[weight], as a tensor of the weight's shape or a single number.",
        )


def _refuse_undeclared(
    name: str, kind: OptimizerKind, parameter: nn.Parameter, state: Mapping[str, object]
) -> None:
    declared = dict.fromkeys(kind.counters, torch.Size([])) | dict.fromkeys(kind.state, parameter.shape)
    for key, value in state.items():
        if isinstance(value, Tensor) and key in kind.state and value.dtype != parameter.dtype:
            raise UsageError(
                f"the optimizer {name!r} keeps {key} as {value.dtype} of weights of {parameter.dtype}",
                hint="A checkpoint keeps it as the weights are: a run that is resumed would go on otherwise.",
            )
        if value is None or (isinstance(value, Tensor) and declared.get(key) == value.shape):
            continue
        told = f"of {tuple(value.shape)}" if isinstance(value, Tensor) else f"{value!r}"
        raise UsageError(
            f"the optimizer {name!r} keeps {key}, {told}, undeclared: it would be lost",
            hint="Declare what has the weight's shape by state=[...], single numbers by counters=[...].",
        )


_OF_COUNTERS = (torch.float32, torch.float64, torch.int32, torch.int64)
"""Types of single numbers; others cannot count the steps of a long run."""


def load_optimizer_tensors(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    config: Optimizer,
    tensors: dict[str, Tensor],
    *,
    has_moved: bool,
    lacks: Collection[str] = (),
) -> None:
    """Put back what `optimizer_tensors` returned; nothing, unless `has_moved`, if it had no update yet.

    Args:
        model: The network.
        optimizer: Of its parameters.
        config: The update rule.
        tensors: What was returned.
        has_moved: Whether it has made an update for certain.
        lacks: What `lacking` returned then.

    Raises:
        CheckpointError: If a tensor is missing, unknown, of another shape or type; all are named.
    """
    if not tensors and not has_moved:
        optimizer.state.clear()
        return
    kind = OPTIMIZERS.find(config.optimizer)
    expected = {name: shape for name, shape in _declared(model, config).items() if name not in lacks}
    check_tensors("optimizer", tensors, expected)
    counts_on_device = decides_on_device(optimizer) or bool(optimizer.defaults.get("capturable"))
    parameters = dict(model.named_parameters())
    for path, tensor in tensors.items():
        key, _, name = path.rpartition("/")
        types = _OF_COUNTERS if key in kind.counters else (parameters[name].dtype,)
        if tensor.dtype not in types:
            raise CheckpointError(f"optimizer {path} is {tensor.dtype}, expected {types[0]}")
    optimizer.state.clear()
    for path, tensor in tensors.items():
        key, _, name = path.rpartition("/")
        parameter = parameters[name]
        optimizer.state[parameter][key] = (
            tensor.to(parameter.device if counts_on_device else "cpu")
            if key in kind.counters
            else torch.empty_like(parameter).copy_(tensor)
        )


_MOST_UNKNOWN = 20


def check_tensors(group: str, tensors: dict[str, Tensor], expected: dict[str, torch.Size]) -> None:
    """Compare named tensors with the names and shapes expected of them.

    Raises:
        CheckpointError: If any differs; all are named, of unknown ones, which may be any number, the first.
    """
    missing = [name for name in expected if name not in tensors]
    unknown = [name for name in tensors if name not in expected]
    reshaped = [
        f"{name} is {tuple(tensors[name].shape)}, expected {tuple(shape)}"
        for name, shape in expected.items()
        if name in tensors and tensors[name].shape != shape
    ]
    problems = [f"missing: {', '.join(missing)}"] if missing else []
    problems += [f"unknown: {first_of(unknown, _MOST_UNKNOWN)}"] if unknown else []
    problems += [f"shapes: {'; '.join(reshaped)}"] if reshaped else []
    if problems:
        raise CheckpointError(f"{group} tensors do not fit this run: " + "; ".join(problems))
