"""How long an exported graph takes for one image, beside the network in torch as it is."""

import statistics
import time
from dataclasses import dataclass

import torch
from torch import nn

from resnetlab.trained.artefact.model import Artefact
from resnetlab.trained.export.comparing import Function, PixelsToProbabilities, example

_SECONDS = 0.6
"""That both take together; an image more of each where they are slower."""
_LEAST = 3


@dataclass(frozen=True)
class Speed:
    """Medians over single images, in turn with each other, on this machine's processor."""

    milliseconds: float
    """Of the exported graph."""
    milliseconds_torch: float
    """Of the network in torch, layer by layer."""
    threads: int

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return (
            f"one image: {self.milliseconds:.3g} ms, in torch {self.milliseconds_torch:.3g} ms"
            f" ({threads} of this processor)"
        )


@torch.inference_mode()
def measured(artefact: Artefact, exported: Function, *, takes_pixels: bool, size: tuple[int, int]) -> Speed:
    """Return how fast an exported network is, in about a second.

    Args:
        artefact: The network.
        exported: It, as it was exported.
        takes_pixels: See `comparing.example`.
        size: Height and width of the image.
    """
    network: nn.Module = artefact.model()
    if takes_pixels:
        network = PixelsToProbabilities(network, artefact.preprocessing.normaliser)
    image = example(artefact, 1, takes_pixels=takes_pixels, size=size)
    both: tuple[tuple[Function, list[float]], ...] = ((exported, []), (network, []))
    until = time.perf_counter() + _SECONDS
    while time.perf_counter() < until or len(both[0][1]) <= _LEAST:
        for function, seconds in both:
            begun = time.perf_counter()
            function(image)
            seconds.append(time.perf_counter() - begun)
    own, torchs = (1000 * statistics.median(seconds[1:]) for _, seconds in both)
    return Speed(own, torchs, torch.get_num_threads())
