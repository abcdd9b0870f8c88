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
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the model as it is after `step` updates."""
        keep = min(self.decay, (1 + step) / (10 + step))
        averaged: list[Tensor] = []
        current: list[Tensor] = []
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                averaged.append(self.tensors[name])
                current.append(tensor)
            else:
                self.tensors[name].copy_(tensor)
        torch._foreach_lerp_(averaged, current, 1 - keep)
