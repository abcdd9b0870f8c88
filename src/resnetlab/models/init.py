"""Named initialisers, each with its source, and the first weights of a network."""

import math
from collections.abc import Callable

import torch
from torch import Generator, nn

from resnetlab.models.layers import Gate, at
from resnetlab.models.resnet import ResNet
from resnetlab.network.plan import Unit

Initialiser = Callable[[nn.Conv2d | nn.Linear, Generator | None], None]

# The standard deviation of a standard normal distribution cut off at 2: TensorFlow's and Keras'
# VarianceScaling divide by it, so that the variance after the cut is the one asked for.
TRUNCATED_STD = 0.87962566103423978


def he_fan_out(layer: nn.Conv2d | nn.Linear, generator: Generator | None) -> None:
    """Normal, variance 2 / (kernel^2 * out channels): torchvision, tensorflow/models research.

    Source: He et al., 2015, arXiv:1502.01852, section 2.2, backward case.
    """
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
    _zero_bias(layer)


def he_fan_in(layer: nn.Conv2d | nn.Linear, generator: Generator | None) -> None:
    """Normal, variance 2 / (kernel^2 * in channels).

    Source: He et al., 2015, arXiv:1502.01852, section 2.2, equation 10.
    """
    nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu", generator=generator)
    _zero_bias(layer)


def he_truncated(layer: nn.Conv2d | nn.Linear, generator: Generator | None) -> None:
    """Normal cut off at 2 standard deviations, variance 2 / fan-in: Keras' he_normal."""
    _truncated(layer, generator, 2.0)


def lecun_truncated(layer: nn.Conv2d | nn.Linear, generator: Generator | None) -> None:
    """Normal cut off at 2 standard deviations, variance 1 / fan-in.

    TensorFlow's variance_scaling_initializer(), the official ResNet's.
    """
    _truncated(layer, generator, 1.0)


def _truncated(layer: nn.Conv2d | nn.Linear, generator: Generator | None, scale: float) -> None:
    fan_in = layer.weight[0].numel()
    std = math.sqrt(scale / fan_in) / TRUNCATED_STD
    nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std, generator=generator)
    _zero_bias(layer)


def glorot_uniform(layer: nn.Conv2d | nn.Linear, generator: Generator | None) -> None:
    """Uniform within sqrt(6 / (fan-in + fan-out)); Glorot and Bengio, 2010, equation 16."""
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    _zero_bias(layer)


def unit_scaling(layer: nn.Conv2d | nn.Linear, generator: Generator | None) -> None:
    """Uniform within sqrt(3 / fan-in): TensorFlow's uniform_unit_scaling_initializer."""
    bound = math.sqrt(3 / layer.weight[0].numel())
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    _zero_bias(layer)


def torch_default(layer: nn.Conv2d | nn.Linear, generator: Generator | None) -> None:
    """Weight and bias uniform within 1 / sqrt(fan-in), as torch's Linear starts."""
    bound = 1 / math.sqrt(layer.weight[0].numel())
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    if layer.bias is not None:
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def _zero_bias(layer: nn.Conv2d | nn.Linear) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


INITIALISERS: dict[str, Initialiser] = {
    each.__name__: each
    for each in (
        he_fan_out,
        he_fan_in,
        he_truncated,
        lecun_truncated,
        glorot_uniform,
        unit_scaling,
        torch_default,
    )
}


def initialise(model: ResNet, generator: Generator | None = None) -> None:
    """Set all parameters and statistics to their first values, as the specification names them.

    Args:
        model: A network on the CPU; what its tensors hold does not matter.
        generator: Where the random numbers come from; None is torch's global one.
    """
    spec = model.spec
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            INITIALISERS[spec.conv_init](module, generator)
            if isinstance(module, Gate):
                assert module.bias is not None
                nn.init.constant_(module.bias, spec.gate_bias)
        elif isinstance(module, nn.Linear):
            INITIALISERS[spec.fc_init](module, generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            nn.init.zeros_(module.bias)
            if module.weight is not None:
                nn.init.ones_(module.weight)
    if spec.zero_init_residual:
        for unit in spec.plan().units:
            _silence(at(model, unit.name), unit)
    if model.keep_probability_U is not None:
        model.keep_probability_U.copy_(torch.tensor(spec.keep_probabilities))


def _silence(module: nn.Module, unit: Unit) -> None:
    """Make the branch give zero: Goyal et al., 2017, arXiv:1706.02677, section 5.1.

    Where no BN ends the branch, its last convolution starts as zero, as timm's resnetv2 does.
    """
    last = [at(module, layer.name) for layer in unit.branch]
    weights = [each.weight for each in last if isinstance(each, nn.Conv2d | nn.BatchNorm2d)]
    nn.init.zeros_(weights[-1])
