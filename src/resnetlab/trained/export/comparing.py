"""Nothing is kept that answers otherwise than PyTorch does."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from resnetlab.data.batches.normalise import Normaliser, to_NCHW
from resnetlab.errors import ResnetlabError
from resnetlab.evaluation.metrics import answer_logits
from resnetlab.trained.artefact.model import Artefact

BATCHES = (1, 2, 5)
TOLERANCE = 1e-4
"""Largest difference of a logit, as a share of the largest; of a probability's logarithm likewise.

Float32 sums of other orders differ by 1e-6 of a logit after 20 layers and 2e-5 after 150, where
a wrong padding or BN constant makes 1e-3 and more.
"""

Function = Callable[[Tensor], Tensor]


class PixelsToProbabilities(nn.Module):
    """Normalisation, network and softmax in one: uint8 (N, H, W, C) to probabilities (N, K)."""

    def __init__(self, model: nn.Module, normaliser: Normaliser) -> None:
        super().__init__()
        self.model = model
        self.normaliser = normaliser

    def forward(self, images_NHWC: Tensor) -> Tensor:
        """Return the probabilities."""
        images_NCHW = to_NCHW(self.normaliser(images_NHWC), channels_last=False)
        logits_NK: Tensor = self.model(images_NCHW)
        return answer_logits(logits_NK).softmax(1)


def largest_difference(
    artefact: Artefact,
    exported: Function,
    *,
    takes_pixels: bool = False,
    size: tuple[int, int] | None = None,
) -> float:
    """Return how far an exported network is from PyTorch's, over batches of 1, 2 and 5 random images.

    Args:
        artefact: The network.
        exported: It, as it was exported.
        takes_pixels: See `example`.
        size: Height and width of the images; None is the network's.

    Raises:
        ResnetlabError: If that is more than TOLERANCE, or the network does not give finite numbers.
    """
    found = differences(artefact, exported, takes_pixels=takes_pixels, size=size)
    for batch, difference in found.items():
        if not difference <= TOLERANCE:
            raise ResnetlabError(
                f"the exported network differs from PyTorch's by {difference:.2g} in a batch of {batch}"
                f" (allowed is {TOLERANCE:g}); nothing was written",
                hint="This is a mistake of the exporter, not yours. Please report it with the model's spec.",
            )
    return max(found.values())


@torch.no_grad()
def differences(
    artefact: Artefact,
    exported: Function,
    *,
    takes_pixels: bool = False,
    size: tuple[int, int] | None = None,
) -> dict[int, float]:
    """Return by batch how far an exported network is from PyTorch's; see `largest_difference`.

    It is infinity where an answer is no finite number, or answers have another shape.

    Raises:
        ResnetlabError: If the network does not give finite numbers.
    """
    model: nn.Module = artefact.model()
    if takes_pixels:
        model = PixelsToProbabilities(model, artefact.preprocessing.normaliser)
    generator = torch.Generator().manual_seed(0)
    differ = {}
    for batch in BATCHES:
        images = example(artefact, batch, takes_pixels=takes_pixels, generator=generator, size=size)
        expected, found = model(images), exported(images)
        if takes_pixels:  # one class is often sure: in logarithms the others count as much
            expected, found = (each.clamp(min=1e-30).log() for each in (expected, found))
        if not expected.isfinite().all():
            raise ResnetlabError(f"{artefact.origin}: the network gives infinite numbers or NaN")
        scale = float(expected.abs().max().clamp(min=1e-6))
        is_alike = found.shape == expected.shape and bool(found.isfinite().all())
        differ[batch] = float((found - expected).abs().max()) / scale if is_alike else float("inf")
    return differ


def example(
    artefact: Artefact,
    batch: int,
    *,
    takes_pixels: bool = False,
    generator: torch.Generator | None = None,
    size: tuple[int, int] | None = None,
) -> Tensor:
    """Return random images of a size, or the network's: normalised (N, C, H, W), or pixels (N, H, W, C)."""
    height, width, channels = artefact.image_shape
    height, width = size or (height, width)
    if takes_pixels:
        shape = (batch, height, width, channels)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return torch.randn(batch, channels, height, width, generator=generator)
