"""The loss along straight lines through the space of weights: a cut through the landscape that is descended.

Everywhere BN normalises with the mean and variance of the very images that the loss is of, as a training
step over all of them would. So the loss is a function of the weights alone, and the running statistics of
training, which fit its last weights and no others, have no part in it.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from resnetlab.base.randomness import DIRECTION, key_for
from resnetlab.models import ResNet

Weights = Mapping[str, Tensor]


def weights_of(model: ResNet) -> dict[str, Tensor]:
    """Return a copy of the parameters, by name."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def filter_normalised_direction(weights: Weights, seed: int, number: int) -> dict[str, Tensor]:
    """Return a random direction in which each filter is as long as the network's own.

    Kernels get normally distributed numbers, then each filter's are brought to the norm that the filter has
    (a neuron's of the classifier likewise). Biases, and what BN multiplies by and adds, stay: they are no
    filters, and get 0.

    Source: Li et al., 2018, arXiv:1712.09913, section 4.

    Args:
        weights: The network's parameters.
        seed: The direction is a function of it, of its number and of the tensors' shapes alone.
        number: Which of several directions.
    """
    generator = torch.Generator().manual_seed(key_for(seed, DIRECTION, number))
    return {name: _like(tensor, generator) for name, tensor in weights.items()}


def _like(tensor: Tensor, generator: torch.Generator) -> Tensor:
    if tensor.dim() < 2:
        return torch.zeros_like(tensor)
    drawn = torch.randn(tensor.shape, generator=generator).to(tensor.device).flatten(1)
    own = tensor.flatten(1).norm(dim=1, keepdim=True)
    scaled: Tensor = drawn * (own / drawn.norm(dim=1, keepdim=True))
    return scaled.reshape(tensor.shape)


def along(weights: Weights, direction: Weights) -> Callable[[float], dict[str, Tensor]]:
    """Return the weights at `weights` + a times `direction`, by a."""
    return lambda a: {name: tensor + a * direction[name] for name, tensor in weights.items()}


def between(first: Weights, last: Weights) -> Callable[[float], dict[str, Tensor]]:
    """Return the weights on the way from the first (a = 0) to the last (a = 1), by a.

    Source: Goodfellow et al., 2015, arXiv:1412.6544, section 2; all parameters take part, BN's too.
    """
    return lambda a: {name: torch.lerp(first[name], last[name], a) for name in first}


@torch.no_grad()
def losses(
    model: ResNet,
    line: Callable[[float], Weights],
    places: Sequence[float],
    images_NCHW: Tensor,
    labels: Tensor,
) -> list[float]:
    """Return the mean cross-entropy in nats at each place of a line; the model's weights are lost.

    Args:
        model: The network.
        line: Gives all its parameters at a place.
        places: The places.
        images_NCHW: Normalised images, all of them one batch for BN.
        labels: Int64 (N,).
    """
    model.train()
    found = []
    for place in places:
        here = line(place)
        for name, parameter in model.named_parameters():
            parameter.copy_(here[name])
        found.append(float(functional.cross_entropy(model(images_NCHW).float(), labels)))
    return found
