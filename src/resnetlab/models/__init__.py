"""The networks in torch: `build` makes one from its specification."""

import torch

from resnetlab.base.randomness import INIT, key_for
from resnetlab.models.init import initialise
from resnetlab.models.resnet import ResNet
from resnetlab.network.spec import ModelSpec

__all__ = ["ResNet", "build"]


def build(
    spec: ModelSpec,
    *,
    seed: int | None = None,
    checkpoint_activations: bool = False,
    device: torch.device | str = "cpu",
) -> ResNet:
    """Build a network with its first weights, in training mode.

    Args:
        spec: What the network is.
        seed: The weights are a function of it alone, the same on every device, and torch's
            generator stays untouched; None draws from torch's generator.
        checkpoint_activations: Trade time for memory; see ResNet.
        device: Where the parameters live. On "meta" they have shapes and no values.
    """
    with torch.device("meta"):
        model = ResNet(spec, checkpoint_activations=checkpoint_activations)
    if torch.device(device).type == "meta":
        return model
    generator = None if seed is None else torch.Generator().manual_seed(key_for(seed, INIT))
    model._apply(_unset)  # type: ignore[no-untyped-call]
    initialise(model, generator)
    return model.to(device)


def _unset(tensor: torch.Tensor) -> torch.Tensor:
    """Return such a tensor in memory. `Module.to_empty` imports SymPy for it, half a second."""
    return torch.empty(tensor.shape, dtype=tensor.dtype)
