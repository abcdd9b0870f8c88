"""The guard against numbers that are not finite, on devices that must not be waited for.

It tells an optimizer of a bad step by the attribute `found_inf`, a float32 scalar on the device, 1 or
0, as torch's loss scaler tells the fused optimizers. An optimizer of ours that heeds it has the class
attribute `heeds_bad_steps`, and puts whatever it changes through `unless_bad`.
"""

import torch
from torch import Tensor


class FiniteGuard:
    """Notes on the device the first step whose loss or gradients are not finite.

    From that step on it has the optimizer's updates skipped, on the device too: the weights stay
    those of before it, so that whoever looks later can repeat the step and name the tensor.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self._optimizer = optimizer
        self._can_skip = bool(optimizer.defaults.get("fused")) or getattr(optimizer, "heeds_bad_steps", False)
        self._first_bad = torch.full((), -1, dtype=torch.int64, device=device)

    def watch(self, loss: Tensor, gradients: list[Tensor], step: int | Tensor) -> None:
        """Take note of the step after `step` updates; nothing waits for the device."""
        is_finite = torch.isfinite(loss) & torch.isfinite(torch.nn.utils.get_total_norm(gradients))
        is_first = ~is_finite & (self._first_bad < 0)
        self._first_bad.copy_(torch.where(is_first, step, self._first_bad))
        if self._can_skip:
            self._optimizer.found_inf = (self._first_bad >= 0).float()  # type: ignore[attr-defined]

    @property
    def first_bad_step(self) -> int | None:
        """Updates made before the first bad step, if there is one. Waits for the device."""
        step = int(self._first_bad)
        return None if step < 0 else step


def unless_bad(optimizer: torch.optim.Optimizer, old: Tensor, new: Tensor) -> Tensor:
    """Return the new numbers, or the old ones if the optimizer was told that this step is bad.

    Decided on the device. An optimizer that nobody watches is never told.
    """
    found_inf: Tensor | None = getattr(optimizer, "found_inf", None)
    return new if found_inf is None else torch.where(found_inf > 0, old, new)
