"""Logits by kernels of our own (`compile=native`), and why a run cannot have them."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from resnetlab.base.machine.number_formats import NUMBER_FORMATS
from resnetlab.models import ResNet
from resnetlab.native.network import NativeNetwork, obstacle
from resnetlab.network.spec import ModelSpec
from resnetlab.recipe import Recipe
from resnetlab.recipe.running import Execution


class NativeLogits:
    """Makes a network's logits in training, from the first batch on, when its BNs are as they will be."""

    def __init__(self, model: nn.Module, execution: Execution) -> None:
        assert isinstance(model, ResNet)
        self._model, self._maps = model, NUMBER_FORMATS[execution.precision]
        self._network: NativeNetwork | None = None

    def __call__(self, images_NCHW: Tensor, keep_UN: Tensor | None = None) -> Tensor:
        """Return the logits (N, K) of images (N, C, H, W); `keep_UN` as `ResNet` takes it."""
        self._network = self._network or NativeNetwork(self._model, self._maps)
        return self._network(images_NCHW, keep_UN)


def obstacle_to_native(
    spec: ModelSpec, recipe: Recipe, device: torch.device, sizes: Collection[tuple[int, int]] = ()
) -> str:
    """Return why a run cannot be made by kernels of our own, or ""; asked only where they are wanted.

    `sizes` are the heights and widths of its images; none: the network's own.
    """
    execution = recipe.execution
    if execution.compile != "native":
        return ""
    if execution.is_synchronised:
        return "shard_bn=sync computes each BN for all shards at once"
    if execution.checkpoint_activations:
        return "checkpoint_activations is torch's"
    return obstacle(spec, device, NUMBER_FORMATS[execution.precision], sizes)
