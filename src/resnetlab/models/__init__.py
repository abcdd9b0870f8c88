"""The networks in torch: `build` makes one from its specification, `put_tensors` gives it trained weights."""

from collections.abc import Mapping

import torch
from torch import Tensor

from resnetlab.base.randomness import INIT, key_for
from resnetlab.base.units import first_of
from resnetlab.errors import CheckpointError
from resnetlab.models.init import initialise
from resnetlab.models.resnet import ResNet
from resnetlab.network.layers import Linear
from resnetlab.network.spec import ModelSpec

__all__ = ["ResNet", "build", "put_tensors", "with_tensors"]


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


def with_tensors(
    spec: ModelSpec, tensors: Mapping[str, Tensor], origin: str, *, has_classifier: bool = True
) -> ResNet:
    """Return the network with these weights, in evaluation mode, on the CPU; see `put_tensors`."""
    if sum(spec.blocks) > len(tensors):  # before it takes time
        raise CheckpointError(
            f"{origin}: {len(tensors):,} tensors are not {spec.name}'s of {sum(spec.blocks):,} residual units"
        )
    _refuse_others(build(spec, device="meta"), tensors, origin, has_classifier)  # before it takes memory
    return put_tensors(build(spec, seed=0), tensors, origin, has_classifier=has_classifier).eval()


def put_tensors(
    model: ResNet, tensors: Mapping[str, Tensor], origin: str, *, has_classifier: bool = True
) -> ResNet:
    """Give a network these weights, where it lies, and return it.

    Args:
        model: The network.
        tensors: Its state dict, whole.
        origin: Where that is from, for errors.
        has_classifier: Whether the classifier is in it; else the network keeps the one that it has.

    Raises:
        CheckpointError: If names or shapes are not the network's.
    """
    _refuse_others(model, tensors, origin, has_classifier)
    model.load_state_dict(dict(tensors), strict=has_classifier)
    return model


def _refuse_others(model: ResNet, tensors: Mapping[str, Tensor], origin: str, has_classifier: bool) -> None:
    """Raise a CheckpointError if names or shapes are not the network's."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if not has_classifier:
        heads = tuple(f"{layer.name}." for layer in model.spec.plan().tail if isinstance(layer, Linear))
        expected = {name: shape for name, shape in expected.items() if not name.startswith(heads)}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != expected:
        wrong = sorted(name for name in found | expected if found.get(name) != expected.get(name))
        raise CheckpointError(
            f"{origin}: {len(wrong)} tensors are not {model.spec.name}'s: {first_of(wrong)}"
        )


def _unset(tensor: torch.Tensor) -> torch.Tensor:
    """Return such a tensor in memory. `Module.to_empty` imports SymPy for it, half a second."""
    return torch.empty(tensor.shape, dtype=tensor.dtype)
