"""The guard against numbers that are not finite, on devices that must not be waited for."""

import torch
from torch import Tensor


class FiniteGuard:
    """Notes on the device the first step whose loss or gradients are not finite.

    From that step on it has the optimizer's updates skipped, on the device too: the weights stay
    those of before it, so that whoever looks later can repeat the step and name the tensor.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self._optimizer = optimizer
        self._can_skip = bool(optimizer.defaults.get("fused"))
        self._first_bad = torch.full((), -1, dtype=torch.int64, device=device)

    def watch(self, loss: Tensor, gradients: list[Tensor], step: int | Tensor) -> None:
        """Take note of the step after `step` updates; nothing waits for the device."""
        is_finite = torch.isfinite(loss) & torch.isfinite(torch.nn.utils.get_total_norm(gradients))
        is_first = ~is_finite & (self._first_bad < 0)
        self._first_bad.copy_(torch.where(is_first, step, self._first_bad))
        if self._can_skip:  # the fused optimizers' own way to be told of an overflow
            self._optimizer.found_inf = (self._first_bad >= 0).float()  # type: ignore[attr-defined]

    @property
    def first_bad_step(self) -> int | None:
        """Updates made before the first bad step, if there is one. Waits for the device."""
        step = int(self._first_bad)
        return None if step < 0 else step
