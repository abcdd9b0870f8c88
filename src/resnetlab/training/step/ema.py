"""The exponential moving average of a network's weights and BN statistics."""

import torch
from torch import Tensor, nn


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
