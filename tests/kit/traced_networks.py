"""Networks whose modules told their shapes in a forward pass, each made once."""

from dataclasses import replace
from functools import cache, partial

import torch
from torch import nn

from resnetlab import create_model
from resnetlab.network.spec import ModelSpec


def shallow(spec: ModelSpec) -> ModelSpec:
    """Return the network with at most two units a stage: all after the second are equal, and folded.

    Names, depths and what changes no shape are dropped, so that equal networks are traced once.
    """
    blocks = tuple(min(count, 2) for count in spec.blocks)
    return replace(
        spec, name="shallow", source="", blocks=blocks, bn_eps=1e-5, bn_momentum=0.1, fc_init="torch_default",
        conv_init="he_fan_out", preact_momentum=None, published_parameters=None, published_multiply_adds=None,
        bn_biased_variance=False, stochastic_depth=0.0,
    )  # fmt: skip


@cache
def traced(spec: ModelSpec) -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """Return every module by its path with the shape of its output, from a forward pass without data."""
    model = create_model(spec, device="meta").eval()
    found: dict[str, tuple[nn.Module, tuple[int, ...]]] = {}

    def note(path: str, module: nn.Module, inputs: object, output: torch.Tensor) -> None:
        found[path] = (module, tuple(output.shape))

    for path, module in model.named_modules():
        module.register_forward_hook(partial(note, path))
        if isinstance(module, nn.BatchNorm2d):  # it keeps every shape, and without data takes half the time
            module.forward = torch.clone  # type: ignore[method-assign]
    image = torch.empty(1, spec.in_channels, spec.input_size, spec.input_size, device="meta")
    with torch.no_grad():
        model(image)
    found["image"] = (nn.Identity(), tuple(image.shape))
    return found
