"""A trained network, and the images that it has answered: read once more, as it saw them."""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from resnetlab.data.batches.normalise import to_NCHW
from resnetlab.data.batches.preprocessing import Preprocessing
from resnetlab.data.images.geometry import Pixels
from resnetlab.data.sources.encoded import AnySplit, EncodedSplit
from resnetlab.errors import DataError
from resnetlab.evaluation.answers import Answers
from resnetlab.models import ResNet

_MOST_AT_ONCE = 64
_PIXELS_AT_ONCE = 2**19
"""Of images that a gradient is taken of at once: ten of 224 x 224, which take a gigabyte in ResNet-50."""
_GOLDEN = 0.618


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A trained network, and the images that it has answered."""

    model: nn.Module
    preprocessing: Preprocessing
    device: torch.device
    size: tuple[int, int]
    """Height and width of the network's input."""
    split: AnySplit
    """In which the answers' images are, by their number."""
    answers: Answers
    logits: Sequence[int]
    """The number of each class' logit."""
    channels_last: bool = True
    are_of_views: bool = False
    """Whether the answers are means over several views, which a look at one does not explain."""
    unread: dict[int, str] = field(default_factory=dict)
    """What is wrong with images that could not be read again, by their row."""

    @property
    def network(self) -> ResNet | None:
        """The network, if one can look into it: not into the graph of an ONNX file."""
        return self.model if isinstance(self.model, ResNet) else None

    @property
    def at_once(self) -> int:
        """Images that a gradient is taken of at once, at most."""
        return max(1, min(_MOST_AT_ONCE, _PIXELS_AT_ONCE // math.prod(self.size)))

    def spread(self, most: int) -> list[int]:
        """Return rows evenly spaced in the answers, in such an order that the first few are spread too."""
        count = len(self.answers)
        rows: list[int] = np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64)).tolist()
        step = max(1, round(len(rows) * _GOLDEN))
        while math.gcd(step, len(rows)) > 1:
            step += 1
        return [rows[index * step % len(rows)] for index in range(len(rows))]

    def read(self, rows: Sequence[int]) -> dict[int, Pixels]:
        """Return the images of these rows of the answers, less those that cannot be read any more.

        Uint8 (H, W, C), as the network sees them.
        """
        if isinstance(self.split, EncodedSplit):
            with ThreadPoolExecutor(max(1, min(len(rows), os.cpu_count() or 1))) as pool:
                images = [*pool.map(self._read_file, rows)]
        else:
            images = [self.split.images[self.answers.sample[row]] for row in rows]
        return {row: image for row, image in zip(rows, images, strict=True) if image is not None}

    def _read_file(self, row: int) -> Pixels | None:
        assert isinstance(self.split, EncodedSplit)
        try:
            return self.preprocessing.pixels(self.split.read(int(self.answers.sample[row])))
        except DataError as error:
            self.unread[row] = str(error.args[0])
            return None

    def input(self, images: Sequence[Pixels]) -> Tensor:
        """Return the network's input, float32 (N, C, H, W), on its device."""
        images_NHWC = torch.from_numpy(np.stack(images)).to(self.device)
        return to_NCHW(self.preprocessing.normaliser(images_NHWC), channels_last=self.channels_last)

    def labels(self, rows: Sequence[int]) -> Tensor:
        """Return the numbers of the right logits of these rows, int64 (N,), on its device."""
        chosen = [self.logits[int(self.answers.truth[row])] for row in rows]
        return torch.tensor(chosen, device=self.device)
