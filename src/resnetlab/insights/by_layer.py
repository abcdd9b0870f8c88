"""What goes through a network in evaluation, layer by layer: responses, signal and gradient.

Axes: N images, C channels, H height, W width, K classes.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.hooks import RemovableHandle

from resnetlab.evaluation.metrics import answer_logits, sum_type
from resnetlab.models import ResNet
from resnetlab.models.layers import at
from resnetlab.network.layers import Conv, Layer, Norm
from resnetlab.network.plan import Plan


class Response(NamedTuple):
    """How far a layer's outputs scatter."""

    layer: str
    deviation: float


class AtDepth(NamedTuple):
    """What goes forward and comes back at a place of the trunk."""

    layer: str
    signal: float
    gradient: float


def responding(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield each convolution of the trunk, and the layer whose output is its response.

    That is the BN right behind it; where there is none, as at the end of a pre-activated branch, it is
    the convolution itself. Shortcuts are no part of the trunk.
    """
    chains: list[tuple[str, tuple[Layer, ...]]] = [("", plan.stem)]
    chains += [(f"{unit.name}.", unit.branch) for unit in plan.units]
    for prefix, layers in chains:
        for layer, following in pairwise([*layers, None]):
            if isinstance(layer, Conv):
                seen = following if isinstance(following, Norm) else layer
                yield f"{prefix}{layer.name}", f"{prefix}{seen.name}"


class Responses:
    """Measures the responses of a network, in evaluation mode, on images that it is given in pieces.

    Args:
        model: The network; it is left as it was.
    """

    def __init__(self, model: ResNet) -> None:
        self._model = model
        self._responding = [*responding(model.spec.plan())]
        self._sums = [0.0] * len(self._responding)
        self._squares = [0.0] * len(self._responding)
        self.images = 0
        """How many images it was given."""

    def add(self, input_NCHW: Tensor) -> None:
        """Measure some images.

        Args:
            input_NCHW: Float32, as the network takes them.
        """
        with torch.inference_mode(), self.of(len(input_NCHW)):
            self._model(input_NCHW)

    @contextmanager
    def of(self, images: int) -> Iterator[None]:
        """Measure what the network is given while inside: one batch of so many images.

        Each response is measured at once: what follows may overwrite it.
        """
        found: list[tuple[Tensor, Tensor]] = []

        def measure(_: object, __: object, output: Tensor) -> None:
            variance, mean = torch.var_mean(output.detach().float(), correction=0)
            found.append((variance, mean))

        handles = [at(self._model, seen).register_forward_hook(measure) for _, seen in self._responding]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
        self.images += images
        for index, (variance, mean) in enumerate(_on_host(found)):
            self._sums[index] += mean * images
            self._squares[index] += (variance + mean**2) * images

    def found(self) -> list[Response]:
        """Return the standard deviation of each convolution's response, over images, channels and places.

        Source: He et al., 2015, arXiv:1512.03385, Fig. 7: after BN, before what is not linear.
        """
        return [
            Response(layer, math.sqrt(max(0.0, squares / self.images - (sums / self.images) ** 2)))
            for (layer, _), sums, squares in zip(self._responding, self._sums, self._squares, strict=True)
        ]


class ByLayer:
    """Measures a network on images that it is given in pieces; it must be in evaluation mode.

    Args:
        model: The network; it is left as it was.
    """

    def __init__(self, model: ResNet) -> None:
        self._model = model
        self._responses = Responses(model)
        self._trunk = ["stem", *model.unit_names]
        self._signal = [0.0] * len(self._trunk)
        self._gradient = [0.0] * len(self._trunk)

    @property
    def images(self) -> int:
        """How many images it was given."""
        return self._responses.images

    def add(self, input_NCHW: Tensor, labels_N: Tensor) -> None:
        """Measure some images.

        Args:
            input_NCHW: Float32, as the network takes them.
            labels_N: Int64: the number of the right logit of each.
        """
        trunk: list[Tensor] = []
        handles = [*self._watch(trunk)]
        try:
            with torch.enable_grad(), self._responses.of(len(input_NCHW)):
                # The input asks for a gradient so that all behind it has one, whatever is frozen.
                logits_NK = answer_logits(self._model(input_NCHW.detach().clone().requires_grad_()).float())
                losses = cross_entropy(logits_NK, labels_N, reduction="sum")
                gradients = torch.autograd.grad(losses, trunk)
        finally:
            for handle in handles:
                handle.remove()
        squares = [
            (_squares(each.detach()), _squares(own)) for each, own in zip(trunk, gradients, strict=True)
        ]
        for index, (signal, gradient) in enumerate(_on_host(squares)):
            self._signal[index] += signal
            self._gradient[index] += gradient

    def _watch(self, trunk: list[Tensor]) -> Iterator[RemovableHandle]:
        """Have what units pass on come into `trunk`."""
        model = self._model
        yield at(model, model.unit_names[0]).register_forward_pre_hook(
            lambda _, inputs: trunk.append(inputs[0])
        )
        for name in model.unit_names:
            yield at(model, name).register_forward_hook(lambda _, __, output: trunk.append(output))

    def responses(self) -> list[Response]:
        """Return the responses; see `Responses.found`."""
        return self._responses.found()

    def depth(self) -> list[AtDepth]:
        """Return the norm of what the stem and each unit pass on, and of the loss's gradient there.

        Of each image alone, Euclidean; the root of the mean of their squares over the images.
        """
        return [
            AtDepth(name, math.sqrt(signal / self.images), math.sqrt(gradient / self.images))
            for name, signal, gradient in zip(self._trunk, self._signal, self._gradient, strict=True)
        ]


def _squares(maps_NCHW: Tensor) -> Tensor:
    """Return the sum over the images of their squared norms."""
    norms_N: Tensor = torch.linalg.vector_norm(maps_NCHW.float().flatten(1), dim=1)
    return norms_N.to(sum_type(norms_N.device)).square().sum()


def _on_host(pairs: list[tuple[Tensor, Tensor]]) -> list[list[float]]:
    """Return pairs of numbers, fetched from the device at once."""
    found: list[list[float]] = torch.stack([torch.stack(pair) for pair in pairs]).tolist()
    return found
