"""The optimizers by name, and what a run must know of each. Imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnetlab.base.registry import Registry
from resnetlab.recipe.optimisation import Optimizer

if TYPE_CHECKING:
    import torch

Groups = list[dict[str, Any]]
"""Each with `params`, their `weight_decay`, and their `share` of the rate, which is put into `lr`."""


@dataclass(frozen=True, kw_only=True)
class OptimizerKind:
    """What makes an optimizer, and what is to be saved of it."""

    build: Callable[[Groups, Optimizer, bool], "torch.optim.Optimizer"]
    """Of the parameter groups, the recipe's group, and whether a loss scaler will leave out steps."""

    state: tuple[str, ...] = ()
    """Names in its state of what is shaped as the parameter."""

    counters: tuple[str, ...] = ()
    """Names in its state of single numbers."""

    working_copies: int = 0
    """Numbers for each weight that a step needs besides gradient and state."""

    keeps_state: Callable[[Optimizer], bool] = lambda config: True
    """Whether it keeps all that with these values of the recipe; else it keeps nothing."""

    scales_gradients: bool = False
    """With momentum_form=keras the rate is put into the gradients, on the host, and is 1 for it."""

    divides_kernels: bool = False
    """Kernels of convolutions have their own groups, which say `is_kernel`; all else has rest_rate."""

    decays_in_gradient: bool = False
    """Weight decay is the gradient of an L2 penalty, and so a part of what is minimised."""

    can_be_recorded: bool = False
    """A step asks the host nothing, and heeds `found_inf` (see training.step.guard)."""


_ROOM = "resnetlab.training.step.optimizers"

OPTIMIZERS: Registry[OptimizerKind] = Registry(
    "optimizer",
    modules={
        "sgd": f"{_ROOM}.torch_optimizers",
        "adam": f"{_ROOM}.torch_optimizers",
        "adamw": f"{_ROOM}.torch_optimizers",
        "lamb": f"{_ROOM}.lamb",
        "lars": f"{_ROOM}.lars",
        "muon": f"{_ROOM}.muon",
    },
)
