"""The guard against numbers that are not finite, on devices that must not be waited for.

It tells an optimizer of a bad step by the attribute `found_inf`, a float32 scalar on the device, 1 or
0, as torch's loss scaler tells the fused optimizers. An optimizer of ours that heeds it has the class
attribute `heeds_bad_steps`, and puts whatever it changes through `unless_bad`.
"""

import torch
from torch import Tensor, nn

from resnetlab.errors import DivergedError
from resnetlab.runs.finite import first_non_finite
from resnetlab.training.step.device import Compiler


class FiniteGuard:
    """Notes on the device the first step whose loss or gradients are not finite.

    From that step on it has the optimizer's updates skipped, on the device too: the weights stay
    those of before it, so that whoever looks later can repeat the step and name the tensor.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, device: torch.device, *, compiler: Compiler | None = None
    ) -> None:
        self._optimizer = optimizer
        self.can_skip = decides_on_device(optimizer)
        self._first_bad = torch.full((), -1, dtype=torch.int64, device=device)
        self._after = compiler.compiled(_after) if compiler else _after

    def watch(self, loss: Tensor, gradients: list[Tensor], step: int | Tensor) -> None:
        """Take note of the step after `step` updates; nothing waits for the device."""
        norm = torch.nn.utils.get_total_norm(gradients)
        first_bad, has_bad = self._after(self._first_bad, loss, norm, step)
        self._first_bad.copy_(first_bad)
        if self.can_skip:
            self._optimizer.found_inf = has_bad  # type: ignore[attr-defined]

    @property
    def on_device(self) -> Tensor:
        """What `first_bad_step` tells, as it lies on the device: int64 scalar, -1 for none."""
        return self._first_bad

    @property
    def first_bad_step(self) -> int | None:
        """Updates made before the first bad step, if there is one. Waits for the device."""
        step = int(self._first_bad)
        return None if step < 0 else step


def decides_on_device(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether the optimizer leaves out bad steps by itself, and counts its steps on the device."""
    return bool(optimizer.defaults.get("fused")) or getattr(optimizer, "heeds_bad_steps", False)


def _after(first_bad: Tensor, loss: Tensor, norm: Tensor, step: int | Tensor) -> tuple[Tensor, Tensor]:
    """Return the first bad step (-1 for none) when this one is taken in, and 1.0 if there is one, or 0.0."""
    is_finite = torch.isfinite(loss) & torch.isfinite(norm)
    first_bad = torch.where(~is_finite & (first_bad < 0), step, first_bad)
    return first_bad, (first_bad >= 0).float()


def unless_bad(optimizer: torch.optim.Optimizer, old: Tensor, new: Tensor) -> Tensor:
    """Return the new numbers, or the old ones if the optimizer was told that this step is bad.

    Decided on the device. An optimizer that nobody watches is never told.
    """
    found_inf: Tensor | None = getattr(optimizer, "found_inf", None)
    return new if found_inf is None else torch.where(found_inf > 0, old, new)


_HINT = (
    "A smaller learning rate (--lr), a warm-up (--set warmup=400st) or gradient clipping "
    "(--set clip_norm=1) usually helps."
)


def diverged(what: str, step: int, model: nn.Module, *, hint: str = _HINT) -> DivergedError:
    """Return the error for a number that is not finite, naming the first such tensor of the model."""
    bad = first_non_finite(model.state_dict())
    where = f"; {bad} is not finite either" if bad else "; the weights are still finite"
    return DivergedError(
        f"diverged at step {step + 1}: {what} is not finite{where}",
        hint=hint,
    )
