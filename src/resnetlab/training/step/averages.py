"""Averages of a network's weights beside it: the exponential moving one, and lookahead's slow weights."""

import torch
from torch import Tensor, nn

from resnetlab.training.step.guard import unless_bad
from resnetlab.training.step.packing import pack, unpack, views


class WeightAverage:
    """Averages every floating-point tensor of a model's state; integers are copied.

    After step t the average keeps min(decay, (1 + t) / (10 + t)) of itself, so that the random
    start is forgotten soon (as in TensorFlow's ExponentialMovingAverage with num_updates).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.tensors = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int | Tensor) -> None:
        """Take in the model as it is after `step` updates: an int, or an int64 scalar on its device."""
        floats: list[tuple[Tensor, Tensor]] = []
        others: list[tuple[Tensor, Tensor]] = []
        for name, tensor in model.state_dict().items():
            (floats if tensor.is_floating_point() else others).append((self.tensors[name], tensor))
        averaged, current = map(list, zip(*floats, strict=True))
        difference = torch._foreach_sub(current, averaged)
        torch._foreach_mul_(difference, self._share_of_new(step))
        torch._foreach_add_(averaged, difference)
        for into, tensor in others:
            into.copy_(tensor)

    def _share_of_new(self, step: int | Tensor) -> float | Tensor:
        if isinstance(step, int):
            return 1 - min(self.decay, (1 + step) / (10 + step))
        exact = step.double()
        return (1 - ((1 + exact) / (10 + exact)).clamp(max=self.decay)).float()


class Lookahead:
    """Slow copies of every floating-point tensor of a model's state, BN's statistics included.

    After every k-th update, of which t were made of T in all, the slow ones take in the share
    1 - decay**k * (t/T)**3 of the model's, and the model becomes the slow ones: early it goes on as
    it is, late it is averaged. At the end of the run it becomes the slow ones as they are. A run that
    is ended early is left where it was.

    Source: airbench (Jordan, 2024, arXiv:2404.00498); Zhang et al., 2019 (arXiv:1907.08610).

    Attributes:
        tensors: The slow ones by name, views of one tensor.
    """

    def __init__(self, model: nn.Module, every: int, decay: float) -> None:
        self._every, self._decay = every, decay
        fast = _floats(model)
        self._slow = pack(list(fast.values()))
        self.tensors = dict(zip(fast, views(self._slow, list(fast.values())), strict=True))

    def share_after(self, step: int, num_steps: int) -> float | None:
        """Return the share of the model's tensors that the slow ones take in after `step` of the updates.

        None where nothing is due; 0 at the end of a run whose last update is no k-th one.
        """
        if step % self._every:
            return 0.0 if step == num_steps else None
        kept: float = self._decay**self._every * (step / num_steps) ** 3
        return 1 - kept

    def row_after(self, step: int, num_steps: int) -> tuple[float, float]:
        """Return the same as numbers for a table: whether something is due (1 or 0), and the share."""
        share = self.share_after(step, num_steps)
        return (0.0, 0.0) if share is None else (1.0, share)

    @torch.no_grad()
    def update(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        share: float | Tensor,
        *,
        is_due: Tensor | None = None,
    ) -> None:
        """Have the slow tensors take in a share of the model's, and the model become them.

        Neither changes where the optimizer was told of a bad step, or `is_due` is false: a bool scalar on
        the device, for steps whose host does not know.
        """
        tensors = list(_floats(model).values())
        fast, slow = pack(tensors), self._slow
        met = slow.lerp(fast, share)
        new_slow, new_fast = unless_bad(optimizer, slow, met), unless_bad(optimizer, fast, met)
        if is_due is not None:
            new_slow, new_fast = torch.where(is_due, new_slow, slow), torch.where(is_due, new_fast, fast)
        slow.copy_(new_slow)
        unpack(new_fast, tensors)


def _floats(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
