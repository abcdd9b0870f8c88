"""torch's optimizers, without its compiler: no step of ours is compiled with its update.

torch guards what an optimizer does against `torch.compile`, and imports the compiler to do so: 1.3 s at the
beginning of every run, though most are not compiled.
"""

import inspect
from typing import Any

import torch


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
